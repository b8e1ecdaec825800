import { grpo, type GrpoConfig, type GrpoOptions } from "./grpo.ts";

// What a function here does not say is as in `grpo()`: its entropy bonus of 0.02 too, which none of the papers has and small
// models need; `entropyCoefficient: 0` is the published form.

/** Dr.GRPO (2503.20783): A = r - mean, each token's term summed and divided by rows x responseLength, clip 0.2, no KL. */
export const drGrpo = (options: GrpoOptions = {}): GrpoConfig =>
  grpo({ clipHigh: 0.2, aggregation: "constant-length", ...options });

/** RLOO (2402.14740): A = r - mean of the other siblings' r, -A log pi summed over a sequence, mean over sequences. */
export const rloo = (options: GrpoOptions = {}): GrpoConfig =>
  grpo({
    ...{ advantage: "leave-one-out", surrogate: "likelihood", aggregation: "sequence-mean-token-sum" },
    ...options,
  });

/**
 * DAPO (2503.14476): A = (r - mean) / (std + 1e-4), clip 0.2 / 0.28, mean over all tokens, groups without variance replaced
 * in up to 10 batches, overlong answers punished over the last quarter of maxTokens, no KL.
 */
export const dapo = (options: GrpoOptions = {}): GrpoConfig =>
  grpo({
    ...{ advantage: "standardized", clipLow: 0.2, clipHigh: 0.28, generationBatches: 10 },
    overlong: { buffer: Math.max(1, Math.floor((options.maxTokens ?? 16) / 4)), factor: 1 },
    ...options,
  });

/**
 * GSPO (2507.18071): A = (r - mean) / (std + 1e-4), the ratio of the whole sequence exp(mean log r), clip 3e-4 / 4e-4, mean
 * over a sequence's tokens, then over sequences, four minibatches an update.
 */
export const gspo = (options: GrpoOptions = {}): GrpoConfig =>
  grpo({
    ...{ advantage: "standardized", ratio: "sequence", clipLow: 3e-4, clipHigh: 4e-4, minibatches: 4 },
    aggregation: "sequence-mean-token-mean",
    ...options,
  });

import { FulguriteError } from "../gpu/error.ts";
import { checkNames } from "./option-names.ts";
import { checkWhole, defaultOptimizer, pickOptions, type OptimizerOptions } from "./optimizer-options.ts";
import type { TokenLossConfig } from "./token-loss-config.ts";
import { oneOf } from "./validate-config.ts";
import { checkSchedule, checkTokenLoss } from "./validate-language.ts";

/** Which examples an optimizer step sees: shared by the algorithms that learn from data and not from rollouts. */
export interface SupervisedPlan {
  /** Optimizer steps in all; a pass over N examples takes ceil(N / batchSize). */
  readonly updates: number;
  /** Most examples of a step. */
  readonly batchSize: number;
  /**
   * Most tokens of a step, prompts included, or null for no limit: examples of different lengths are packed side by side,
   * without padding between them, each attending to itself alone.
   */
  readonly batchTokens: number | null;
  /** Updates between evaluations on held-out examples. */
  readonly evaluateEvery: number;
  /** Held-out examples of an evaluation, from the first. */
  readonly evaluationExamples: number;
  /** Updates over which the learning rate rises from 0. */
  readonly warmup: number;
  readonly finalLearningRate: number;
  /** Way of the learning rate from the warm-up's end to its final value; see `schedule.ts`. */
  readonly schedule: "linear" | "cosine";
}

/** Supervised fine-tuning; every field is a resolved number, `sft()` fills the defaults. */
export interface SftConfig extends SupervisedPlan {
  readonly kind: "sft";
  /** "completion": what the assistant says. "everything": prompts too, from their second token on. */
  readonly learn: "completion" | "everything";
  readonly loss: TokenLossConfig;
}

export type SftOptions = Partial<SupervisedPlan> &
  Partial<OptimizerOptions> &
  Partial<Pick<SftConfig, "learn">> & {
    /**
     * Share s of a token's target that is spread evenly over the ids allowed, below 1, default 0: a batch minimizes the
     * mean of -(1 - s) log pi(token) - s / K sum log pi(k) (label smoothing, arXiv 1512.00567, section 7). Held-out losses
     * are without it.
     */
    readonly labelSmoothing?: number;
  };

export const supervisedPlan = {
  updates: 200,
  batchSize: 32,
  evaluateEvery: 20,
  evaluationExamples: 256,
} as const;

/** Names of the options that all algorithms over examples have. */
export const supervisedOptions: readonly string[] = [
  ...Object.keys(supervisedPlan),
  ...["batchTokens", "warmup", "finalLearningRate", "schedule"],
  ...Object.keys(defaultOptimizer),
];

/**
 * Supervised fine-tuning: minimizes -1/N sum log pi(token | what is before it) over the N learned tokens of a batch
 * (masked cross-entropy, token mean). Examples come in an order that is shuffled anew every epoch, keyed by the seed.
 * Defaults: 200 steps of 32 examples, completions only, AdamW 1e-3 (0.9, 0.99) falling in a line to a tenth, gradient
 * norm 1. Throws "rl/invalid-config".
 */
export function sft(options: SftOptions = {}): SftConfig {
  checkNames("sft", options, [...supervisedOptions, "learn", "labelSmoothing"]);
  const { labelSmoothing = 0 } = options;
  const config: SftConfig = {
    kind: "sft",
    ...resolvePlan(options),
    learn: options.learn ?? "completion",
    loss: { ...likelihood(options), ...(labelSmoothing !== 0 && { labelSmoothing }) },
  };
  checkSupervisedPlan(config);
  oneOf("learn", config.learn, ["completion", "everything"]);
  if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
    throw new FulguriteError(
      "rl/invalid-config",
      `A labelSmoothing of ${labelSmoothing} cannot be used.`,
      "Pass a share from 0 to below 1, such as 0.1.",
    );
  }
  return config;
}

/** -A log pi, without anything else. */
export const likelihood = (options: Partial<OptimizerOptions>): TokenLossConfig => ({
  kind: "likelihood",
  clipLow: 0,
  clipHigh: 0,
  dualClip: null,
  entropyCoefficient: 0,
  ...pickOptions(defaultOptimizer, options),
});

export const resolvePlan = (
  options: Partial<SupervisedPlan> & Partial<OptimizerOptions>,
): SupervisedPlan => ({
  ...pickOptions<Pick<SupervisedPlan, keyof typeof supervisedPlan>>(supervisedPlan, options),
  batchTokens: options.batchTokens ?? null,
  warmup: options.warmup ?? 0,
  finalLearningRate:
    options.finalLearningRate ?? (options.learningRate ?? defaultOptimizer.learningRate) / 10,
  schedule: options.schedule ?? "linear",
});

/** Throws "rl/invalid-config" where a plan cannot be followed. */
export function checkSupervisedPlan(config: SupervisedPlan & { readonly loss: TokenLossConfig }): void {
  checkWhole({ ...config }, supervisedPlan);
  checkTokenLoss(config.loss);
  checkSchedule(config);
  const { batchTokens, warmup } = config;
  const usable =
    (batchTokens === null || (Number.isInteger(batchTokens) && batchTokens > 0)) &&
    Number.isInteger(warmup) &&
    warmup >= 0;
  if (usable) return;
  throw new FulguriteError(
    "rl/invalid-config",
    `batchTokens ${String(batchTokens)} and warmup ${String(warmup)} cannot be used.`,
    "Pass batchTokens: 4096 or leave it out for no limit, and a whole number of updates as warmup.",
  );
}

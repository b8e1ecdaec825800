/**
 * What is done where the policy that sampled is not the one that is trained (temperature, filters, older weights,
 * rounding): weights of w = pi_old / pi_sampler, constants in the loss (verl, rollout correction). They go into
 * `importance` and never into the clipped ratio, which is pi / pi_old.
 */
export type RolloutCorrection =
  /** min(w_t, cap) a token (truncated importance sampling; Agent Lightning's default with 2). */
  | { readonly name: "token"; readonly cap: number }
  /** min(prod w, cap) for all tokens of a sequence; biased against long ones. */
  | { readonly name: "sequence"; readonly cap: number }
  /** 1 where w_t is within [low, high], else 0: leaves tokens out (verl's rejection). */
  | { readonly name: "token-mask"; readonly low: number; readonly high: number }
  /** The same by prod w of the sequence. */
  | { readonly name: "sequence-mask"; readonly low: number; readonly high: number }
  /** 1 where exp(mean log w) of the sequence is within [low, high], else 0. */
  | { readonly name: "geometric-mean"; readonly low: number; readonly high: number }
  /** 1 where the mean of k3 = (w - 1) - log w of the sequence is below the limit, else 0. */
  | { readonly name: "k3"; readonly limit: number };

/** [rows x length], row-major. Tokens with mask 0 have no influence. */
export interface RolloutCorrectionInput {
  readonly rows: number;
  readonly length: number;
  readonly oldLogProbabilities: ArrayLike<number>;
  readonly samplerLogProbabilities: ArrayLike<number>;
  readonly mask: ArrayLike<number>;
}

export interface CorrectedRollouts {
  /** Weight of every token, 0 where masked. */
  readonly importance: Float64Array;
  /** (sum prod w)^2 / (rows x sum (prod w)^2): 1 where sampler and old policy agree. */
  readonly effectiveSampleShare: number;
  /** Mean over tokens of (w - 1) - log w. */
  readonly samplerKl: number;
}

/** Weights of every token, and how far the sampler was from the old policy. */
export function correctRollouts(
  correction: RolloutCorrection,
  { rows, length, oldLogProbabilities, samplerLogProbabilities, mask }: RolloutCorrectionInput,
): CorrectedRollouts {
  const importance = new Float64Array(rows * length);
  let [sum, squares, kl, tokens] = [0, 0, 0, 0];
  for (let row = 0; row < rows; row++) {
    const logs: number[] = [];
    for (let at = row * length; at < (row + 1) * length; at++) {
      if (mask[at] !== 0) logs.push(oldLogProbabilities[at]! - samplerLogProbabilities[at]!);
    }
    const total = logs.reduce((a, b) => a + b, 0);
    const k3 = logs.reduce((a, log) => a + Math.exp(log) - 1 - log, 0);
    sum += Math.exp(total);
    squares += Math.exp(2 * total);
    kl += k3;
    tokens += logs.length;
    const whole = sequenceWeight(correction, total, logs.length, k3);
    for (let t = 0, k = 0; t < length; t++) {
      if (mask[row * length + t] === 0) continue;
      importance[row * length + t] = whole ?? tokenWeight(correction, Math.exp(logs[k]!));
      k++;
    }
  }
  return {
    importance,
    effectiveSampleShare: squares > 0 ? (sum * sum) / (rows * squares) : Number.NaN,
    samplerKl: tokens > 0 ? kl / tokens : Number.NaN,
  };
}

/** One weight for a whole sequence; null where each token has its own. */
function sequenceWeight(
  correction: RolloutCorrection,
  total: number,
  tokens: number,
  k3: number,
): number | null {
  switch (correction.name) {
    case "token":
    case "token-mask":
      return null;
    case "sequence":
      return Math.min(Math.exp(total), correction.cap);
    case "sequence-mask":
      return within(Math.exp(total), correction);
    case "geometric-mean":
      return within(Math.exp(total / Math.max(1, tokens)), correction);
    case "k3":
      return k3 / Math.max(1, tokens) < correction.limit ? 1 : 0;
  }
}

function tokenWeight(correction: RolloutCorrection, weight: number): number {
  if (correction.name === "token") return Math.min(weight, correction.cap);
  return correction.name === "token-mask" ? within(weight, correction) : weight;
}

const within = (weight: number, { low, high }: { readonly low: number; readonly high: number }): number =>
  weight >= low && weight <= high ? 1 : 0;

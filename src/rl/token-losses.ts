import { tokenTerm, type TokenObjective } from "../kernels/token-objective.ts";

/**
 * Surrogates of the group-relative family, by the names of their papers. All are per-token values whose gradient
 * with respect to log pi is a coefficient, so that any of them is one `TokenRows` away from every engine.
 */
export type TokenSurrogate =
  /** -A log pi (Williams 1992). */
  | { readonly name: "reinforce" }
  /** max(-A r, -A clip(r)); `high` above `low` is DAPO's clip-higher (2503.14476), `dual` bounds A < 0 by -dual A. */
  | { readonly name: "ppo"; readonly low: number; readonly high: number; readonly dual?: number }
  /** The same with the sequence's ratio exp(mean log r) for every token (GSPO, 2507.18071, stop-gradient form). */
  | { readonly name: "gspo"; readonly low: number; readonly high: number }
  /** -sg(clip(r)) A log pi (CISPO, 2506.13585); `low` 0 clips the upper side only. */
  | { readonly name: "cispo"; readonly low: number; readonly high: number }
  /** -A 4/tau sigmoid(tau (r - 1)), tau by the sign of A (SAPO, 2511.20347). */
  | { readonly name: "sapo"; readonly positive: number; readonly negative: number };

/** [rows x length], row-major. Tokens with mask 0 have no influence. */
export interface TokenLossInput {
  readonly rows: number;
  readonly length: number;
  readonly logProbabilities: ArrayLike<number>;
  readonly oldLogProbabilities: ArrayLike<number>;
  readonly mask: ArrayLike<number>;
  /** One a token. */
  readonly advantages: ArrayLike<number>;
}

/**
 * Value of every token's term and its derivative by the token's log-probability, both before the weights of
 * `aggregationWeights`: loss = sum w value, d loss / d log pi = w slope. Masked entries are 0. GSPO, whose ratio is a
 * sequence's, is trained as "likelihood" with advantages = -slope, given the log-probabilities of `score`.
 */
export function tokenLosses(
  surrogate: TokenSurrogate,
  input: TokenLossInput,
): { readonly values: Float64Array; readonly slopes: Float64Array } {
  const { rows, length } = input;
  const values = new Float64Array(rows * length);
  const slopes = new Float64Array(rows * length);
  for (let row = 0; row < rows; row++) {
    const sequence = surrogate.name === "gspo" ? meanLogRatio(input, row) : 0;
    for (let i = row * length; i < (row + 1) * length; i++) {
      if (input.mask[i] === 0) continue;
      const logProbability = input.logProbabilities[i]!;
      const old = input.oldLogProbabilities[i]!;
      const term = tokenValue(surrogate, logProbability, old, input.advantages[i]!, sequence);
      values[i] = term.value;
      slopes[i] = term.slope;
    }
  }
  return { values, slopes };
}

function tokenValue(
  surrogate: TokenSurrogate,
  logProbability: number,
  old: number,
  advantage: number,
  sequence: number,
): { readonly value: number; readonly slope: number } {
  const objective = objectiveOf(surrogate);
  // The sequence's ratio as if this token alone had it: its gradient lands on the token's own log pi.
  const { loss, slope } =
    surrogate.name === "gspo"
      ? tokenTerm(objective, sequence, 0, advantage, 1)
      : tokenTerm(objective, logProbability, old, advantage, 1);
  return { value: loss, slope };
}

/** The kernel's objective of a surrogate: what every engine computes itself, but for the ratio of a sequence. */
export function objectiveOf(surrogate: TokenSurrogate): TokenObjective {
  const plain = { clipLow: 0, clipHigh: 0, dualClip: null, entropyCoefficient: 0 };
  switch (surrogate.name) {
    case "reinforce":
      return { kind: "likelihood", ...plain };
    case "ppo":
    case "gspo": {
      const dualClip = surrogate.name === "ppo" ? (surrogate.dual ?? null) : null;
      return { kind: "policy", ...plain, clipLow: surrogate.low, clipHigh: surrogate.high, dualClip };
    }
    case "cispo":
      return { kind: "cispo", ...plain, clipLow: 1 - surrogate.low, clipHigh: surrogate.high - 1 };
    case "sapo": {
      const { positive, negative } = surrogate;
      return { kind: "sapo", ...plain, gate: { positive, negative } };
    }
  }
}

function meanLogRatio(input: TokenLossInput, row: number): number {
  let sum = 0;
  let count = 0;
  for (let i = row * input.length; i < (row + 1) * input.length; i++) {
    if (input.mask[i] === 0) continue;
    sum += input.logProbabilities[i]! - input.oldLogProbabilities[i]!;
    count++;
  }
  return count === 0 ? 0 : sum / count;
}

/** How the tokens' terms become one number: an algorithm's choice, not a detail. */
export type TokenAggregation =
  /** 1 / all tokens (DAPO; verl's default). Long answers dominate. */
  | { readonly name: "token-mean" }
  /** Mean over a sequence, then over sequences (GRPO, 2402.03300). */
  | { readonly name: "sequence-mean-token-mean" }
  /** Sum over a sequence, mean over sequences. */
  | { readonly name: "sequence-mean-token-sum" }
  /** Sum / (rows x length) with a constant length (Dr.GRPO, 2503.20783). */
  | { readonly name: "constant-length"; readonly length: number }
  /** Sum / (tokens of the row's rollout x rows): a rollout of five calls weighs as much as one of one (Agent Lightning). */
  | { readonly name: "per-rollout-mean"; readonly rollouts: readonly (string | number)[] };

/** Weight of every token, [rows x length], 0 where masked: the `weights` of `TokenRows`. */
export function aggregationWeights(
  aggregation: TokenAggregation,
  mask: ArrayLike<number>,
  rows: number,
  length: number,
): Float64Array {
  const counts = Float64Array.from({ length: rows }, (_, row) => {
    let count = 0;
    for (let t = 0; t < length; t++) count += mask[row * length + t]!;
    return count;
  });
  const divisors = rowDivisors(aggregation, counts);
  return Float64Array.from({ length: rows * length }, (_, i) =>
    mask[i] === 0 ? 0 : mask[i]! / divisors[Math.floor(i / length)]!,
  );
}

/** What a row's terms are divided by, given the counted tokens of each row. */
function rowDivisors(aggregation: TokenAggregation, counts: Float64Array): Float64Array {
  const rows = counts.length;
  switch (aggregation.name) {
    case "token-mean":
      return counts.map(() => counts.reduce((a, b) => a + b, 0));
    case "sequence-mean-token-mean":
      return counts.map((count) => count * rows);
    case "sequence-mean-token-sum":
      return counts.map(() => rows);
    case "constant-length":
      return counts.map(() => rows * aggregation.length);
    case "per-rollout-mean": {
      const totals = new Map<string | number, number>();
      aggregation.rollouts.forEach((id, row) => totals.set(id, (totals.get(id) ?? 0) + counts[row]!));
      return counts.map((_, row) => totals.get(aggregation.rollouts[row]!)! * rows);
    }
  }
}

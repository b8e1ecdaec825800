/** log r is clamped to this range before exp, as Agent Lightning v1.0 and verl do. */
const logRatioLimit = 20;

/** Estimates of KL(pi || reference) from one sampled token, d = log pi - log reference (rl.md 1.8). */
export type KlEstimator =
  /** d: unbiased, and as a loss its gradient is 0 in expectation; for rewards. */
  | "k1"
  /** d^2 / 2: as a loss, the gradient of KL(pi || reference). */
  | "k2"
  /** exp(-d) - 1 + d: unbiased and never negative; as a loss, the gradient of KL(reference || pi). */
  | "k3"
  /** Value of k3, gradient of k2 (verl). */
  | "k3+";

/** The part of a token loss that decides value and gradient; `rl/token-loss-config` explains the rest. */
export interface TokenObjective {
  readonly kind: "policy" | "likelihood" | "cispo" | "sapo";
  readonly clipLow: number;
  readonly clipHigh: number;
  readonly dualClip: number | null;
  readonly entropyCoefficient: number;
  readonly gate?: { readonly positive: number; readonly negative: number };
  readonly kl?: { readonly coefficient: number; readonly estimator: KlEstimator };
  readonly labelSmoothing?: number;
}

/** Numbers of the kinds and estimators in shaders/transformer/batch.wgsl. */
export const objectiveNumbers = { likelihood: 0, policy: 1, cispo: 2, sapo: 3 } as const;
export const estimatorNumbers = { k1: 0, k2: 1, k3: 2, "k3+": 3 } as const;

/** SAPO's temperatures, of TRL. */
export const defaultGate = { positive: 1, negative: 1.05 } as const;

/** Value and derivative by log pi of an estimate of KL(pi || reference); the difference is clamped as log r is. */
export function klTerm(
  estimator: KlEstimator,
  logProbability: number,
  referenceLogProbability: number,
  exp: (x: number) => number = Math.exp,
): { readonly value: number; readonly slope: number } {
  const raw = logProbability - referenceLogProbability;
  const d = Math.min(Math.max(raw, -logRatioLimit), logRatioLimit);
  // A clamp that is active passes no gradient.
  const pass = raw === d ? 1 : 0;
  if (estimator === "k1") return { value: d, slope: pass };
  if (estimator === "k2") return { value: (d * d) / 2, slope: d * pass };
  const inverse = exp(-d);
  return { value: inverse - 1 + d, slope: (estimator === "k3" ? 1 - inverse : d) * pass };
}

/** One token's term of the loss, before its weight. */
export interface TokenTerm {
  /** Surrogate and KL term, without the entropy bonus. */
  readonly loss: number;
  /** d loss / d log pi(token). */
  readonly slope: number;
  /** Schulman's k3 estimate of KL(old || new): (r - 1) - log r. */
  readonly kl: number;
  /** Whether the clipped branch is the active one. */
  readonly clipped: boolean;
}

/**
 * One token's term: the surrogate times `importance`, a constant, plus the KL term. The surrogates, r = pi / pi_old:
 * - policy: max(-A r, -A clip(r, 1 - low, 1 + high)) (Schulman et al. 2017, arXiv 1707.06347, equation 7; low and high
 *   apart: DAPO, arXiv 2503.14476); for A < 0 bounded by -c A (dual clip, Ye et al. 2020, arXiv 1912.09729);
 * - likelihood: -A log pi;
 * - cispo: -sg(clip(r, 1 - low, 1 + high)) A log pi (CISPO, arXiv 2506.13585): no token's gradient is ever 0;
 * - sapo: -A 4 / tau sigmoid(tau (r - 1)), tau by the sign of A (SAPO, arXiv 2511.20347).
 * `exp` may be an f32 twin.
 */
export function tokenTerm(
  objective: TokenObjective,
  logProbability: number,
  oldLogProbability: number,
  advantage: number,
  importance: number,
  exp: (x: number) => number = Math.exp,
  referenceLogProbability = 0,
): TokenTerm {
  const { loss, slope, kl, clipped } = surrogateTerm(
    objective,
    logProbability,
    oldLogProbability,
    advantage,
    exp,
  );
  const term = { loss: loss * importance, slope: slope * importance, kl, clipped };
  if (!objective.kl || objective.kl.coefficient === 0) return term;
  const { coefficient, estimator } = objective.kl;
  const towards = klTerm(estimator, logProbability, referenceLogProbability, exp);
  return {
    ...term,
    loss: term.loss + coefficient * towards.value,
    slope: term.slope + coefficient * towards.slope,
  };
}

/**
 * d loss / d (mean of log pi over the allowed ids) of a token's "likelihood" with label smoothing s: its loss is -A ((1 - s)
 * log pi(token) + s mean log pi), that is `tokenTerm`'s loss plus this times (mean log pi - log pi(token)).
 */
export const smoothingSlope = (
  { kind, labelSmoothing = 0 }: TokenObjective,
  advantage: number,
  importance: number,
): number => (kind === "likelihood" ? -labelSmoothing * advantage * importance : 0);

function surrogateTerm(
  objective: TokenObjective,
  logProbability: number,
  oldLogProbability: number,
  advantage: number,
  exp: (x: number) => number,
): TokenTerm {
  if (objective.kind === "likelihood") {
    return { loss: -advantage * logProbability, slope: -advantage, kl: 0, clipped: false };
  }
  const raw = logProbability - oldLogProbability;
  const logRatio = Math.min(Math.max(raw, -logRatioLimit), logRatioLimit);
  const ratio = exp(logRatio);
  const kl = ratio - 1 - logRatio;
  // A clamp that is active passes no gradient.
  const pass = raw === logRatio ? 1 : 0;
  if (objective.kind === "sapo") {
    const { positive, negative } = objective.gate ?? defaultGate;
    const tau = advantage > 0 ? positive : negative;
    const gate = 1 / (1 + exp(-tau * (ratio - 1)));
    const slope = -advantage * 4 * gate * (1 - gate) * ratio * pass;
    return { loss: (-advantage * 4 * gate) / tau, slope, kl, clipped: false };
  }
  const clippedRatio = Math.min(Math.max(ratio, 1 - objective.clipLow), 1 + objective.clipHigh);
  if (objective.kind === "cispo") {
    const slope = -advantage * clippedRatio;
    return { loss: slope * logProbability, slope, kl, clipped: clippedRatio !== ratio };
  }
  const free = -advantage * ratio;
  const bound = -advantage * clippedRatio;
  const clipped = bound > free;
  let loss = clipped ? bound : free;
  let slope = clipped ? 0 : free * pass;
  if (objective.dualClip !== null && advantage < 0 && loss > -advantage * objective.dualClip) {
    loss = -advantage * objective.dualClip;
    slope = 0;
  }
  return { loss, slope, kl, clipped };
}

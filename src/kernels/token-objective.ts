/** The part of a token loss that decides value and gradient; `lm/language-engine` explains the rest. */
export interface TokenObjective {
  readonly kind: "policy" | "likelihood";
  readonly clipLow: number;
  readonly clipHigh: number;
  readonly dualClip: number | null;
  readonly entropyCoefficient: number;
}

/** One token's term of the loss, before its weight. */
export interface TokenTerm {
  /** Surrogate without the entropy bonus. */
  readonly loss: number;
  /** d loss / d log pi(token). */
  readonly slope: number;
  /** Schulman's k3 estimate of KL(old || new): (r - 1) - log r. */
  readonly kl: number;
  /** Whether the clipped branch is the active one. */
  readonly clipped: boolean;
}

/** log r is clamped to this range before exp, as Agent Lightning v1.0 and verl do. */
const logRatioLimit = 20;

/**
 * Clipped surrogate of one token (Schulman et al. 2017, arXiv 1707.06347, equation 7), with separate lower and upper
 * range (DAPO, arXiv 2503.14476), and for negative advantages the bound -c A (dual clip, Ye et al. 2020,
 * arXiv 1912.09729): times `importance`, a constant. Or the plain -A log pi. `exp` may be an f32 twin.
 */
export function tokenTerm(
  objective: TokenObjective,
  logProbability: number,
  oldLogProbability: number,
  advantage: number,
  importance: number,
  exp: (x: number) => number = Math.exp,
): TokenTerm {
  if (objective.kind === "likelihood") {
    const slope = -advantage * importance;
    return { loss: slope * logProbability, slope, kl: 0, clipped: false };
  }
  const raw = logProbability - oldLogProbability;
  const logRatio = Math.min(Math.max(raw, -logRatioLimit), logRatioLimit);
  const ratio = exp(logRatio);
  const clippedRatio = Math.min(Math.max(ratio, 1 - objective.clipLow), 1 + objective.clipHigh);
  const free = -advantage * ratio;
  const bound = -advantage * clippedRatio;
  const clipped = bound > free;
  let loss = clipped ? bound : free;
  // A clamp that is active passes no gradient.
  let slope = clipped || raw !== logRatio ? 0 : -advantage * ratio;
  if (objective.dualClip !== null && advantage < 0 && loss > -advantage * objective.dualClip) {
    loss = -advantage * objective.dualClip;
    slope = 0;
  }
  return { loss: loss * importance, slope: slope * importance, kl: ratio - 1 - logRatio, clipped };
}

import type { TokenObjective } from "../kernels/token-objective.ts";

/** Coefficients of one optimizer step: data, never baked into a plan. */
export interface TokenLossConfig extends TokenObjective {
  /**
   * The surrogate of a token, r = pi/pi_old, log r clamped to +-20; the step minimizes the sum of w x surrogate -
   * entropyCoefficient x w H, w from `TokenRows`, H the entropy of the token's distribution.
   * - "policy": max(-A r, -A clip(r, 1 - clipLow, 1 + clipHigh)); with dualClip c, for A < 0 bounded by -c A;
   * - "likelihood": -A log pi (SFT with A = 1, REINFORCE otherwise);
   * - "cispo": -sg(clip(r, 1 - clipLow, 1 + clipHigh)) A log pi;
   * - "sapo": -A 4 / tau sigmoid(tau (r - 1)), tau = gate.positive for A > 0, else gate.negative.
   */
  readonly kind: TokenObjective["kind"];
  readonly clipLow: number;
  readonly clipHigh: number;
  readonly dualClip: number | null;
  readonly entropyCoefficient: number;
  /** Of "sapo"; default 1 and 1.05. */
  readonly gate?: { readonly positive: number; readonly negative: number };
  /**
   * Adds coefficient x estimate of KL(pi || reference) to every token, d = log pi - log reference: k1 d; k2 d^2 / 2;
   * k3 exp(-d) - 1 + d; k3+ with the value of k3 and the gradient of k2. Rows then need reference log-probabilities.
   */
  readonly kl?: NonNullable<TokenObjective["kl"]>;
  /**
   * Of "likelihood", s, default 0: -A ((1 - s) log pi(token) + s / K sum log pi(k)) over the K ids allowed (label
   * smoothing, arXiv 1512.00567, section 7).
   */
  readonly labelSmoothing?: number;
  /** Of AdamW's step, theta -= learningRate (m' / (sqrt(v') + adamEpsilon) + weightDecay theta) (arXiv 1711.05101). */
  readonly learningRate: number;
  /** m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2; m' and v' are divided by 1 - beta^step. */
  readonly betas: readonly [number, number];
  readonly adamEpsilon: number;
  readonly weightDecay: number;
  /** g is multiplied by min(1, maxGradientNorm / (|g| + 1e-6)), |g| the norm of all gradients (arXiv 1211.5063). */
  readonly maxGradientNorm: number;
}

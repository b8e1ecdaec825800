/** Coefficients of one optimizer step: data, never baked into a plan. */
export interface TokenLossConfig {
  /**
   * "policy": sum w x max(-A r, -A clip(r, 1-low, 1+high)) - entropyCoefficient x sum w H, r = pi/pi_old, log r clamped to +-20;
   * with dualClip c: for A < 0 bounded by -c A. "likelihood": -sum w x A x log pi (SFT with A = 1, REINFORCE otherwise).
   */
  readonly kind: "policy" | "likelihood";
  readonly clipLow: number;
  readonly clipHigh: number;
  readonly dualClip: number | null;
  readonly entropyCoefficient: number;
  readonly learningRate: number;
  readonly betas: readonly [number, number];
  readonly adamEpsilon: number;
  readonly weightDecay: number;
  readonly maxGradientNorm: number;
}

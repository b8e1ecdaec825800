/**
 * Soft punishment of overlong answers (DAPO, arXiv 2503.14476, equation 13): 0 up to `most - buffer` tokens, then in a
 * line down to -factor at `most` and beyond.
 */
export function overlongPenalty(
  length: number,
  { most, buffer, factor }: { readonly most: number; readonly buffer: number; readonly factor: number },
): number {
  const excess = length - (most - buffer);
  return excess <= 0 ? 0 : -factor * Math.min(1, excess / buffer);
}

/**
 * Coefficient of a KL penalty after one more batch: beta (1 + clip(kl / target - 1, +-0.2) n / horizon) (Ziegler et al.
 * 2019, arXiv 1909.08593). `n` is the number of rollouts in the batch.
 */
export function adaptedKlCoefficient(
  beta: number,
  kl: number,
  { target, horizon, n }: { readonly target: number; readonly horizon: number; readonly n: number },
): number {
  const error = Math.min(Math.max(kl / target - 1, -0.2), 0.2);
  return beta * (1 + (error * n) / horizon);
}

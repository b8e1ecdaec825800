/** A controller of the weight of a KL term, which moves with the KL that is measured. */
export interface AdaptiveKl {
  /** KL(policy || reference) to hold, nats a sampled token. */
  readonly target: number;
  /** Rollouts over which a KL that is 20 % off, or more, moves the weight by a factor of about e^0.2. */
  readonly horizon: number;
}

/**
 * Weight of a KL term after one more batch of `rollouts`: beta (1 + clip(kl / target - 1, +-0.2) rollouts / horizon)
 * (Ziegler et al. 2019, 1909.08593, section 2.2). `kl` in the target's unit, as the batch was sampled.
 */
export function adaptedKl(
  beta: number,
  kl: number,
  { target, horizon }: AdaptiveKl,
  rollouts: number,
): number {
  const error = Math.min(Math.max(kl / target - 1, -0.2), 0.2);
  return beta * (1 + (error * rollouts) / horizon);
}

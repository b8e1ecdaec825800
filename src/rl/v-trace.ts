/** Transitions that another, slightly older policy collected. Arrays are [steps x envs], row-major. */
export interface VTraceBatch {
  readonly steps: number;
  readonly envs: number;
  /** log pi(a|s) - log mu(a|s): the policy that learns over the one that acted. */
  readonly logRatios: ArrayLike<number>;
  /** gamma, or 0 where the episode ended with this step. */
  readonly discounts: ArrayLike<number>;
  readonly rewards: ArrayLike<number>;
  /** V of the policy that learns. */
  readonly values: ArrayLike<number>;
  /** [envs], V of the observation after the last step. */
  readonly lastValues: ArrayLike<number>;
  /** Largest weight of a step's error, rho; default 1. */
  readonly maxRho?: number;
  /** Largest weight of what follows a step, c; default 1. */
  readonly maxC?: number;
}

export interface VTrace {
  /** [steps x envs], what the critic learns. */
  readonly targets: Float64Array;
  /** [steps x envs], what the policy's gradient is weighted with; the ratio is inside. */
  readonly advantages: Float64Array;
}

/**
 * V-trace (Espeholt et al. 2018, arXiv 1802.01561, equation 1): targets for rollouts of a policy that is no longer the
 * one that learns. rho = min(maxRho, pi / mu), c = min(maxC, pi / mu),
 * v_t = V_t + rho_t (r_t + gamma_t V_t+1 - V_t) + gamma_t c_t (v_t+1 - V_t+1);
 * the advantage is rho_t (r_t + gamma_t v_t+1 - V_t). With pi = mu the targets are n-step returns.
 */
export function vTrace(batch: VTraceBatch): VTrace {
  const { steps, envs, logRatios, discounts, rewards, values, lastValues, maxRho = 1, maxC = 1 } = batch;
  const targets = new Float64Array(steps * envs);
  const advantages = new Float64Array(steps * envs);
  for (let n = 0; n < envs; n++) {
    let nextValue = lastValues[n]!;
    let nextTarget = nextValue;
    for (let i = (steps - 1) * envs + n; i >= 0; i -= envs) {
      const ratio = Math.exp(logRatios[i]!);
      const rho = Math.min(maxRho, ratio);
      const value = values[i]!;
      const error = rho * (rewards[i]! + discounts[i]! * nextValue - value);
      advantages[i] = rho * (rewards[i]! + discounts[i]! * nextTarget - value);
      targets[i] = value + error + discounts[i]! * Math.min(maxC, ratio) * (nextTarget - nextValue);
      nextTarget = targets[i]!;
      nextValue = value;
    }
  }
  return { targets, advantages };
}

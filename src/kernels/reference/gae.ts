/**
 * Generalised advantage estimation in f64 (Schulman et al. 2015, arXiv 1506.02438, equation 16). Arrays are
 * [steps x envs], row-major: element (t, n) at t x envs + n.
 */
export interface GaeShape {
  readonly steps: number;
  readonly envs: number;
  readonly gamma: number;
  readonly lambda: number;
}

export interface Advantages {
  /** [steps x envs] */
  readonly advantages: Float64Array;
  /** [steps x envs], advantage + value. */
  readonly returns: Float64Array;
}

/**
 * Gymnasium's five-tuple:
 * delta_t = r_t + gamma V(s_{t+1}) (1 - terminated_t) - V(s_t),
 * A_t = delta_t + gamma lambda (1 - (terminated_t or truncated_t)) A_{t+1}.
 * `nextValues` [steps x envs] is the value of the real next state, before any reset. Equal to adding
 * gamma V(terminal observation) to the reward of a truncated step (Stable-Baselines3).
 */
export function gae(
  shape: GaeShape,
  rewards: ArrayLike<number>,
  values: ArrayLike<number>,
  nextValues: ArrayLike<number>,
  terminated: ArrayLike<number>,
  truncated: ArrayLike<number>,
): Advantages {
  const { steps, envs, gamma, lambda } = shape;
  const advantages = new Float64Array(steps * envs);
  const returns = new Float64Array(steps * envs);
  for (let n = 0; n < envs; n++) {
    let next = 0;
    for (let t = steps - 1; t >= 0; t--) {
      const i = t * envs + n;
      const delta = rewards[i]! + gamma * nextValues[i]! * (1 - terminated[i]!) - values[i]!;
      const ended = terminated[i]! !== 0 || truncated[i]! !== 0;
      next = delta + (ended ? 0 : gamma * lambda * next);
      advantages[i] = next;
      returns[i] = next + values[i]!;
    }
  }
  return { advantages, returns };
}

/**
 * CleanRL's layout (`ppo.py`): dones_t = 1 means that observation t is the first of a new episode, so the
 * continuation of step t is 1 - dones_{t+1}; `nextValue` and `nextDone` [envs] belong to the observation after
 * the last step. Truncation counts as termination here.
 */
export function gaeFromDones(
  shape: GaeShape,
  rewards: ArrayLike<number>,
  values: ArrayLike<number>,
  dones: ArrayLike<number>,
  nextValue: ArrayLike<number>,
  nextDone: ArrayLike<number>,
): Advantages {
  const { steps, envs, gamma, lambda } = shape;
  const advantages = new Float64Array(steps * envs);
  const returns = new Float64Array(steps * envs);
  for (let n = 0; n < envs; n++) {
    let next = 0;
    for (let t = steps - 1; t >= 0; t--) {
      const i = t * envs + n;
      const last = t === steps - 1;
      const continues = 1 - (last ? nextDone[n]! : dones[i + envs]!);
      const valueAfter = last ? nextValue[n]! : values[i + envs]!;
      const delta = rewards[i]! + gamma * valueAfter * continues - values[i]!;
      next = delta + gamma * lambda * continues * next;
      advantages[i] = next;
      returns[i] = next + values[i]!;
    }
  }
  return { advantages, returns };
}

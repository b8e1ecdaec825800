export interface GaeShape {
  readonly steps: number;
  readonly envs: number;
  readonly gamma: number;
  readonly lambda: number;
}

/** What an update left of a reward, or of a cost. */
export interface GaeRows {
  /** [steps x envs] each. */
  readonly rewards: Float32Array;
  readonly values: Float32Array;
  /** 1 where the episode ended with this step, for whichever reason. */
  readonly ended: Uint8Array;
  /** Value of the last observation where the time limit ended the episode and is bootstrapped through, else 0. */
  readonly finalValues: Float32Array;
  /** [envs], of the observation after the last step. */
  readonly lastValues: Float32Array;
}

/**
 * Generalised advantage estimation (Schulman et al. 2015, arXiv 1506.02438), see `kernels/reference/gae.ts`:
 * delta = r + gamma V' - V; A = delta + gamma lambda A' (1 - ended). Writes [steps x envs] f32.
 */
export function computeAdvantages(
  { steps, envs, gamma, lambda }: GaeShape,
  { rewards, values, ended, finalValues, lastValues }: GaeRows,
  advantages: Float32Array,
  returns: Float32Array,
): void {
  for (let n = 0; n < envs; n++) {
    let nextAdvantage = 0;
    let nextValue = lastValues[n]!;
    for (let i = (steps - 1) * envs + n; i >= 0; i -= envs) {
      const over = ended[i] === 1;
      const value = values[i]!;
      const delta = rewards[i]! + gamma * (over ? finalValues[i]! : nextValue) - value;
      nextAdvantage = over ? delta : delta + gamma * lambda * nextAdvantage;
      advantages[i] = nextAdvantage;
      returns[i] = nextAdvantage + value;
      nextValue = value;
    }
  }
}

/** 1 - Var(target - prediction) / Var(target) over the rows that count; NaN where the target is constant. */
export function explainedVariance(
  target: Float32Array,
  prediction: Float32Array,
  counts: (row: number) => boolean = () => true,
): number {
  let count = 0;
  let targetSum = 0;
  let errorSum = 0;
  for (let i = 0; i < target.length; i++) {
    if (!counts(i)) continue;
    count++;
    targetSum += target[i]!;
    errorSum += target[i]! - prediction[i]!;
  }
  let targetSquares = 0;
  let errorSquares = 0;
  for (let i = 0; i < target.length; i++) {
    if (!counts(i)) continue;
    const t = target[i]! - targetSum / count;
    const e = target[i]! - prediction[i]! - errorSum / count;
    targetSquares += t * t;
    errorSquares += e * e;
  }
  return targetSquares === 0 ? NaN : 1 - errorSquares / targetSquares;
}

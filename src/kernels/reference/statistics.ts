/** (x - mean) / (std + 1e-8) with the unbiased standard deviation, as PPO normalises a minibatch's advantages. */
export function normalize(values: ArrayLike<number>): Float64Array {
  const x = Float64Array.from(values);
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  const variance = x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (x.length - 1);
  return x.map((v) => (v - mean) / (Math.sqrt(variance) + 1e-8));
}

/** 1 - Var(target - prediction) / Var(target), population variances; NaN where the target is constant. */
export function explainedVariance(target: ArrayLike<number>, prediction: ArrayLike<number>): number {
  const y = Float64Array.from(target);
  const variance = (x: Float64Array): number => {
    const mean = x.reduce((a, b) => a + b, 0) / x.length;
    return x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / x.length;
  };
  const total = variance(y);
  return total === 0 ? NaN : 1 - variance(y.map((v, i) => v - prediction[i]!)) / total;
}

/**
 * Running mean and variance by parallel Welford merges from mean 0, variance 1, count 1e-4 (Chan et al. 1979, as in
 * Stable-Baselines3's RunningMeanStd; population variances).
 */
export class RunningStatistics {
  mean = 0;
  variance = 1;
  count = 1e-4;

  merge(batch: readonly number[]): void {
    const size = batch.length;
    const mean = batch.reduce((a, b) => a + b, 0) / size;
    const variance = batch.reduce((sum, x) => sum + (x - mean) ** 2, 0) / size;
    const total = this.count + size;
    const delta = mean - this.mean;
    this.variance =
      (this.variance * this.count + variance * size + (delta * delta * this.count * size) / total) / total;
    this.mean += (delta * size) / total;
    this.count = total;
  }

  /** (x - mean) / sqrt(variance + 1e-8), kept within +-10. */
  normalize(x: number): number {
    return Math.min(Math.max((x - this.mean) / Math.sqrt(this.variance + 1e-8), -10), 10);
  }
}

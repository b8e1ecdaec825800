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

/** Logit of a forbidden action (Huang and Ontanon 2020, arXiv 2006.14171). */
const maskedLogit = -1e8;

/** A categorical distribution over `logits.length` actions, in f64. */
export interface Categorical {
  readonly probabilities: Float64Array;
  /** log softmax of the logits. */
  readonly logProbabilities: Float64Array;
  /** -sum p log p in nats; a forbidden action contributes 0. */
  readonly entropy: number;
}

/** `mask[k] = 0` forbids action k; no mask allows all. */
export function categorical(logits: ArrayLike<number>, mask?: ArrayLike<number>): Categorical {
  const count = logits.length;
  const masked = Float64Array.from(logits, (logit, k) => (mask && mask[k] === 0 ? maskedLogit : logit));
  const largest = masked.reduce((a, b) => Math.max(a, b), -Infinity);
  const sum = masked.reduce((total, logit) => total + Math.exp(logit - largest), 0);
  const logSum = largest + Math.log(sum);
  const probabilities = new Float64Array(count);
  const logProbabilities = new Float64Array(count);
  let entropy = 0;
  for (let k = 0; k < count; k++) {
    logProbabilities[k] = masked[k]! - logSum;
    probabilities[k] = Math.exp(logProbabilities[k]!);
    if (!mask || mask[k] !== 0) entropy -= probabilities[k]! * logProbabilities[k]!;
  }
  return { probabilities, logProbabilities, entropy };
}

/** d log p(action) / d logits = onehot(action) - p; zero at forbidden actions. */
export function logProbabilityGradient(
  distribution: Categorical,
  action: number,
  mask?: ArrayLike<number>,
): Float64Array {
  return distribution.probabilities.map((p, k) => (mask && mask[k] === 0 ? 0 : (k === action ? 1 : 0) - p));
}

/** d entropy / d logits = -p (log p + entropy); zero at forbidden actions. */
export function entropyGradient(distribution: Categorical, mask?: ArrayLike<number>): Float64Array {
  const { probabilities, logProbabilities, entropy } = distribution;
  return probabilities.map((p, k) => (mask && mask[k] === 0 ? 0 : -p * (logProbabilities[k]! + entropy)));
}

/** Inverse CDF: the first k with u < p_0 + ... + p_k; the last likely action where rounding leaves none. */
export function sampleCategorical(probabilities: ArrayLike<number>, u: number): number {
  let cumulative = 0;
  let chosen = 0;
  for (let k = 0; k < probabilities.length; k++) {
    if (probabilities[k]! > 0) chosen = k;
    cumulative += probabilities[k]!;
    if (u < cumulative) return k;
  }
  return chosen;
}

/** Coefficients of one AdamW step. */
export interface CpuAdamWOptions {
  readonly learningRate: number;
  readonly betas: readonly [number, number];
  readonly adamEpsilon: number;
  readonly weightDecay: number;
  /** Factor on the gradient: what clipping left of it. */
  readonly scale: number;
}

/** sqrt of the sum of squares, summed in f64. */
export function gradientNorm(gradient: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < gradient.length; i++) sum += gradient[i]! * gradient[i]!;
  return Math.sqrt(sum);
}

/**
 * One AdamW step in place (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2), f32 stored, f64 in between;
 * `step` counts from 1. The reference is `kernels/reference/optimizer`.
 */
export function adamW(
  parameters: Float32Array,
  gradient: Float32Array,
  firstMoment: Float32Array,
  secondMoment: Float32Array,
  step: number,
  options: CpuAdamWOptions,
): void {
  const { learningRate, betas, adamEpsilon, weightDecay, scale } = options;
  const [beta1, beta2] = betas;
  const rate = learningRate / (1 - power(beta1, step));
  const correction2 = 1 / (1 - power(beta2, step));
  const decay = 1 - learningRate * weightDecay;
  for (let i = 0; i < parameters.length; i++) {
    const g = gradient[i]! * scale;
    const m = beta1 * firstMoment[i]! + (1 - beta1) * g;
    const v = beta2 * secondMoment[i]! + (1 - beta2) * g * g;
    firstMoment[i] = m;
    secondMoment[i] = v;
    parameters[i] = parameters[i]! * decay - (rate * m) / (Math.sqrt(v * correction2) + adamEpsilon);
  }
}

/** base^exponent by squaring: `**` may differ between browsers in the last bit. */
function power(base: number, exponent: number): number {
  let result = 1;
  for (let b = base, e = exponent; e > 0; e = Math.floor(e / 2), b *= b) if (e % 2 === 1) result *= b;
  return result;
}

/** sqrt of the sum of squares over the whole arena. */
export function globalNorm(gradient: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < gradient.length; i++) sum += gradient[i]! * gradient[i]!;
  return Math.sqrt(sum);
}

/** Factor on the gradient: min(1, limit / (norm + 1e-6)), as `torch.nn.utils.clip_grad_norm_`. */
export function clipCoefficient(norm: number, limit: number): number {
  return Math.min(1, limit / (norm + 1e-6));
}

export interface AdamWOptions {
  readonly learningRate: number;
  /** Default 0.9. */
  readonly beta1?: number;
  /** Default 0.999. */
  readonly beta2?: number;
  readonly epsilon: number;
  /** Default 0, which is plain Adam. */
  readonly weightDecay?: number;
}

/**
 * One AdamW step in place, f64 (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2; epsilon outside the
 * root of the corrected second moment, decay p (1 - lr wd) before the step). `step` counts from 1.
 */
export function adamW(
  parameters: Float64Array,
  gradient: ArrayLike<number>,
  firstMoment: Float64Array,
  secondMoment: Float64Array,
  step: number,
  options: AdamWOptions,
): void {
  const { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon, weightDecay = 0 } = options;
  const correction1 = 1 - beta1 ** step;
  const correction2 = 1 - beta2 ** step;
  for (let i = 0; i < parameters.length; i++) {
    const g = gradient[i]!;
    const m = beta1 * firstMoment[i]! + (1 - beta1) * g;
    const v = beta2 * secondMoment[i]! + (1 - beta2) * g * g;
    firstMoment[i] = m;
    secondMoment[i] = v;
    const decayed = parameters[i]! * (1 - learningRate * weightDecay);
    parameters[i] = decayed - (learningRate * (m / correction1)) / (Math.sqrt(v / correction2) + epsilon);
  }
}

export interface RmsPropOptions {
  readonly learningRate: number;
  readonly alpha: number;
  readonly epsilon: number;
  /** TensorFlow's: epsilon inside the root. Its accumulator starts at 1, PyTorch's at 0. */
  readonly insideRoot: boolean;
}

/** One RMSprop step in place, f64: v <- alpha v + (1 - alpha) g^2; p <- p - lr g / (sqrt(v) + epsilon). */
export function rmsProp(
  parameters: Float64Array,
  gradient: ArrayLike<number>,
  squares: Float64Array,
  { learningRate, alpha, epsilon, insideRoot }: RmsPropOptions,
): void {
  for (let i = 0; i < parameters.length; i++) {
    const g = gradient[i]!;
    const v = alpha * squares[i]! + (1 - alpha) * g * g;
    squares[i] = v;
    const root = insideRoot ? Math.sqrt(v + epsilon) : Math.sqrt(v) + epsilon;
    parameters[i]! -= (learningRate * g) / root;
  }
}

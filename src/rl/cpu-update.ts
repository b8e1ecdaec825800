import { epochPermutation } from "../kernels/permutation.ts";
import { ppoMetrics, ppoScalars } from "../kernels/wasm/policy.ts";
import type { PpoConfig } from "./config.ts";
import type { CpuKernels } from "./cpu-kernels.ts";
import type { CpuRollout } from "./cpu-rollout.ts";

const BETA_1 = 0.9;
const BETA_2 = 0.999;

/** Means over the minibatches of one update. */
export type UpdateMeans = Record<(typeof ppoMetrics)[number] | "gradientNorm", number>;

export interface UpdateInputs {
  readonly rollout: CpuRollout;
  /** [T x N] */
  readonly advantages: Float32Array;
  readonly returns: Float32Array;
  readonly seed: number;
  /** From 0. */
  readonly update: number;
  readonly learningRate: number;
  readonly clip: number;
  /** AdamW steps done before this update. */
  readonly optimizerStep: number;
}

/**
 * The epochs of one PPO update: every epoch goes once through the transitions in a keyed order, a minibatch at
 * a time, and takes one AdamW step for each. Yields after every block of samples; returns the means.
 */
export class CpuUpdate {
  readonly #config: PpoConfig;
  readonly #kernels: CpuKernels;
  readonly #observationSize: number;
  readonly #order: Uint32Array;

  constructor(config: PpoConfig, observationSize: number, kernels: CpuKernels) {
    this.#config = config;
    this.#kernels = kernels;
    this.#observationSize = observationSize;
    this.#order = new Uint32Array(config.envs * config.steps);
  }

  *run(inputs: UpdateInputs): Generator<void, UpdateMeans> {
    const { epochs, minibatchSize, valueClip, entropyCoefficient, valueCoefficient } = this.#config;
    const { kernels, order } = { kernels: this.#kernels, order: this.#order };
    const scalars = { clip: inputs.clip, valueClip: valueClip ?? 0, entropyCoefficient, valueCoefficient };
    ppoScalars.forEach((name, i) => {
      kernels.scalars[i] = scalars[name];
    });
    const sums: UpdateMeans = {
      policyLoss: 0,
      valueLoss: 0,
      entropy: 0,
      approximateKl: 0,
      clipFraction: 0,
      gradientNorm: 0,
    };
    let step = inputs.optimizerStep;
    for (let epoch = 0; epoch < epochs; epoch++) {
      epochPermutation(inputs.seed, inputs.update * epochs + epoch, order);
      for (let start = 0; start < order.length; start += minibatchSize) {
        const rows = order.subarray(start, start + minibatchSize);
        yield* this.#gradient(inputs, rows);
        step++;
        sums.gradientNorm += this.#descend(inputs.learningRate, step);
        ppoMetrics.forEach((name, i) => {
          for (let lane = 0; lane < 4; lane++) sums[name] += kernels.metrics[i * 4 + lane]!;
        });
      }
    }
    const minibatches = step - inputs.optimizerStep;
    for (const name of [...ppoMetrics, "gradientNorm"] as const) sums[name] /= minibatches;
    return sums;
  }

  /** Gradient and metrics of one minibatch, in blocks. */
  *#gradient(inputs: UpdateInputs, rows: Uint32Array): Generator<void> {
    const { rollout, advantages, returns } = inputs;
    const { training, gradient, metrics } = this.#kernels;
    const { columns } = training;
    const size = this.#observationSize;
    const [mean, scale] = this.#config.normalizeAdvantages ? normalization(advantages, rows) : [0, 1];
    gradient.fill(0);
    metrics.fill(0);
    for (let first = 0; first < rows.length; first += columns) {
      const count = Math.min(columns, rows.length - first);
      for (let c = 0; c < count; c++) {
        const row = rows[first + c]!;
        for (let o = 0; o < size; o++) {
          training.observations[o * columns + c] = rollout.observations[row * size + o]!;
        }
        training.actions[c] = rollout.actions[row]!;
        training.oldLogProbabilities[c] = rollout.logProbabilities[row]!;
        training.advantages[c] = (advantages[row]! - mean) * scale;
        training.returns[c] = returns[row]!;
        training.oldValues[c] = rollout.values[row]!;
      }
      training.weights.fill(1 / rows.length, 0, count);
      // Columns without a sample still hold an earlier one's numbers; their weight keeps them out.
      training.weights.fill(0, count);
      training.accumulate();
      yield;
    }
  }

  /** Clips the gradient and takes AdamW step number `step` (from 1); returns the norm before clipping. */
  #descend(learningRate: number, step: number): number {
    const { maxGradientNorm, weightDecay, adamEpsilon } = this.#config;
    const norm = Math.sqrt(this.#kernels.sumOfSquares());
    const coefficient = Math.min(1, maxGradientNorm / (norm + 1e-6));
    const stepSize = learningRate / (1 - power(BETA_1, step));
    const rootCorrection = 1 / Math.sqrt(1 - power(BETA_2, step));
    this.#kernels.adamW(coefficient, 1 - learningRate * weightDecay, stepSize, rootCorrection, adamEpsilon);
    return norm;
  }
}

/** Mean and 1 / (unbiased standard deviation + 1e-8) of some rows. */
function normalization(values: Float32Array, rows: Uint32Array): [number, number] {
  let sum = 0;
  for (const row of rows) sum += values[row]!;
  const mean = sum / rows.length;
  let squares = 0;
  for (const row of rows) {
    const centred = values[row]! - mean;
    squares += centred * centred;
  }
  return [mean, 1 / (Math.sqrt(squares / (rows.length - 1)) + 1e-8)];
}

/** base^exponent by squaring: `**` may differ in the last bit between browsers. */
function power(base: number, exponent: number): number {
  let result = 1;
  let square = base;
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result *= square;
    square *= square;
  }
  return result;
}

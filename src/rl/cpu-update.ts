import { epochPermutation } from "../kernels/permutation.ts";
import { ppoMetrics, ppoScalars } from "../kernels/wasm/policy.ts";
import { splitAction, type PolicyHead } from "../kernels/action-space.ts";
import type { PolicyGradientConfig } from "./config.ts";
import type { CompiledLoss } from "../compile/compile-loss.ts";
import type { CpuKernels, CustomColumns } from "./cpu-kernels.ts";
import type { CpuRollout } from "./cpu-rollout.ts";

const BETA_1 = 0.9;
const BETA_2 = 0.999;

/** Means over the optimizer steps of one update, and how many there were. */
export type UpdateMeans = Record<(typeof ppoMetrics)[number] | "gradientNorm" | "optimizerSteps", number>;

export interface UpdateInputs {
  readonly rollout: CpuRollout;
  /** [T x N] */
  readonly advantages: Float32Array;
  readonly returns: Float32Array;
  /** Targets of the cost's value; read only where there is one. */
  readonly costReturns: Float32Array;
  readonly seed: number;
  /** From 0. */
  readonly update: number;
  readonly learningRate: number;
  readonly clip: number;
  /** Optimizer steps done before this update. */
  readonly optimizerStep: number;
}

/**
 * The epochs of one update: every epoch goes once through the transitions in a keyed order, a minibatch at a time,
 * and takes one optimizer step for each. Yields after every block of samples; returns the means.
 */
export class CpuUpdate {
  readonly #config: PolicyGradientConfig;
  readonly #kernels: CpuKernels;
  readonly #observationSize: number;
  readonly #head: PolicyHead;
  readonly #choices: Uint32Array;
  readonly #loss: CompiledLoss | null;
  readonly #row = new Float32Array(8);
  readonly #terms = new Float32Array(4);
  readonly #order: Uint32Array;

  constructor(
    config: PolicyGradientConfig,
    observationSize: number,
    head: PolicyHead,
    kernels: CpuKernels,
    loss: CompiledLoss | null,
  ) {
    this.#loss = loss;
    this.#config = config;
    this.#kernels = kernels;
    this.#observationSize = observationSize;
    this.#head = head;
    this.#choices = new Uint32Array(head.kind === "gaussian" ? 0 : head.factors.length);
    this.#order = new Uint32Array(config.envs * config.steps);
  }

  *run(inputs: UpdateInputs): Generator<void, UpdateMeans> {
    const { epochs, minibatchSize, klStop } = this.#config;
    const { kernels, order } = { kernels: this.#kernels, order: this.#order };
    this.#writeScalars(inputs.clip);
    const sums: UpdateMeans = {
      policyLoss: 0,
      valueLoss: 0,
      entropy: 0,
      approximateKl: 0,
      clipFraction: 0,
      gradientNorm: 0,
      optimizerSteps: 0,
    };
    let step = inputs.optimizerStep;
    for (let epoch = 0, stopped = false; epoch < epochs && !stopped; epoch++) {
      epochPermutation(inputs.seed, inputs.update * epochs + epoch, order);
      for (let start = 0; start < order.length; start += minibatchSize) {
        const rows = order.subarray(start, start + minibatchSize);
        yield* this.#gradient(inputs, rows);
        const far = klStop !== null && this.#metric("approximateKl") > klStop.limit;
        if (far && klStop.when === "step") {
          stopped = true;
          break;
        }
        step++;
        sums.gradientNorm += this.#descend(inputs.learningRate, step);
        ppoMetrics.forEach((name, i) => {
          for (let lane = 0; lane < 4; lane++) sums[name] += kernels.metrics[i * 4 + lane]!;
        });
        // Looked at after the epoch, so that its last minibatch decides.
        stopped = far;
      }
    }
    sums.optimizerSteps = step - inputs.optimizerStep;
    for (const name of [...ppoMetrics, "gradientNorm"] as const) sums[name] /= sums.optimizerSteps;
    return sums;
  }

  #writeScalars(clip: number): void {
    const { clipHigh, dualClip, valueClip, entropyCoefficient, valueCoefficient } = this.#config;
    const scalars = {
      clip,
      clipHigh: clipHigh ?? clip,
      dualClip: dualClip ?? 0,
      valueClip: valueClip ?? 0,
      entropyCoefficient,
      valueCoefficient,
    };
    ppoScalars.forEach((name, i) => {
      this.#kernels.scalars[i] = scalars[name];
    });
  }

  #metric(name: (typeof ppoMetrics)[number]): number {
    const at = ppoMetrics.indexOf(name) * 4;
    return this.#kernels.metrics.subarray(at, at + 4).reduce((sum, lane) => sum + lane, 0);
  }

  /** Gradient and metrics of one minibatch, in blocks. */
  *#gradient(inputs: UpdateInputs, rows: Uint32Array): Generator<void> {
    const { rollout, advantages, returns, costReturns } = inputs;
    const { training, gradient, metrics } = this.#kernels;
    const { columns } = training;
    const size = this.#observationSize;
    const [mean, scale] = this.#config.normalizeAdvantages
      ? normalization(advantages, rollout.weights, rows)
      : [0, 1];
    gradient.fill(0);
    metrics.fill(0);
    for (let first = 0; first < rows.length; first += columns) {
      const count = Math.min(columns, rows.length - first);
      for (let c = 0; c < count; c++) {
        const row = rows[first + c]!;
        for (let o = 0; o < size; o++) {
          training.observations[o * columns + c] = rollout.observations[row * size + o]!;
        }
        this.#writeAction(rollout, row, c);
        training.oldLogProbabilities[c] = rollout.logProbabilities[row]!;
        training.advantages[c] = (advantages[row]! - mean) * scale;
        training.returns[c] = returns[row]!;
        training.oldValues[c] = rollout.values[row]!;
        if (training.costReturns.length > 0) training.costReturns[c] = costReturns[row]!;
        if (training.masks.length > 0) training.masks[c] = rollout.masks[row]!;
        training.weights[c] = rollout.weights[row]! / rows.length;
      }
      // Columns without a sample still hold an earlier one's numbers; their weight keeps them out.
      training.weights.fill(0, count);
      if (training.custom) this.#customRows(training.custom, count);
      training.accumulate();
      yield;
    }
  }

  /** A loss from outside, row by row; rows that do not count have none. */
  #customRows(columns: CustomColumns, count: number): void {
    const { training } = this.#kernels;
    const { separateTowers } = this.#config;
    columns.forward();
    for (const out of [columns.losses, columns.byLogProbability, columns.byValue, columns.byEntropy])
      out.fill(0);
    const [row, out] = [this.#row, this.#terms];
    for (let c = 0; c < count; c++) {
      if (training.weights[c] === 0) continue;
      row[0] = columns.logProbabilities[c]!;
      row[1] = training.oldLogProbabilities[c]!;
      row[2] = training.advantages[c]!;
      row[3] = columns.values[c]!;
      row[4] = training.oldValues[c]!;
      row[5] = training.returns[c]!;
      row[6] = columns.entropies[c]!;
      row[7] = 1;
      this.#loss!.evaluate(row, 0, out, 0);
      columns.losses[c] = out[0]!;
      columns.byLogProbability[c] = out[1]!;
      columns.byValue[c] = out[2]!;
      columns.byEntropy[c] = out[3]!;
      if (!separateTowers) continue;
      // As on the GPU, where the actor does not have the new value.
      row[3] = training.oldValues[c]!;
      this.#loss!.evaluate(row, 0, out, 0);
      columns.losses[c] = out[0]!;
    }
  }

  #writeAction(rollout: CpuRollout, row: number, column: number): void {
    const { columns, actions } = this.#kernels.training;
    const head = this.#head;
    if (head.kind === "gaussian") {
      const rows = this.#order.length;
      for (let d = 0; d < head.outputs; d++) actions[d * columns + column] = rollout.sampled[d * rows + row]!;
      return;
    }
    splitAction(rollout.actions[row]!, head.factors, this.#choices);
    for (let f = 0; f < this.#choices.length; f++) actions[f * columns + column] = this.#choices[f]!;
  }

  /** Clips the gradient and takes optimizer step number `step` (from 1); returns the norm before clipping. */
  #descend(learningRate: number, step: number): number {
    const { maxGradientNorm, weightDecay, adamEpsilon, optimizer, rmspropDecay } = this.#config;
    const norm = Math.sqrt(this.#kernels.sumOfSquares());
    const coefficient = Math.min(1, maxGradientNorm / (norm + 1e-6));
    const decay = 1 - learningRate * weightDecay;
    if (optimizer === "adamw") {
      const stepSize = learningRate / (1 - power(BETA_1, step));
      const rootCorrection = 1 / Math.sqrt(1 - power(BETA_2, step));
      this.#kernels.adamW(coefficient, decay, stepSize, rootCorrection, adamEpsilon);
    } else {
      this.#kernels.rmsProp(coefficient, decay, learningRate, rmspropDecay, 1 - rmspropDecay, adamEpsilon);
    }
    return norm;
  }
}

/** Mean and 1 / (unbiased standard deviation + 1e-8) of the rows that count. */
function normalization(values: Float32Array, weights: Float32Array, rows: Uint32Array): [number, number] {
  let sum = 0;
  let count = 0;
  for (const row of rows) {
    if (weights[row] === 0) continue;
    sum += values[row]!;
    count++;
  }
  const mean = count === 0 ? 0 : sum / count;
  let squares = 0;
  for (const row of rows) {
    if (weights[row] === 0) continue;
    const centred = values[row]! - mean;
    squares += centred * centred;
  }
  return [mean, 1 / (Math.sqrt(squares / (Math.max(2, count) - 1)) + 1e-8)];
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

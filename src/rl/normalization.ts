import type { PolicyGradientConfig } from "./config.ts";

/** Values further from the mean than this many deviations are cut off. */
const LIMIT = 10;
const EPSILON = 1e-8;
/** Weight of the first guess, mean 0 and variance 1. */
const FIRST_COUNT = 1e-4;

const f = Math.fround;

/** Whether a run keeps running statistics. */
export const normalizes = (config: PolicyGradientConfig): boolean =>
  config.normalizeObservations || config.normalizeRewards;

/**
 * Running mean and variance of every observation, and of the discounted return that a reward is scaled by
 * (Stable-Baselines3's VecNormalize, renewed once an update): parallel Welford merges from mean 0, variance 1, count
 * 1e-4. Held as one array of f32 that is part of a training state:
 * [counts, means, variances (each of the observations, then of the return), discounted return of each environment].
 */
export class RunningNormalization {
  readonly state: Float32Array;
  readonly #quantities: number;

  constructor(observationSize: number, envs: number) {
    this.#quantities = observationSize + 1;
    this.state = new Float32Array(normalizationLength(observationSize, envs));
    this.state.set(initialNormalization(observationSize, envs));
  }

  /** [envs]: gamma-discounted sum of the rewards of the episode in progress. */
  get discountedReturns(): Float32Array {
    return this.state.subarray(3 * this.#quantities);
  }

  /** Merges mean and population variance of a batch of `count` samples into quantity `q`, the return being the last. */
  merge(q: number, batchMean: number, batchVariance: number, count: number): void {
    const before = this.state[q]!;
    const total = before + count;
    const meanAt = q + this.#quantities;
    const varianceAt = meanAt + this.#quantities;
    const delta = batchMean - this.state[meanAt]!;
    const squares =
      this.state[varianceAt]! * before + batchVariance * count + (delta * delta * before * count) / total;
    this.state[meanAt]! += (delta * count) / total;
    this.state[varianceAt] = squares / total;
    this.state[q] = total;
  }

  /** Normalises observations [size] in place, by the statistics so far. */
  observe(observation: Float32Array): void {
    normalizeObservation(this.state, observation);
  }

  /** What a reward is multiplied by, before the cut. */
  get rewardScale(): number {
    return f(1 / f(Math.sqrt(f(this.state[3 * this.#quantities - 1]! + EPSILON))));
  }
}

export const cutReward = (reward: number): number => Math.min(Math.max(reward, -LIMIT), LIMIT);

/** Elements of the state. */
export const normalizationLength = (observationSize: number, envs: number): number =>
  3 * (observationSize + 1) + envs;

export function initialNormalization(observationSize: number, envs: number): Float32Array<ArrayBuffer> {
  const state = new Float32Array(normalizationLength(observationSize, envs));
  const quantities = observationSize + 1;
  state.fill(FIRST_COUNT, 0, quantities);
  state.fill(1, 2 * quantities, 3 * quantities);
  return state;
}

/** (x - mean) / sqrt(variance + 1e-8), kept within +-10, in f32; `state` as in `RunningNormalization`. */
export function normalizeObservation(state: Float32Array, observation: Float32Array): void {
  const quantities = observation.length + 1;
  for (let i = 0; i < observation.length; i++) {
    const scale = f(1 / f(Math.sqrt(f(state[2 * quantities + i]! + EPSILON))));
    const x = f(f(observation[i]! - state[quantities + i]!) * scale);
    observation[i] = Math.min(Math.max(x, -LIMIT), LIMIT);
  }
}

/** Mean and population variance of `count` numbers, in two passes. */
export function meanAndVariance(count: number, at: (i: number) => number): [number, number] {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += at(i);
  const mean = sum / count;
  let squares = 0;
  for (let i = 0; i < count; i++) squares += (at(i) - mean) ** 2;
  return [mean, squares / count];
}

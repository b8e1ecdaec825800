import { random4, stream, uniform } from "../kernels/philox.ts";
import type { CpuKernels } from "./cpu-kernels.ts";
import type { EngineRequest } from "./engine.ts";

/** What ended while collecting: sums over episodes, and over all steps the trained reward. */
export interface EpisodeSums {
  readonly episodes: number;
  readonly episodeReturn: number;
  readonly environmentReturn: number;
  readonly episodeLength: number;
  readonly reward: number;
}

/**
 * Steps N environments with the current policy and keeps the T x N transitions of one update, row t x N + n.
 * All randomness is a function of (seed, update, step, environment).
 */
export class CpuRollout {
  readonly environmentState: Float32Array;
  readonly episodeReturn: Float32Array;
  readonly environmentReturn: Float32Array;
  readonly episodeLength: Uint32Array;

  /** [T x N x observationSize] */
  readonly observations: Float32Array;
  /** [T x N] each. */
  readonly actions: Uint32Array;
  readonly logProbabilities: Float32Array;
  readonly values: Float32Array;
  /** gamma V(terminal observation) is added where the time limit ended the episode. */
  readonly rewards: Float32Array;
  readonly ended: Uint8Array;
  /** [N], of the observation after the last step. */
  readonly lastValues: Float32Array;

  readonly #request: EngineRequest;
  readonly #kernels: CpuKernels;
  readonly #words = new Uint32Array(4);
  readonly #outcome = new Float32Array(2);
  readonly #before: Float32Array;
  readonly #observation: Float32Array;
  /** Environments of the block whose time limit ended the episode. */
  readonly #truncated: number[] = [];

  constructor(request: EngineRequest, kernels: CpuKernels) {
    const { environment, algorithm } = request;
    const { envs, steps } = algorithm;
    const stateSize = environment.stateFields.length;
    this.#request = request;
    this.#kernels = kernels;
    this.environmentState = new Float32Array(envs * stateSize);
    this.episodeReturn = new Float32Array(envs);
    this.environmentReturn = new Float32Array(envs);
    this.episodeLength = new Uint32Array(envs);
    this.observations = new Float32Array(envs * steps * environment.observationSize);
    this.actions = new Uint32Array(envs * steps);
    this.logProbabilities = new Float32Array(envs * steps);
    this.values = new Float32Array(envs * steps);
    this.rewards = new Float32Array(envs * steps);
    this.ended = new Uint8Array(envs * steps);
    this.lastValues = new Float32Array(envs);
    this.#before = new Float32Array(stateSize);
    this.#observation = new Float32Array(environment.observationSize);
    for (let n = 0; n < envs; n++) this.#reset(n, 0);
  }

  /** Collects update `update` (from 0), one step per turn of the generator; returns what ended. */
  *collect(update: number): Generator<void, EpisodeSums> {
    const { envs, steps } = this.#request.algorithm;
    const { columns } = this.#kernels.rollout;
    const sums = { episodes: 0, episodeReturn: 0, environmentReturn: 0, episodeLength: 0, reward: 0 };
    for (let t = 0; t < steps; t++) {
      const globalStep = update * steps + t;
      for (let first = 0; first < envs; first += columns) {
        const count = Math.min(columns, envs - first);
        const row = t * envs + first;
        this.#decide(first, count, row, globalStep);
        for (let c = 0; c < count; c++) this.#advance(first + c, row + c, sums);
        this.#bootstrap(first, row);
        for (let c = 0; c < count; c++) {
          if (this.ended[row + c] === 1) this.#reset(first + c, globalStep + 1);
        }
      }
      yield;
    }
    for (let first = 0; first < envs; first += columns) {
      const count = Math.min(columns, envs - first);
      for (let c = 0; c < count; c++) this.#observe(first + c, c);
      this.#kernels.rollout.forwardValue();
      this.lastValues.set(this.#kernels.rollout.values.subarray(0, count), first);
    }
    return sums;
  }

  /** Start state of the episode that begins at `step` (0: the very first). */
  #reset(n: number, step: number): void {
    const { environment, seed } = this.#request;
    random4(seed, stream.reset, step, n, this.#words);
    environment.reset(this.environmentState, n * environment.stateFields.length, this.#words);
    this.episodeReturn[n] = 0;
    this.environmentReturn[n] = 0;
    this.episodeLength[n] = 0;
  }

  /** Writes environment n's observation into a column of the block. */
  #observe(n: number, column: number): void {
    const { environment } = this.#request;
    const { columns, observations } = this.#kernels.rollout;
    const observation = this.#observation;
    environment.observe(this.environmentState, n * environment.stateFields.length, observation, 0);
    for (let o = 0; o < observation.length; o++) observations[o * columns + column] = observation[o]!;
  }

  /** Policy and value of a block, and an action for each: the first k with u < p_0 + ... + p_k. */
  #decide(first: number, count: number, row: number, globalStep: number): void {
    const { environment, seed } = this.#request;
    const { columns, probabilities, logProbabilities, values, forward } = this.#kernels.rollout;
    const words = this.#words;
    for (let c = 0; c < count; c++) {
      this.#observe(first + c, c);
      this.observations.set(this.#observation, (row + c) * environment.observationSize);
    }
    forward();
    for (let c = 0; c < count; c++) {
      random4(seed, stream.action, globalStep, first + c, words);
      const u = uniform(words[0]!);
      let action = 0;
      let cumulative = probabilities[c]!;
      while (action < environment.actionCount - 1 && !(u < cumulative)) {
        action++;
        cumulative = Math.fround(cumulative + probabilities[action * columns + c]!);
      }
      this.actions[row + c] = action;
      this.logProbabilities[row + c] = logProbabilities[action * columns + c]!;
      this.values[row + c] = values[c]!;
    }
  }

  #advance(n: number, row: number, sums: { -readonly [K in keyof EpisodeSums]: number }): void {
    const { environment, reward, algorithm } = this.#request;
    const state = this.environmentState;
    const stateSize = environment.stateFields.length;
    const at = n * stateSize;
    const before = this.#before;
    for (let i = 0; i < stateSize; i++) before[i] = state[at + i]!;
    const action = this.actions[row]!;
    environment.step(state, at, action, this.#outcome);
    const own = this.#outcome[0]!;
    const terminated = this.#outcome[1] !== 0;
    const trained = reward === null ? own : Math.fround(reward.evaluate(before, 0, action, state, at));
    this.rewards[row] = trained;
    this.episodeReturn[n]! += trained;
    this.environmentReturn[n]! += own;
    const length = (this.episodeLength[n]! += 1);
    sums.reward += trained;
    const truncated = !terminated && length >= environment.maxEpisodeSteps;
    this.ended[row] = terminated || truncated ? 1 : 0;
    if (truncated && algorithm.truncationBootstrap) this.#truncated.push(n);
    if (terminated || truncated) {
      sums.episodes++;
      sums.episodeReturn += this.episodeReturn[n]!;
      sums.environmentReturn += this.environmentReturn[n]!;
      sums.episodeLength += length;
    }
  }

  /** Adds gamma V(terminal observation) to the rewards of the block's truncated episodes. */
  #bootstrap(first: number, row: number): void {
    if (this.#truncated.length === 0) return;
    const { rollout } = this.#kernels;
    this.#truncated.forEach((n, c) => {
      this.#observe(n, c);
    });
    rollout.forwardValue();
    this.#truncated.forEach((n, c) => {
      this.rewards[row + n - first]! += this.#request.algorithm.gamma * rollout.values[c]!;
    });
    this.#truncated.length = 0;
  }
}

import { actionSize, policyHead, type Action, type PolicyHead } from "../kernels/action-space.ts";
import { exp } from "../kernels/math.ts";
import { normal } from "../kernels/normal.ts";
import { random4, stream, uniform } from "../kernels/philox.ts";
import type { ParameterLayout } from "../nn/parameter-layout.ts";
import type { PolicyGradientConfig } from "./config.ts";
import type { CpuKernels } from "./cpu-kernels.ts";
import type { EngineRequest } from "./engine.ts";
import { hostedEnvironment, type HostedEnvironment } from "./hosted-environment.ts";
import type { RunningNormalization } from "./normalization.ts";

/** What ended while collecting: sums over episodes, and over all steps the trained reward. */
export interface EpisodeSums {
  readonly episodes: number;
  readonly episodeReturn: number;
  readonly environmentReturn: number;
  readonly episodeCost: number;
  readonly episodeLength: number;
  readonly reward: number;
}

const f = Math.fround;
/** log sqrt(2 pi) */
const LOG_ROOT_TWO_PI = f(0.91893853);

/**
 * Steps N environments with the current policy and keeps the T x N transitions of one update, row t x N + n.
 * All randomness is a function of (seed, update, step, environment).
 */
export class CpuRollout {
  readonly environmentState: Float32Array;
  readonly episodeReturn: Float32Array;
  readonly environmentReturn: Float32Array;
  readonly episodeCost: Float32Array;
  readonly episodeLength: Uint32Array;

  /** [T x N x observationSize], normalised where the run does that. */
  readonly observations: Float32Array;
  /** The same before; only where the run normalises. */
  readonly rawObservations: Float32Array | null;
  /** [T x N]: numbers. Of normal distributions [dimensions x T x N]: bits of f32s, the sampled ones. */
  readonly actions: Uint32Array;
  readonly sampled: Float32Array;
  /** [T x N] each. Masks, costs and their values are zero where there are none. */
  readonly masks: Uint32Array;
  readonly logProbabilities: Float32Array;
  readonly values: Float32Array;
  readonly costValues: Float32Array;
  readonly rewards: Float32Array;
  readonly costs: Float32Array;
  readonly ended: Uint8Array;
  /** V(terminal observation) where the time limit ended the episode and is bootstrapped through, else 0. */
  readonly finalValues: Float32Array;
  readonly finalCostValues: Float32Array;
  /** 1 for a step that counts, 0 behind the end of a whole episode. */
  readonly weights: Float32Array;
  /** [N], of the observation after the last step. */
  readonly lastValues: Float32Array;
  readonly lastCostValues: Float32Array;
  /** [N], of the last episode that ended. */
  readonly endedReturns: Float32Array;
  readonly endedLengths: Uint32Array;

  readonly #request: EngineRequest;
  readonly #kernels: CpuKernels;
  readonly #head: PolicyHead;
  readonly #normalization: RunningNormalization | null;
  /** A step's action where it is several numbers. */
  readonly #vector: Float32Array;
  /** Address of the logarithms of normal distributions' deviations. */
  readonly #logStd: number;
  readonly #limit: number;
  readonly #words = new Uint32Array(4);
  readonly #outcome = new Float32Array(2);
  readonly #before: Float32Array;
  readonly #observation: Float32Array;
  /** Environments of the block whose time limit ended the episode. */
  readonly #truncated: number[] = [];
  /** Whole episodes only: which environments still play. */
  readonly #alive: Uint8Array;
  readonly #hosted: HostedEnvironment | null;
  /** Host environments only: they have begun their first episodes, and what they are to take back before they go on. */
  #begun = false;
  #saved: string | null = null;

  constructor(
    request: EngineRequest,
    kernels: CpuKernels,
    options: { readonly layout: ParameterLayout; readonly normalization: RunningNormalization | null },
  ) {
    const { algorithm } = request;
    this.#hosted = hostedEnvironment(request.environment);
    const environment = this.#hosted ?? request.environment;
    const { envs, steps, episodes } = algorithm;
    const stateSize = environment.stateFields.length;
    const rows = envs * steps;
    this.#request = { ...request, environment };
    this.#kernels = kernels;
    this.#head = policyHead(environment);
    this.#normalization = algorithm.normalizeObservations ? options.normalization : null;
    this.#logStd = options.layout.tensors.find((tensor) => tensor.name === "actor.logStd")?.offset ?? 0;
    this.#limit =
      episodes === "whole" ? Math.min(environment.maxEpisodeSteps, steps) : environment.maxEpisodeSteps;
    this.environmentState = new Float32Array(envs * stateSize);
    this.episodeReturn = new Float32Array(envs);
    this.environmentReturn = new Float32Array(envs);
    this.episodeCost = new Float32Array(envs);
    this.episodeLength = new Uint32Array(envs);
    this.observations = new Float32Array(rows * environment.observationSize);
    this.rawObservations = this.#normalization ? new Float32Array(this.observations.length) : null;
    this.#vector = new Float32Array(actionSize(environment));
    this.actions = new Uint32Array(rows * this.#vector.length);
    this.sampled = new Float32Array(this.actions.buffer);
    this.masks = new Uint32Array(rows);
    this.logProbabilities = new Float32Array(rows);
    this.values = new Float32Array(rows);
    this.costValues = new Float32Array(rows);
    this.rewards = new Float32Array(rows);
    this.costs = new Float32Array(rows);
    this.ended = new Uint8Array(rows);
    this.finalValues = new Float32Array(rows);
    this.finalCostValues = new Float32Array(rows);
    this.weights = new Float32Array(rows).fill(1);
    this.lastValues = new Float32Array(envs);
    this.lastCostValues = new Float32Array(envs);
    this.endedReturns = new Float32Array(envs);
    this.endedLengths = new Uint32Array(envs);
    this.#before = new Float32Array(stateSize);
    this.#observation = new Float32Array(environment.observationSize);
    this.#alive = new Uint8Array(envs).fill(1);
    for (let n = 0; n < envs; n++) this.#reset(n, 0);
  }

  /** Host environments take back what they saved with the next update; without that, episodes begin anew there. */
  restart(saved: string | null): void {
    this.#begun = false;
    this.#saved = saved;
  }

  /** What host environments have inside, between two updates; null where there is nothing to keep. */
  saveHosts(): Promise<string | null> {
    const { envs, episodes } = this.#request.algorithm;
    if (!this.#hosted || episodes === "whole") return Promise.resolve(null);
    return this.#begun ? this.#hosted.save(envs) : Promise.resolve(this.#saved);
  }

  /**
   * Collects update `update` (from 0), one step per turn of the generator; returns what ended. What it yields is to be
   * waited for.
   */
  *collect(update: number): Generator<Promise<void> | undefined, EpisodeSums> {
    const { envs, steps, episodes } = this.#request.algorithm;
    const { columns } = this.#kernels.rollout;
    const sums = {
      episodes: 0,
      episodeReturn: 0,
      environmentReturn: 0,
      episodeCost: 0,
      episodeLength: 0,
      reward: 0,
    };
    const whole = episodes === "whole";
    if (this.#hosted && this.#saved && !this.#begun && !whole) {
      yield this.#hosted.load(this.#saved);
      this.#saved = null;
      this.#begun = true;
    } else if (this.#hosted && (whole || !this.#begun)) {
      yield this.#hosted.begin([...this.#alive.keys()], (n, out) => {
        this.#resetWords(update * steps, n, out);
      });
      if (!whole) for (let n = 0; n < envs; n++) this.#reset(n, update * steps);
      this.#begun = true;
    }
    if (whole) this.#startAll(update * steps);
    this.finalValues.fill(0);
    this.finalCostValues.fill(0);
    for (let t = 0; t < steps; t++) {
      const globalStep = update * steps + t;
      for (let first = 0; first < envs; first += columns) {
        this.#decide(first, Math.min(columns, envs - first), t * envs + first, globalStep);
      }
      if (this.#hosted) yield this.#fetch(this.#hosted, t * envs, globalStep);
      for (let first = 0; first < envs; first += columns) {
        const count = Math.min(columns, envs - first);
        const row = t * envs + first;
        for (let c = 0; c < count; c++) {
          if (this.#alive[first + c] === 1) this.#advance(first + c, row + c, sums);
        }
        this.#bootstrap(first, row);
        for (let c = 0; c < count; c++) {
          if (this.ended[row + c] === 0) continue;
          if (whole) this.#alive[first + c] = 0;
          else this.#reset(first + c, globalStep + 1);
        }
      }
      yield undefined;
    }
    for (let first = 0; first < envs; first += columns) {
      const count = Math.min(columns, envs - first);
      for (let c = 0; c < count; c++) this.#observe(first + c, c);
      const { values, forwardValue } = this.#kernels.rollout;
      forwardValue();
      this.lastValues.set(values.subarray(0, count), first);
      if (values.length > columns) this.lastCostValues.set(values.subarray(columns, columns + count), first);
    }
    return sums;
  }

  /** One step, in one batch, of all environments that still play, by the actions decided from row `row` on. */
  #fetch(hosted: HostedEnvironment, row: number, globalStep: number): Promise<void> {
    const playing = [...this.#alive.keys()].filter((n) => this.#alive[n] === 1);
    return hosted.advance(
      playing.map((n) => ({
        index: n,
        action: this.#kept(this.#action(row + n)),
        truncated: this.episodeLength[n]! + 1 >= this.#limit,
      })),
      (n, out) => {
        this.#resetWords(globalStep + 1, n, out);
      },
    );
  }

  /** As the environment takes it; a list is written over by the next call. */
  #action(row: number): Action {
    const head = this.#head;
    if (head.kind !== "gaussian") return this.actions[row]!;
    const { low, high, outputs } = head;
    const rows = this.rewards.length;
    for (let d = 0; d < outputs; d++) {
      this.#vector[d] = Math.min(Math.max(this.sampled[d * rows + row]!, low), high);
    }
    return outputs === 1 ? this.#vector[0]! : this.#vector;
  }

  #kept(action: Action): Action {
    return typeof action === "number" ? action : Array.from(action);
  }

  /** Of the episode that environment n begins at a step of the run; siblings of a group begin alike. */
  #resetWords(step: number, n: number, out: Uint32Array): void {
    const { seed, algorithm } = this.#request;
    const { groups, episodes } = algorithm;
    const index = groups && episodes === "whole" ? Math.floor(n / groups.size) : n;
    random4(seed, stream.reset, step, index, out);
  }

  /** Takes the rows from an expert instead: an episode each, with a reward of 1 and so an advantage of 1. */
  demonstrate({ observations, actions }: NonNullable<PolicyGradientConfig["demonstrations"]>): void {
    this.observations.set(observations);
    const rows = this.rewards.length;
    const size = this.#vector.length;
    const taken = this.#head.kind === "gaussian" ? this.sampled : this.actions;
    actions.forEach((value, i) => (taken[(i % size) * rows + Math.floor(i / size)] = value));
    this.masks.fill(0xffffffff);
    this.rewards.fill(1);
    this.ended.fill(1);
  }

  /** New whole episodes for all; siblings of a group start alike. */
  #startAll(step: number): void {
    const { envs } = this.#request.algorithm;
    this.#alive.fill(1);
    this.weights.fill(0);
    this.ended.fill(1);
    for (const column of [this.rewards, this.costs, this.values, this.costValues, this.logProbabilities]) {
      column.fill(0);
    }
    this.actions.fill(0);
    for (let n = 0; n < envs; n++) this.#reset(n, step);
  }

  /** Start state of the episode that begins at `step` (0: the very first). */
  #reset(n: number, step: number): void {
    const { environment } = this.#request;
    this.#resetWords(step, n, this.#words);
    environment.reset(this.environmentState, n * environment.stateFields.length, this.#words);
    this.episodeReturn[n] = 0;
    this.environmentReturn[n] = 0;
    this.episodeCost[n] = 0;
    this.episodeLength[n] = 0;
  }

  /** Writes environment n's observation into a column of the block; at `row` of the raw ones where it is given. */
  #observe(n: number, column: number, row?: number): void {
    const { environment } = this.#request;
    const { columns, observations } = this.#kernels.rollout;
    const observation = this.#observation;
    environment.observe(this.environmentState, n * environment.stateFields.length, observation, 0);
    if (this.#normalization) {
      if (row !== undefined) this.rawObservations!.set(observation, row * observation.length);
      this.#normalization.observe(observation);
    }
    for (let o = 0; o < observation.length; o++) observations[o * columns + column] = observation[o]!;
  }

  /** Policy and value of a block, and an action for each that plays. */
  #decide(first: number, count: number, row: number, globalStep: number): void {
    const { environment } = this.#request;
    const { columns, masks, values, forward } = this.#kernels.rollout;
    const size = environment.stateFields.length;
    for (let c = 0; c < count; c++) {
      this.#observe(first + c, c, row + c);
      this.observations.set(this.#observation, (row + c) * environment.observationSize);
      if (environment.mask) masks[c] = environment.mask(this.environmentState, (first + c) * size);
    }
    forward();
    for (let c = 0; c < count; c++) {
      if (this.#alive[first + c] === 0) continue;
      if (environment.mask) this.masks[row + c] = masks[c]!;
      if (this.#head.kind === "gaussian") this.#sampleNormal(c, first + c, row + c, globalStep);
      else this.#sampleChoices(this.#head.factors, c, first + c, row + c, globalStep);
      this.values[row + c] = values[c]!;
      if (values.length > columns) this.costValues[row + c] = values[columns + c]!;
      this.weights[row + c] = 1;
    }
  }

  /** For each factor the first k with u < p_0 + ... + p_k, the last likely one where rounding leaves none. */
  #sampleChoices(
    factors: readonly number[],
    column: number,
    n: number,
    row: number,
    globalStep: number,
  ): void {
    const { columns, probabilities, logProbabilities } = this.#kernels.rollout;
    const words = this.#words;
    let first = 0;
    let radix = 1;
    let action = 0;
    let logProbability = 0;
    factors.forEach((count, factor) => {
      if (factor % 4 === 0) {
        random4(this.#request.seed, stream.action, globalStep, n + (factor / 4) * 2 ** 20, words);
      }
      const u = uniform(words[factor % 4]!);
      let choice = 0;
      let cumulative = 0;
      for (let k = 0; k < count && (k === 0 || !(u < cumulative)); k++) {
        const p = probabilities[(first + k) * columns + column]!;
        if (p > 0) choice = k;
        cumulative = f(cumulative + p);
      }
      logProbability = f(logProbability + logProbabilities[(first + choice) * columns + column]!);
      action += radix * choice;
      radix *= count;
      first += count;
    });
    this.actions[row] = action;
    this.logProbabilities[row] = logProbability;
  }

  #sampleNormal(column: number, n: number, row: number, globalStep: number): void {
    const { rollout, parameters } = this.#kernels;
    const { columns, outputs } = rollout;
    const words = this.#words;
    let logProbability = 0;
    for (let d = 0; d < this.#vector.length; d++) {
      const pair = 2 * (d % 2);
      if (pair === 0) random4(this.#request.seed, stream.action, globalStep, n + (d / 2) * 2 ** 20, words);
      const noise = normal(words[pair]!, words[pair + 1]!);
      const logStd = parameters[this.#logStd + d]!;
      this.sampled[d * this.rewards.length + row] = f(
        outputs[d * columns + column]! + f(exp(logStd) * noise),
      );
      logProbability = f(logProbability + f(f(f(-0.5 * f(noise * noise)) - logStd) - LOG_ROOT_TWO_PI));
    }
    this.logProbabilities[row] = logProbability;
  }

  #advance(n: number, row: number, sums: { -readonly [K in keyof EpisodeSums]: number }): void {
    const { environment, reward, cost, algorithm } = this.#request;
    const state = this.environmentState;
    const stateSize = environment.stateFields.length;
    const at = n * stateSize;
    const before = this.#before;
    for (let i = 0; i < stateSize; i++) before[i] = state[at + i]!;
    const action = this.#action(row);
    environment.step(state, at, action, this.#outcome);
    const own = this.#outcome[0]!;
    const terminated = this.#outcome[1] !== 0;
    const trained = reward === null ? own : f(reward.evaluate(before, 0, action, state, at));
    this.rewards[row] = trained;
    this.episodeReturn[n]! += trained;
    this.environmentReturn[n]! += own;
    if (cost) {
      this.costs[row] = cost.evaluate(before, 0, action, state, at);
      this.episodeCost[n]! += this.costs[row]!;
    }
    const length = (this.episodeLength[n]! += 1);
    sums.reward += trained;
    const truncated = !terminated && length >= this.#limit;
    this.ended[row] = terminated || truncated ? 1 : 0;
    if (truncated && algorithm.truncationBootstrap) this.#truncated.push(n);
    if (terminated || truncated) {
      this.endedReturns[n] = this.episodeReturn[n]!;
      this.endedLengths[n] = length;
      sums.episodes++;
      sums.episodeReturn += this.episodeReturn[n]!;
      sums.environmentReturn += this.environmentReturn[n]!;
      sums.episodeCost += this.episodeCost[n]!;
      sums.episodeLength += length;
    }
  }

  /** Values of the last observations of the block's truncated episodes. */
  #bootstrap(first: number, row: number): void {
    if (this.#truncated.length === 0) return;
    const { columns, values, forwardValue } = this.#kernels.rollout;
    this.#truncated.forEach((n, c) => {
      this.#observe(n, c);
    });
    forwardValue();
    this.#truncated.forEach((n, c) => {
      this.finalValues[row + n - first] = values[c]!;
      if (values.length > columns) this.finalCostValues[row + n - first] = values[columns + c]!;
    });
    this.#truncated.length = 0;
  }
}

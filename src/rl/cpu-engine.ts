import { FulguriteError } from "../gpu/error.ts";
import { initializeParameters } from "../nn/initialize.ts";
import { policyHead } from "../kernels/action-space.ts";
import type { OpenThreads } from "../kernels/wasm/threads.ts";
import type { ParameterLayout } from "../nn/parameter-layout.ts";
import { checkDemonstrations } from "./behaviour-cloning.ts";
import { CpuCredit } from "./cpu-credit.ts";
import type { CpuKernels } from "./cpu-kernels.ts";
import { planCpuMemory } from "./cpu-memory.ts";
import { CpuRollout, type EpisodeSums } from "./cpu-rollout.ts";
import { CpuUpdate } from "./cpu-update.ts";
import { cpuKernelsFor } from "./engine-kernels.ts";
import type { EngineRequest, TrainingEngine, TrainingState, UpdateMetrics } from "./engine.ts";
import { explainedVariance } from "./gae.ts";
import { CostMultiplier } from "./lagrangian.ts";
import { networkLayout } from "./network.ts";
import { normalizes, RunningNormalization } from "./normalization.ts";
import { checkTowers } from "./separable-loss.ts";
import { scheduleValue, updateCount } from "./schedule.ts";

/** Multiply-adds between two pauses for the event loop: 10 to 20 ms on one core. */
const WORK_BETWEEN_PAUSES = 5e7;

/**
 * Trains on the processor: WebAssembly SIMD generated for the network's shape. Same algorithm, order and random numbers as the
 * WebGPU engine; the same bits in every browser, and with any number of `threads` (default none but the caller's). Rejects with
 * "cpu/memory" before anything is made where it does not fit.
 */
export async function createCpuEngine(
  request: EngineRequest,
  threads: OpenThreads | null = null,
): Promise<TrainingEngine> {
  const { environment, algorithm } = request;
  if (request.loss) checkTowers(request.loss, algorithm);
  checkDemonstrations(environment, algorithm);
  planCpuMemory(request);
  const layout = networkLayout(environment, algorithm);
  const kernels = await cpuKernelsFor(request, layout, undefined, threads);
  kernels.parameters.set(initializeParameters(layout, request.seed));
  if (algorithm.optimizer === "rmsprop-tensorflow") {
    for (const { offset, length } of layout.tensors) kernels.secondMoment.fill(1, offset, offset + length);
  }
  return new CpuEngine(request, layout, kernels);
}

const NO_EPISODES: EpisodeSums = {
  ...{ episodes: 0, episodeReturn: 0, environmentReturn: 0, episodeCost: 0, episodeLength: 0, reward: NaN },
};

class CpuEngine implements TrainingEngine {
  readonly engine = "cpu";
  readonly adapter = "WebAssembly SIMD";
  readonly lost = new Promise<string>(() => undefined);
  onMetrics: ((metrics: UpdateMetrics) => void) | null = null;

  readonly #request: EngineRequest;
  readonly #layout: ParameterLayout;
  readonly #kernels: CpuKernels;
  readonly #rollout: CpuRollout;
  readonly #epochs: CpuUpdate;
  readonly #credit: CpuCredit;
  readonly #normalization: RunningNormalization | null;
  readonly #multiplier: CostMultiplier | null;
  #submitted = 0;
  #done = 0;
  #optimizerStep = 0;
  #queue: Promise<void> = Promise.resolve();
  #work = 0;
  #disposed = false;

  constructor(request: EngineRequest, layout: ParameterLayout, kernels: CpuKernels) {
    const { algorithm, environment } = request;
    this.#request = request;
    this.#layout = layout;
    this.#kernels = kernels;
    this.#normalization = normalizes(algorithm)
      ? new RunningNormalization(environment.observationSize, algorithm.envs)
      : null;
    this.#multiplier = algorithm.costLimit && new CostMultiplier(algorithm.costLimit);
    this.#rollout = new CpuRollout(request, kernels, { layout, normalization: this.#normalization });
    if (algorithm.demonstrations) this.#rollout.demonstrate(algorithm.demonstrations);
    this.#credit = new CpuCredit(algorithm, this.#rollout, this.#normalization);
    this.#epochs = new CpuUpdate(
      algorithm,
      environment.observationSize,
      policyHead(environment),
      kernels,
      request.loss ?? null,
    );
  }

  get update(): number {
    return this.#submitted;
  }

  submit(): Promise<void> {
    this.#submitted++;
    const work = this.#queue.then(() => this.#runUpdate());
    // What broke off, in a host environment, has changed nothing: the state is that of the update before.
    this.#queue = work.catch(() => {
      this.#submitted = this.#done;
    });
    return work;
  }

  flush(): Promise<void> {
    return this.#queue;
  }

  save(): Promise<TrainingState> {
    const saved = this.#queue.then(() => this.#save());
    // Nothing steps the environments before they have said what is inside of them.
    this.#queue = saved.then(
      () => undefined,
      () => undefined,
    );
    return saved;
  }

  async #save(): Promise<TrainingState> {
    const hosts = await this.#rollout.saveHosts();
    const { parameters, firstMoment, secondMoment } = this.#kernels;
    const { environmentState, episodeReturn, environmentReturn, episodeLength, episodeCost } = this.#rollout;
    return {
      version: 1,
      update: this.#done,
      parameters: parameters.slice(),
      firstMoment: firstMoment.slice(),
      secondMoment: secondMoment.slice(),
      optimizerStep: this.#optimizerStep,
      environmentState: environmentState.slice(),
      episodeReturn: episodeReturn.slice(),
      environmentReturn: environmentReturn.slice(),
      episodeLength: episodeLength.slice(),
      ...(this.#normalization && { normalization: this.#normalization.state.slice() }),
      ...(this.#multiplier && {
        episodeCost: episodeCost.slice(),
        multiplier: this.#multiplier.state.slice(),
      }),
      ...(hosts && { hosts }),
    };
  }

  load(state: TrainingState): void {
    if (this.#submitted !== this.#done) {
      throw new FulguriteError(
        "rl/busy",
        "An update is running, its state cannot be replaced.",
        "Wait for flush() before load().",
      );
    }
    const places = {
      parameters: this.#kernels.parameters,
      firstMoment: this.#kernels.firstMoment,
      secondMoment: this.#kernels.secondMoment,
      environmentState: this.#rollout.environmentState,
      episodeReturn: this.#rollout.episodeReturn,
      environmentReturn: this.#rollout.environmentReturn,
      episodeLength: this.#rollout.episodeLength,
      ...(this.#normalization && { normalization: this.#normalization.state }),
      ...(this.#multiplier && {
        episodeCost: this.#rollout.episodeCost,
        multiplier: this.#multiplier.state,
      }),
    };
    const names = Object.keys(places) as (keyof typeof places)[];
    for (const name of names) {
      const length = state[name]?.length ?? 0;
      const wanted = places[name]!.length;
      if (length !== wanted) {
        throw new FulguriteError(
          "rl/state-mismatch",
          `The saved ${name} has ${length} numbers, this run needs ${wanted}.`,
          "Resume with the environment and algorithm that the run was started with.",
        );
      }
    }
    for (const name of names) places[name]!.set(state[name]!);
    this.#rollout.restart(state.hosts ?? null);
    this.#submitted = state.update;
    this.#done = state.update;
    this.#optimizerStep = state.optimizerStep;
  }

  dispose(): void {
    this.#disposed = true;
    this.onMetrics = null;
    this.#kernels.dispose();
  }

  async #runUpdate(): Promise<void> {
    const { algorithm, seed } = this.#request;
    const { envs, steps } = algorithm;
    const { rollout: block, training } = this.#kernels;
    const update = this.#done;
    const updates = updateCount(algorithm);
    const learningRate = scheduleValue(algorithm.learningRate, update, updates);
    const clip = scheduleValue(algorithm.clip, update, updates);
    const rollout = this.#rollout;

    const stepWork = this.#layout.length * Math.ceil(envs / block.columns) * block.columns;
    const ended = algorithm.demonstrations
      ? NO_EPISODES
      : await this.#drive(rollout.collect(update), stepWork);
    if (ended === null) return;
    const multiplier = this.#multiplier?.value ?? NaN;
    const credit = this.#credit;
    credit.assign(multiplier);
    const means = await this.#drive(
      this.#epochs.run({
        rollout,
        advantages: credit.advantages,
        returns: credit.returns,
        costReturns: credit.costReturns,
        seed,
        update,
        learningRate,
        clip,
        optimizerStep: this.#optimizerStep,
      }),
      3 * this.#layout.length * training.columns,
    );
    if (means === null) return;
    this.#optimizerStep += means.optimizerSteps;
    this.#done++;
    const perEpisode = (sum: number): number => (ended.episodes === 0 ? NaN : sum / ended.episodes);
    const episodeCost = this.#multiplier ? perEpisode(ended.episodeCost) : NaN;
    this.#multiplier?.take(episodeCost);
    this.onMetrics?.({
      update: this.#done,
      step: this.#done * envs * steps,
      ...means,
      explainedVariance: explainedVariance(
        credit.returns,
        rollout.values,
        (row) => rollout.weights[row] !== 0,
      ),
      learningRate,
      episodes: ended.episodes,
      episodeReturn: perEpisode(ended.episodeReturn),
      environmentReturn: perEpisode(ended.environmentReturn),
      episodeLength: perEpisode(ended.episodeLength),
      rewardMean: ended.reward / credit.rows,
      episodeCost,
      multiplier,
    });
  }

  /** Runs a generator to its end, letting the event loop in now and then; null if the engine was disposed. */
  async #drive<T>(work: Generator<unknown, T>, multiplyAdds: number): Promise<T | null> {
    for (;;) {
      const turn = work.next();
      if (turn.done === true) return turn.value;
      if (turn.value instanceof Promise) await turn.value;
      this.#work += multiplyAdds;
      if (this.#work < WORK_BETWEEN_PAUSES) continue;
      this.#work = 0;
      await letOthersRun();
      if (this.#disposed) return null;
    }
  }
}

/** One turn of the event loop; a timer would cost 4 ms each time. */
function letOthersRun(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

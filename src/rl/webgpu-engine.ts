import { deviceLost, type GpuDevice } from "../gpu/device.ts";
import { FulguriteError } from "../gpu/error.ts";
import { ReadbackRing } from "../gpu/readback.ts";
import { METRICS_LENGTH, metricWord } from "../kernels/metrics.ts";
import { random4, stream } from "../kernels/philox.ts";
import { ScalarSlots } from "../kernels/scalars.ts";
import { initializeParameters } from "../nn/initialize.ts";
import { actorCriticLayout } from "../nn/parameter-layout.ts";
import type { EngineRequest, TrainingEngine, TrainingState, UpdateMetrics } from "./engine.ts";
import { scheduleValue, updateCount } from "./schedule.ts";
import {
  createPpoDispatches,
  createPpoPlan,
  EPISODE_WORDS,
  type PpoDispatches,
  type PpoPlan,
} from "./webgpu-plan.ts";

const BETA1 = 0.9;
const BETA2 = 0.999;
/** Updates submitted and not yet finished. */
const IN_FLIGHT = 2;

/**
 * PPO wholly on the GPU: an update is one submit, nothing is read back but its metrics, late. Rejects with
 * `gpu/shader` where a kernel does not compile and `gpu/network-size` where the network does not fit.
 */
export async function createWebGpuEngine(request: EngineRequest, device: GpuDevice): Promise<TrainingEngine> {
  const { algorithm, environment, reward } = request;
  const plan = createPpoPlan(device, { ...algorithm, environment, reward });
  return new WebGpuEngine(request, device, plan, await createPpoDispatches(plan));
}

class WebGpuEngine implements TrainingEngine {
  readonly engine = "webgpu";
  readonly adapter: string;
  readonly lost: Promise<string>;
  onMetrics: ((metrics: UpdateMetrics) => void) | null = null;

  readonly #request: EngineRequest;
  readonly #gpu: GpuDevice;
  readonly #ppo: PpoPlan;
  readonly #dispatches: PpoDispatches;
  readonly #scalars: ScalarSlots;
  readonly #metrics: ReadbackRing;
  readonly #state: ReadbackRing;
  readonly #stateParts: readonly { readonly buffer: GPUBuffer; readonly length: number }[];
  readonly #pending: Promise<void>[] = [];
  readonly #stateLength: number;
  readonly #saves = new Set<Promise<void>>();
  #update = 0;
  #optimizerStep = 0;
  #disposed = false;

  constructor(request: EngineRequest, gpu: GpuDevice, ppo: PpoPlan, dispatches: PpoDispatches) {
    const { algorithm, environment, seed } = request;
    const { buffers, layout, sizes } = ppo;
    this.#request = request;
    this.#gpu = gpu;
    this.#ppo = ppo;
    this.#dispatches = dispatches;
    this.adapter = gpu.adapter;
    this.lost = gpu.lost;
    this.#scalars = new ScalarSlots(sizes.slots);
    this.#metrics = new ReadbackRing(gpu, "metrics readback", METRICS_LENGTH, IN_FLIGHT + 1);
    const stateSize = algorithm.envs * environment.stateFields.length;
    this.#stateParts = [
      { buffer: buffers.parameters, length: layout.length },
      { buffer: buffers.moments, length: 2 * layout.length },
      { buffer: buffers.environments, length: stateSize },
      { buffer: buffers.episodes, length: algorithm.envs * EPISODE_WORDS },
    ];
    this.#stateLength = this.#stateParts.reduce((sum, part) => sum + part.length, 0);
    this.#state = new ReadbackRing(gpu, "state readback", this.#stateLength, 1);

    const plain = actorCriticLayout({ ...algorithm, ...environment });
    const states = new Float32Array(stateSize);
    const words = new Uint32Array(4);
    for (let n = 0; n < algorithm.envs; n++) {
      random4(seed, stream.reset, 0, n, words);
      environment.reset(states, n * environment.stateFields.length, words);
    }
    gpu.device.queue.writeBuffer(buffers.parameters, 0, layout.pack(initializeParameters(plain, seed)));
    gpu.device.queue.writeBuffer(buffers.environments, 0, states);
    this.#writeConstants();
  }

  get update(): number {
    return this.#update;
  }

  async submit(): Promise<void> {
    this.#assertAlive();
    // Another submit may be waiting as well.
    while (this.#pending.length >= IN_FLIGHT) await this.#pending[0];
    this.#assertAlive();
    const { device } = this.#gpu;
    const { plan, sizes, buffers } = this.#ppo;
    const { rollout, gae, shuffle, statistics, minibatch } = this.#dispatches;
    const learningRate = this.#writeScalars();
    device.queue.writeBuffer(buffers.scalars, 0, this.#scalars.bytes);
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (let chunk = 0; chunk < sizes.chunks; chunk++) plan.encode(pass, rollout, 1 + chunk);
    plan.encode(pass, gae, 0);
    plan.encode(pass, shuffle, 0);
    plan.encode(pass, statistics, 0);
    for (let n = 0; n < sizes.minibatches; n++) {
      for (const dispatch of minibatch) plan.encode(pass, dispatch, 1 + sizes.chunks + n);
    }
    pass.end();
    const read = this.#metrics.copy(encoder, [{ buffer: buffers.metrics, length: METRICS_LENGTH }]);
    this.#gpu.submit(encoder);
    this.#update++;
    this.#optimizerStep += sizes.minibatches;
    const update = this.#update;
    const before = this.#pending.at(-1) ?? Promise.resolve();
    const done = this.#guard(read()).then(async (data) => {
      await before;
      void this.#pending.shift();
      if (data !== null) this.onMetrics?.(this.#describe(data, update, learningRate));
    });
    this.#pending.push(done);
    // A failure reaches whoever awaits the next submit or flush.
    done.catch(() => undefined);
    if (this.#pending.length >= IN_FLIGHT) await this.#pending[0];
  }

  async flush(): Promise<void> {
    await Promise.all(this.#pending);
    await Promise.all(this.#saves);
    this.#gpu.check();
  }

  save(): Promise<TrainingState> {
    try {
      this.#assertAlive();
    } catch (error) {
      return Promise.reject(error as Error);
    }
    // The copy is taken now, before any later submit; saves that overlap get a buffer of their own.
    const spare = this.#state.free
      ? null
      : new ReadbackRing(this.#gpu, "spare readback", this.#stateLength, 1);
    const encoder = this.#gpu.device.createCommandEncoder();
    const read = (spare ?? this.#state).copy(encoder, this.#stateParts);
    this.#gpu.submit(encoder);
    const [update, optimizerStep] = [this.#update, this.#optimizerStep];
    const saved = this.#guard(read()).then((data) => {
      spare?.dispose();
      return this.#unpackState(data ?? this.#gone(), update, optimizerStep);
    });
    const settled = saved.then(
      () => undefined,
      () => undefined,
    );
    this.#saves.add(settled);
    void settled.then(() => this.#saves.delete(settled));
    return saved;
  }

  load(state: TrainingState): void {
    this.#assertAlive();
    const { envs } = this.#request.algorithm;
    const { layout, buffers } = this.#ppo;
    const expected: readonly [string, ArrayLike<number>, number][] = [
      ["parameters", state.parameters, layout.plainLength],
      ["firstMoment", state.firstMoment, layout.plainLength],
      ["secondMoment", state.secondMoment, layout.plainLength],
      ["environmentState", state.environmentState, this.#stateParts[2]!.length],
      ["episodeReturn", state.episodeReturn, envs],
      ["environmentReturn", state.environmentReturn, envs],
      ["episodeLength", state.episodeLength, envs],
    ];
    for (const [name, array, length] of expected) {
      if (array.length === length) continue;
      throw new FulguriteError(
        "rl/state-size",
        `The saved state does not fit this run: ${name} has ${array.length} elements, not ${length}.`,
        "Resume with the environment, network and number of environments it was saved with.",
      );
    }
    const { queue } = this.#gpu.device;
    const episodes = new Uint32Array(envs * EPISODE_WORDS);
    const floats = new Float32Array(episodes.buffer);
    for (let n = 0; n < envs; n++) {
      floats[n * EPISODE_WORDS] = state.episodeReturn[n]!;
      floats[n * EPISODE_WORDS + 1] = state.environmentReturn[n]!;
      episodes[n * EPISODE_WORDS + 2] = state.episodeLength[n]!;
    }
    queue.writeBuffer(buffers.parameters, 0, layout.pack(state.parameters));
    queue.writeBuffer(buffers.moments, 0, layout.pack(state.firstMoment));
    queue.writeBuffer(buffers.moments, layout.length * 4, layout.pack(state.secondMoment));
    queue.writeBuffer(buffers.environments, 0, state.environmentState.slice());
    queue.writeBuffer(buffers.episodes, 0, episodes);
    this.#update = state.update;
    this.#optimizerStep = state.optimizerStep;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#metrics.dispose();
    this.#state.dispose();
    this.#ppo.plan.dispose();
  }

  /** Fields that never change. */
  #writeConstants(): void {
    const { algorithm, seed } = this.#request;
    for (let slot = 0; slot < this.#ppo.sizes.slots; slot++) {
      const set = this.#scalars.set.bind(this.#scalars, slot);
      set("seed", seed);
      set("gamma", algorithm.gamma);
      set("lambda", algorithm.lambda);
      set("valueClip", algorithm.valueClip ?? -1);
      set("entropyCoefficient", algorithm.entropyCoefficient);
      set("valueCoefficient", algorithm.valueCoefficient);
      set("maxGradientNorm", algorithm.maxGradientNorm);
      set("beta1", BETA1);
      set("beta2", BETA2);
      set("beta1Complement", 1 - BETA1);
      set("beta2Complement", 1 - BETA2);
      set("epsilon", algorithm.adamEpsilon);
      set("weightDecay", algorithm.weightDecay);
    }
  }

  /** Fields of the update about to be submitted; returns its learning rate. */
  #writeScalars(): number {
    const { algorithm } = this.#request;
    const { sizes } = this.#ppo;
    const scalars = this.#scalars;
    const updates = updateCount(algorithm);
    const learningRate = scheduleValue(algorithm.learningRate, this.#update, updates);
    const clip = scheduleValue(algorithm.clip, this.#update, updates);
    scalars.set(0, "baseEpoch", this.#update * algorithm.epochs);
    for (let chunk = 0; chunk < sizes.chunks; chunk++) {
      const first = chunk * sizes.chunkSteps;
      scalars.set(1 + chunk, "baseStep", this.#update * algorithm.steps);
      scalars.set(1 + chunk, "firstStep", first);
      scalars.set(1 + chunk, "stepCount", Math.min(sizes.chunkSteps, algorithm.steps - first));
    }
    for (let n = 0; n < sizes.minibatches; n++) {
      const slot = 1 + sizes.chunks + n;
      const step = this.#optimizerStep + n + 1;
      scalars.set(slot, "indexOffset", n * algorithm.minibatchSize);
      scalars.set(slot, "statisticsRow", n);
      scalars.set(slot, "learningRate", learningRate);
      scalars.set(slot, "clip", clip);
      scalars.set(slot, "correction1", 1 - BETA1 ** step);
      scalars.set(slot, "correction2", 1 - BETA2 ** step);
    }
    return learningRate;
  }

  #describe(data: Float32Array, update: number, learningRate: number): UpdateMetrics {
    const { algorithm } = this.#request;
    const { minibatches } = this.#ppo.sizes;
    const of = (name: keyof typeof metricWord): number => data[metricWord[name]]!;
    const samples = minibatches * algorithm.minibatchSize;
    const episodes = of("episodes");
    const perEpisode = (sum: number): number => (episodes === 0 ? NaN : sum / episodes);
    const variance = of("returnVariance");
    return {
      update,
      step: update * algorithm.envs * algorithm.steps,
      policyLoss: of("policyLoss") / samples,
      valueLoss: of("valueLoss") / samples,
      entropy: of("entropy") / samples,
      approximateKl: of("kl") / samples,
      clipFraction: of("clipped") / samples,
      explainedVariance: variance === 0 ? NaN : 1 - of("residualVariance") / variance,
      gradientNorm: of("gradientNorm") / minibatches,
      learningRate,
      episodes,
      episodeReturn: perEpisode(of("episodeReturn")),
      environmentReturn: perEpisode(of("environmentReturn")),
      episodeLength: perEpisode(of("episodeLength")),
      rewardMean: of("rewardMean"),
    };
  }

  #unpackState(data: Float32Array<ArrayBuffer>, update: number, optimizerStep: number): TrainingState {
    const { envs } = this.#request.algorithm;
    const { layout } = this.#ppo;
    let at = 0;
    const take = (length: number): Float32Array => data.subarray(at, (at += length));
    const parameters = layout.unpack(take(layout.length));
    const firstMoment = layout.unpack(take(layout.length));
    const secondMoment = layout.unpack(take(layout.length));
    const environmentState = take(this.#stateParts[2]!.length).slice();
    const episodes = take(envs * EPISODE_WORDS);
    const words = new Uint32Array(data.buffer, episodes.byteOffset, episodes.length);
    return {
      version: 1,
      update,
      parameters,
      firstMoment,
      secondMoment,
      optimizerStep,
      environmentState,
      episodeReturn: Float32Array.from({ length: envs }, (_, n) => episodes[n * EPISODE_WORDS]!),
      environmentReturn: Float32Array.from({ length: envs }, (_, n) => episodes[n * EPISODE_WORDS + 1]!),
      episodeLength: Uint32Array.from({ length: envs }, (_, n) => words[n * EPISODE_WORDS + 2]!),
    };
  }

  /** Null where the engine was disposed meanwhile; `gpu/lost` where the device went away. */
  async #guard<T>(work: Promise<T>): Promise<T | null> {
    try {
      return await work;
    } catch (cause) {
      if (this.#disposed) return null;
      throw deviceLost(String(cause));
    }
  }

  #assertAlive(): void {
    if (this.#disposed) this.#gone();
    this.#gpu.check();
  }

  #gone(): never {
    throw new FulguriteError(
      "rl/disposed",
      "This training engine was disposed.",
      "Start or resume the run again.",
    );
  }
}

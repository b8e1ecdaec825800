import { deviceLost, type GpuDevice } from "../gpu/device.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { Dispatch } from "../gpu/plan.ts";
import { ReadbackRing } from "../gpu/readback.ts";
import { takeMemory, type TakenMemory } from "../gpu/taken-memory.ts";
import { submitPieces, type WorkUnit } from "../gpu/submit-turns.ts";
import { METRICS_LENGTH } from "../kernels/metrics.ts";
import { random4, stream } from "../kernels/philox.ts";
import { initializeParameters } from "../nn/initialize.ts";
import type { EngineRequest, TrainingEngine, TrainingState, UpdateMetrics } from "./engine.ts";
import { policyHead } from "../kernels/action-space.ts";
import { checkDemonstrations } from "./behaviour-cloning.ts";
import type { PolicyGradientConfig } from "./config.ts";
import { CostMultiplier } from "./lagrangian.ts";
import { networkLayout } from "./network.ts";
import { initialNormalization } from "./normalization.ts";
import { checkTowers } from "./separable-loss.ts";
import type { PolicyVariant } from "./policy-variant.ts";
import { HostedCollection, padRows } from "./webgpu-hosted-collection.ts";
import { describeMetrics } from "./webgpu-metrics.ts";
import {
  createPpoDispatches,
  createPpoPlan,
  planPpoMemory,
  reducePpoMemory,
  actionSection,
  EPISODE_WORDS,
  type PpoDispatches,
  type PpoPlan,
} from "./webgpu-plan.ts";
import { createPpoReadbacks, IN_FLIGHT, type PpoReadbacks } from "./webgpu-readbacks.ts";
import { UpdateScalars } from "./webgpu-scalars.ts";

/** Word of an episode's cost, as in shaders/common/episodes.wgsl. */
const COST_WORD = 7;

export interface WebGpuEngineOptions {
  /** Default `usualPolicyVariant`. */
  readonly kernels?: PolicyVariant;
  /** Hears what the buffers will take before there are any. */
  readonly onMemory?: (bytes: number) => void;
}

/**
 * PPO wholly on the GPU: an update is one submit, nothing is read back but its metrics, late. In a host environment the
 * policy acts on the processor, and its parameters are read back after every update (`HostedCollection`). Rejects with
 * `gpu/memory` before anything is compiled where the buffers do not fit, `gpu/shader` where a kernel does not compile and
 * `gpu/network-size` where the network does not fit.
 */
export async function createWebGpuEngine(
  request: EngineRequest,
  device: GpuDevice,
  { kernels, onMemory }: WebGpuEngineOptions = {},
): Promise<TrainingEngine> {
  const { algorithm, environment, reward, cost = null, loss = null } = request;
  if (loss) checkTowers(loss, algorithm);
  checkDemonstrations(environment, algorithm);
  const planned = { ...algorithm, environment, reward, cost, loss, ...(kernels && { kernels }) };
  const memoryPlan = planPpoMemory(device, planned);
  onMemory?.(memoryPlan.bytes);
  const memory = await takeMemory(device, memoryPlan, reducePpoMemory(planned));
  try {
    const ppo = createPpoPlan(device, planned, memory);
    const readbacks = createPpoReadbacks(ppo);
    const dispatches = await createPpoDispatches(ppo);
    const hosted = await HostedCollection.create(request, ppo, device.device.queue);
    return new WebGpuEngine(request, device, { memory, ppo, readbacks, dispatches, hosted });
  } catch (error) {
    memory.dispose();
    throw error;
  }
}

/** What an engine has on the device, and what acts beside it. */
interface Parts {
  readonly memory: TakenMemory;
  readonly ppo: PpoPlan;
  readonly readbacks: PpoReadbacks;
  readonly dispatches: PpoDispatches;
  readonly hosted: HostedCollection | null;
}

const nothing = (): void => undefined;

/** Dispatches that belong together, with their uniform slots. */
interface Unit extends WorkUnit {
  readonly dispatches: readonly (readonly [Dispatch, number])[];
}

/** An update, in what can be submitted apart. */
function updateUnits(
  { sizes }: PpoPlan,
  { rollout, credit, minibatch }: PpoDispatches,
  collects: boolean,
): readonly Unit[] {
  const units: Unit[] = [];
  for (let chunk = 0; rollout && collects && chunk < sizes.chunks; chunk++) {
    units.push({ seconds: sizes.chunkSeconds, dispatches: [[rollout, 1 + chunk]] });
  }
  units.push({ seconds: 0, dispatches: credit.map((dispatch) => [dispatch, 0]) });
  for (let n = 0; n < sizes.minibatches; n++) {
    const slot = 1 + sizes.chunks + n;
    units.push({ seconds: sizes.minibatchSeconds, dispatches: minibatch.map((it) => [it, slot]) });
  }
  return units;
}

class WebGpuEngine implements TrainingEngine {
  readonly engine = "webgpu";
  readonly adapter: string;
  readonly variant: PolicyVariant;
  readonly lost: Promise<string>;
  onMetrics: ((metrics: UpdateMetrics) => void) | null = null;

  readonly #request: EngineRequest;
  readonly #gpu: GpuDevice;
  readonly #memory: TakenMemory;
  readonly #ppo: PpoPlan;
  readonly #readbacks: PpoReadbacks;
  readonly #units: readonly Unit[];
  /** By expectation, for a run that has the device to itself. */
  readonly #pieces: readonly (readonly Unit[])[];
  /** Takes part in the turns while there is work in flight: a paused run keeps nobody waiting. */
  #leaveTurns: (() => void) | null = null;
  /** An update that waits for its turns. */
  #submitting: Promise<void> | null = null;
  readonly #scalars: UpdateScalars;
  readonly #pending: Promise<void>[] = [];
  readonly #saves = new Set<Promise<void>>();
  readonly #inFlight: number;
  readonly #multiplier: CostMultiplier | null;
  readonly #hosted: HostedCollection | null;
  #update = 0;
  #optimizerStep = 0;
  #disposed = false;

  constructor(request: EngineRequest, gpu: GpuDevice, { memory, ppo, readbacks, dispatches, hosted }: Parts) {
    const { algorithm, environment, seed } = request;
    const { buffers, layout, sizes } = ppo;
    this.#request = request;
    this.#gpu = gpu;
    this.#memory = memory;
    this.#ppo = ppo;
    this.#readbacks = readbacks;
    this.#units = updateUnits(ppo, dispatches, algorithm.demonstrations === null);
    this.#pieces = submitPieces(this.#units);
    this.adapter = gpu.adapter;
    this.variant = sizes.kernels;
    this.lost = gpu.lost;
    this.#scalars = new UpdateScalars(request, sizes);
    const stateSize = algorithm.envs * environment.stateFields.length;
    if (buffers.normalization) {
      const initial = initialNormalization(environment.observationSize, algorithm.envs);
      gpu.device.queue.writeBuffer(buffers.normalization, 0, initial);
    }
    this.#multiplier = algorithm.costLimit && new CostMultiplier(algorithm.costLimit);
    this.#hosted = hosted;
    this.#inFlight = algorithm.costLimit || algorithm.klStop || hosted ? 1 : IN_FLIGHT;

    const plain = networkLayout(environment, algorithm);
    const states = new Float32Array(stateSize);
    const words = new Uint32Array(4);
    for (let n = 0; !hosted && n < algorithm.envs; n++) {
      random4(seed, stream.reset, 0, n, words);
      environment.reset(states, n * environment.stateFields.length, words);
    }
    gpu.device.queue.writeBuffer(buffers.parameters, 0, layout.pack(initializeParameters(plain, seed)));
    gpu.device.queue.writeBuffer(buffers.environments, 0, states);
    if (algorithm.optimizer === "rmsprop-tensorflow") {
      const ones = layout.pack(new Float32Array(layout.plainLength).fill(1));
      gpu.device.queue.writeBuffer(buffers.moments, layout.length * 4, ones);
    }
    if (algorithm.demonstrations) this.#demonstrate(algorithm.demonstrations);
  }

  get update(): number {
    return this.#update;
  }

  async submit(): Promise<void> {
    this.#assertAlive();
    // Another submit may be waiting as well.
    while (this.#submitting ?? this.#pending.length >= this.#inFlight) {
      await (this.#submitting ?? this.#pending[0]);
    }
    this.#assertAlive();
    this.#leaveTurns ??= this.#gpu.turns.join();
    if (this.#hosted) {
      const collecting = this.#hosted.collect(this.#update);
      this.#submitting = collecting.then(nothing, nothing);
      try {
        await collecting;
      } finally {
        this.#submitting = null;
      }
      this.#assertAlive();
    }
    const { sizes, buffers } = this.#ppo;
    const learningRate = this.#scalars.write(this.#update, this.#optimizerStep, this.#multiplier?.value ?? 0);
    this.#gpu.device.queue.writeBuffer(buffers.scalars, 0, this.#scalars.bytes);
    let read: (() => Promise<Float32Array<ArrayBuffer>>) | null = null;
    if (this.#gpu.turns.contended) {
      const turns = this.#takeTurns((done) => (read = done));
      this.#submitting = turns.catch(nothing);
      try {
        await turns;
      } finally {
        this.#submitting = null;
      }
    } else for (const piece of this.#pieces) read = this.#submitPiece(piece);
    this.#update++;
    if (!this.#request.algorithm.klStop) this.#optimizerStep += sizes.minibatches;
    const update = this.#update;
    const multiplier = this.#multiplier?.value ?? NaN;
    const before = this.#pending.at(-1) ?? Promise.resolve();
    const done = this.#guard(read!()).then(async (data) => {
      await before;
      void this.#pending.shift();
      if (this.#pending.length === 0 && !this.#submitting) this.#rest();
      if (data === null) return;
      if (this.#hosted) {
        const { length } = this.#readbacks.measured[1]!;
        const rest = data.subarray(METRICS_LENGTH);
        this.#hosted.take(rest.subarray(0, length), rest.subarray(length));
      }
      const planned = this.#ppo.sizes.minibatches;
      const metrics = describeMetrics(data, this.#request.algorithm, {
        ...{ update, learningRate, multiplier, planned },
      });
      if (this.#request.algorithm.klStop) this.#optimizerStep += metrics.optimizerSteps;
      this.#multiplier?.take(metrics.episodeCost);
      this.onMetrics?.(metrics);
    });
    this.#pending.push(done);
    // A failure reaches whoever awaits the next submit or flush.
    done.catch(() => undefined);
    if (this.#pending.length >= this.#inFlight) await this.#pending[0];
  }

  async flush(): Promise<void> {
    await Promise.all(this.#pending);
    await Promise.all(this.#saves);
    this.#gpu.check();
  }

  #rest(): void {
    this.#leaveTurns?.();
    this.#leaveTurns = null;
  }

  async #takeTurns(onRead: (read: (() => Promise<Float32Array<ArrayBuffer>>) | null) => void): Promise<void> {
    for (const piece of this.#gpu.turns.pieces(this.#units)) {
      await this.#gpu.turns.take((mine) => {
        this.#assertAlive();
        onRead(this.#submitPiece(mine));
      }, piece);
    }
  }

  /** Submits one piece; with the last one goes the copy of the metrics. */
  #submitPiece(piece: readonly Unit[]): (() => Promise<Float32Array<ArrayBuffer>>) | null {
    const { plan } = this.#ppo;
    const encoder = this.#gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const { dispatches } of piece) {
      for (const [dispatch, slot] of dispatches) plan.encode(pass, dispatch, slot);
    }
    pass.end();
    const { readMetrics, measured } = this.#readbacks;
    const read = piece.at(-1) === this.#units.at(-1) ? readMetrics.copy(encoder, measured) : null;
    this.#gpu.submit(encoder);
    return read;
  }

  save(): Promise<TrainingState> {
    // Half an update is no state.
    if (this.#submitting) return this.#submitting.then(() => this.save());
    try {
      this.#assertAlive();
    } catch (error) {
      return Promise.reject(error as Error);
    }
    // The copy is taken now, before any later submit; saves that overlap get a buffer of their own.
    const { state, stateLength, readState } = this.#readbacks;
    const spare = readState.free ? null : new ReadbackRing(this.#gpu, "spare readback", stateLength, 1);
    const encoder = this.#gpu.device.createCommandEncoder();
    const copied = (spare ?? readState).copy(encoder, state);
    this.#gpu.submit(encoder);
    const update = this.#update;
    const measured = Promise.all(this.#pending);
    // Environments are asked before any later submit steps them: they answer in order.
    const hosts = this.#hosted?.save();
    const saved = Promise.all([this.#guard(copied()), hosts]).then(async ([data, hosts]) => {
      spare?.dispose();
      // How many steps were taken, and the multiplier, are known with the metrics.
      if (this.#inFlight === 1) await measured;
      return { ...this.#unpackState(data ?? this.#gone(), update), ...hosts };
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
    const expected: [string, ArrayLike<number>, number][] = [
      ["parameters", state.parameters, layout.plainLength],
      ["firstMoment", state.firstMoment, layout.plainLength],
      ["secondMoment", state.secondMoment, layout.plainLength],
      ["environmentState", state.environmentState, this.#readbacks.state[2]!.length],
      ["episodeReturn", state.episodeReturn, envs],
      ["environmentReturn", state.environmentReturn, envs],
      ["episodeLength", state.episodeLength, envs],
    ];
    const running = this.#ppo.buffers.normalization;
    if (running)
      expected.push(["normalization", state.normalization ?? [], this.#readbacks.state[4]!.length]);
    if (this.#multiplier) {
      expected.push(["episodeCost", state.episodeCost ?? [], envs]);
      expected.push(["multiplier", state.multiplier ?? [], this.#multiplier.state.length]);
    }
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
      floats[n * EPISODE_WORDS + COST_WORD] = state.episodeCost?.[n] ?? 0;
    }
    queue.writeBuffer(buffers.parameters, 0, layout.pack(state.parameters));
    queue.writeBuffer(buffers.moments, 0, layout.pack(state.firstMoment));
    queue.writeBuffer(buffers.moments, layout.length * 4, layout.pack(state.secondMoment));
    queue.writeBuffer(buffers.environments, 0, state.environmentState.slice());
    queue.writeBuffer(buffers.episodes, 0, episodes);
    if (running) queue.writeBuffer(running, 0, state.normalization!.slice());
    this.#multiplier?.state.set(state.multiplier!);
    this.#hosted?.load(state);
    this.#update = state.update;
    this.#optimizerStep = state.optimizerStep;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#rest();
    this.#memory.dispose();
  }

  /** As `CpuRollout.demonstrate`: every row an episode with a reward of 1. */
  #demonstrate({ observations, actions }: NonNullable<PolicyGradientConfig["demonstrations"]>): void {
    const { buffers, layout } = this.#ppo;
    const { queue } = this.#gpu.device;
    const size = this.#request.environment.observationSize;
    const { envs, steps } = this.#request.algorithm;
    const rows = envs * steps;
    const dimensions = actions.length / rows;
    const padded = padRows(observations, size, layout.observationBlocks * 4);
    const gaussian = policyHead(this.#request.environment).kind === "gaussian";
    // In the order of shaders/common/transitions.wgsl.
    queue.writeBuffer(buffers.observations, 0, padded);
    for (let d = 0; d < dimensions; d++) {
      const taken = actions.filter((_, i) => i % dimensions === d);
      const at = actionSection(d, rows, envs) * 4;
      queue.writeBuffer(buffers.transitions, at, (gaussian ? Float32Array : Uint32Array).from(taken));
    }
    queue.writeBuffer(buffers.transitions, rows * 4, new Uint32Array(rows).fill(0xffffffff));
    queue.writeBuffer(buffers.transitions, rows * 12, new Float32Array(rows).fill(1));
    queue.writeBuffer(buffers.transitions, rows * 16, new Uint32Array(rows).fill(1));
  }

  #unpackState(data: Float32Array<ArrayBuffer>, update: number): TrainingState {
    const { envs } = this.#request.algorithm;
    const { layout } = this.#ppo;
    let at = 0;
    const take = (length: number): Float32Array => data.subarray(at, (at += length));
    const parameters = layout.unpack(take(layout.length));
    const firstMoment = layout.unpack(take(layout.length));
    const secondMoment = layout.unpack(take(layout.length));
    const environmentState = take(this.#readbacks.state[2]!.length).slice();
    const episodes = take(envs * EPISODE_WORDS);
    const words = new Uint32Array(data.buffer, episodes.byteOffset, episodes.length);
    const perEpisode = (word: number): Float32Array =>
      Float32Array.from({ length: envs }, (_, n) => episodes[n * EPISODE_WORDS + word]!);
    const statistics = this.#readbacks.state[4];
    const normalization = statistics && take(statistics.length).slice();
    const { minibatches } = this.#ppo.sizes;
    // With a KL stop nothing is submitted before the steps of the update before it are known.
    const optimizerStep = this.#request.algorithm.klStop ? this.#optimizerStep : update * minibatches;
    return {
      version: 1,
      update,
      parameters,
      firstMoment,
      secondMoment,
      optimizerStep,
      environmentState,
      episodeReturn: perEpisode(0),
      environmentReturn: perEpisode(1),
      episodeLength: Uint32Array.from({ length: envs }, (_, n) => words[n * EPISODE_WORDS + 2]!),
      ...(normalization && { normalization }),
      ...(this.#multiplier && {
        episodeCost: perEpisode(COST_WORD),
        multiplier: this.#multiplier.state.slice(),
      }),
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

import type { ParameterLayout } from "../nn/parameter-layout.ts";
import { initializeParameters } from "../nn/initialize.ts";
import type { CpuKernels } from "./cpu-kernels.ts";
import { CpuRollout, type EpisodeSums } from "./cpu-rollout.ts";
import type { EngineRequest, TrainingState } from "./engine.ts";
import { cpuKernelsFor } from "./engine-kernels.ts";
import { networkLayout } from "./network.ts";
import { RunningNormalization } from "./normalization.ts";
import { actionSection, EPISODE_WORDS, type PpoPlan } from "./webgpu-plan.ts";
import { actsOnHost } from "./webgpu-readbacks.ts";

/** Ended by termination or, with its last value beside it, by the time limit: that value is 0 where it terminated. */
const ENDED = 2;

/**
 * Collects the steps of a host environment for the WebGPU engine. Each step waits for the environment's code, and a GPU that
 * is asked for every step's actions is waited for as well; so the policy acts on the processor, by the CPU engine's kernels
 * and with its numbers, and what it saw is written where the rollout kernel would have left it. The GPU does the rest of the
 * update, from its advantages on.
 */
export class HostedCollection {
  readonly #request: EngineRequest;
  readonly #ppo: PpoPlan;
  readonly #queue: Pick<GPUQueue, "writeBuffer">;
  readonly #kernels: CpuKernels;
  readonly #normalization: RunningNormalization | null;
  readonly #rollout: CpuRollout;

  /** Null where the environment is not hosted. */
  static async create(
    request: EngineRequest,
    ppo: PpoPlan,
    queue: Pick<GPUQueue, "writeBuffer">,
  ): Promise<HostedCollection | null> {
    if (!actsOnHost(ppo.request)) return null;
    const layout = networkLayout(request.environment, request.algorithm);
    const kernels = await cpuKernelsFor(request, layout, 1);
    return new HostedCollection(request, ppo, queue, { layout, kernels });
  }

  private constructor(
    request: EngineRequest,
    ppo: PpoPlan,
    queue: Pick<GPUQueue, "writeBuffer">,
    { layout, kernels }: { readonly layout: ParameterLayout; readonly kernels: CpuKernels },
  ) {
    const { environment, algorithm, seed } = request;
    this.#request = request;
    this.#ppo = ppo;
    this.#queue = queue;
    this.#kernels = kernels;
    this.#normalization = ppo.buffers.normalization
      ? new RunningNormalization(environment.observationSize, algorithm.envs)
      : null;
    this.#rollout = new CpuRollout(request, kernels, { layout, normalization: this.#normalization });
    kernels.parameters.set(initializeParameters(layout, seed));
  }

  /** Takes over what the policy of the next update is: the arena as the GPU holds it, and the running statistics. */
  take(blocked: Float32Array, normalization: Float32Array): void {
    this.#kernels.parameters.set(this.#ppo.layout.unpack(blocked));
    this.#normalization?.state.set(normalization);
  }

  /** The same from a saved state, and the environments' own. */
  load(state: TrainingState): void {
    const rollout = this.#rollout;
    this.#kernels.parameters.set(state.parameters);
    if (state.normalization) this.#normalization?.state.set(state.normalization);
    rollout.environmentState.set(state.environmentState);
    rollout.episodeReturn.set(state.episodeReturn);
    rollout.environmentReturn.set(state.environmentReturn);
    rollout.episodeLength.set(state.episodeLength);
    if (state.episodeCost) rollout.episodeCost.set(state.episodeCost);
    rollout.restart(state.hosts ?? null);
  }

  /** The parts of a state that the GPU does not know here. */
  async save(): Promise<Partial<TrainingState>> {
    const rollout = this.#rollout;
    const state = {
      environmentState: rollout.environmentState.slice(),
      episodeReturn: rollout.episodeReturn.slice(),
      environmentReturn: rollout.environmentReturn.slice(),
      episodeLength: rollout.episodeLength.slice(),
      ...(this.#request.cost && { episodeCost: rollout.episodeCost.slice() }),
    };
    const hosts = await rollout.saveHosts();
    return hosts === null ? state : { ...state, hosts };
  }

  /** Takes the steps of update `update` (from 0) and writes them into the plan's buffers. */
  async collect(update: number): Promise<void> {
    const steps = this.#rollout.collect(update);
    for (;;) {
      const turn = steps.next();
      if (turn.done === true) {
        this.#write(turn.value);
        return;
      }
      await turn.value;
    }
  }

  #write(sums: EpisodeSums): void {
    const { algorithm, environment, cost } = this.#request;
    const { buffers, layout } = this.#ppo;
    const rollout = this.#rollout;
    const rows = algorithm.envs * algorithm.steps;
    const queue = this.#queue;
    const section = (at: number, data: Float32Array | Uint32Array): void => {
      queue.writeBuffer(buffers.transitions, at * 4, data as Float32Array<ArrayBuffer>);
    };
    const padded = padRows(rollout.observations, environment.observationSize, layout.observationBlocks * 4);
    queue.writeBuffer(buffers.observations, 0, padded);
    if (rollout.rawObservations && buffers.rawObservations) {
      const raw = rollout.rawObservations as Float32Array<ArrayBuffer>;
      queue.writeBuffer(buffers.rawObservations, 0, raw);
    }
    // In the order of shaders/common/transitions.wgsl.
    for (let at = 0; at < rollout.actions.length; at += rows) {
      section(actionSection(at / rows, rows, algorithm.envs), rollout.actions.subarray(at, at + rows));
    }
    section(rows, rollout.masks);
    section(2 * rows, rollout.logProbabilities);
    section(3 * rows, rollout.rewards);
    section(
      4 * rows,
      Uint32Array.from(rollout.ended, (ended) => (ended === 0 ? 0 : ENDED)),
    );
    section(5 * rows, rollout.finalValues);
    section(8 * rows, rollout.values);
    section(9 * rows, rollout.lastValues);
    const share = 9 * rows + algorithm.envs;
    if (algorithm.episodes === "whole") section(share, rollout.weights);
    if (cost) {
      section(share + rows, rollout.costs);
      section(share + 2 * rows, rollout.finalCostValues);
      section(share + 4 * rows, rollout.costValues);
      section(share + 5 * rows, rollout.lastCostValues);
    }
    queue.writeBuffer(buffers.episodes, 0, this.#episodes(sums));
  }

  /** What ended, in the words of shaders/common/episodes.wgsl; those of the episodes in progress are kept here. */
  #episodes(sums: EpisodeSums): Uint32Array<ArrayBuffer> {
    const { envs, episodes } = this.#request.algorithm;
    const rollout = this.#rollout;
    const words = new Uint32Array(envs * EPISODE_WORDS);
    const floats = new Float32Array(words.buffer);
    const put = (n: number, ended: Omit<EpisodeSums, "reward">): void => {
      const at = n * EPISODE_WORDS;
      words[at + 3] = ended.episodes;
      floats[at + 4] = ended.episodeReturn;
      floats[at + 5] = ended.environmentReturn;
      words[at + 6] = ended.episodeLength;
      floats[at + 8] = ended.episodeCost;
    };
    // Only their sum is looked at, but of whole episodes each one's return and length.
    if (episodes !== "whole") put(0, sums);
    else
      for (let n = 0; n < envs; n++) {
        put(n, {
          episodes: 1,
          episodeReturn: rollout.endedReturns[n]!,
          environmentReturn: rollout.environmentReturn[n]!,
          episodeLength: rollout.endedLengths[n]!,
          episodeCost: rollout.episodeCost[n]!,
        });
      }
    return words;
  }
}

/** [rows x size] as [rows x width], the rest zero. */
export function padRows(data: ArrayLike<number>, size: number, width: number): Float32Array<ArrayBuffer> {
  const rows = data.length / size;
  const padded = new Float32Array(rows * width);
  for (let at = 0; at < data.length; at++) padded[Math.floor(at / size) * width + (at % size)] = data[at]!;
  return padded;
}

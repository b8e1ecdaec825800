import type { CompiledReward } from "../compile/compiled-reward.ts";
import type { Environment } from "../env/environment.ts";
import type { GpuDevice } from "../gpu/device.ts";
import { FulguriteError } from "../gpu/error.ts";
import { StaticPlan, type Dispatch } from "../gpu/plan.ts";
import { METRICS_LENGTH } from "../kernels/metrics.ts";
import { collectionStages } from "./webgpu-collection.ts";
import { BlockedLayout } from "./webgpu-layout.ts";
import { minibatchStages } from "./webgpu-minibatch.ts";
import { planSizes, type PlanSizes } from "./webgpu-sizes.ts";

/** What a plan is made for; everything else is data in the scalars. */
export interface PpoPlanRequest {
  readonly environment: Environment;
  readonly reward: CompiledReward | null;
  readonly envs: number;
  readonly steps: number;
  readonly minibatchSize: number;
  readonly epochs: number;
  readonly hidden: readonly number[];
  readonly separateTowers: boolean;
  readonly normalizeAdvantages: boolean;
  readonly truncationBootstrap: boolean;
  /** Reads action masks from the transitions; default false. */
  readonly masked?: boolean;
  /** Register tiles in blocks of four samples or features, 1, 2 or 4; default 2. */
  readonly tile?: number;
}

/** Buffers of a job and the sizes they were made for. */
export interface PpoPlan {
  readonly request: PpoPlanRequest;
  readonly plan: StaticPlan;
  readonly layout: BlockedLayout;
  readonly sizes: PlanSizes;
  readonly buffers: PpoBuffers;
}

export interface PpoBuffers {
  readonly scalars: GPUBuffer;
  /** Blocked order, see `BlockedLayout`. */
  readonly parameters: GPUBuffer;
  /** First moments, then second. */
  readonly moments: GPUBuffer;
  readonly gradients: GPUBuffer;
  /** [envs x stateSize] */
  readonly environments: GPUBuffer;
  /** [envs x 8], shaders/common/episodes.wgsl. */
  readonly episodes: GPUBuffer;
  /** [steps x envs x padded observation] */
  readonly observations: GPUBuffer;
  /** Sections, shaders/common/transitions.wgsl. */
  readonly transitions: GPUBuffer;
  /** [epochs x steps x envs] */
  readonly indices: GPUBuffer;
  /** [minibatches of all epochs x 2] */
  readonly statistics: GPUBuffer;
  readonly metrics: GPUBuffer;
}

/** Every dispatch of an update. */
export interface PpoDispatches {
  /** Once per chunk of steps, each with a slot of its own. */
  readonly rollout: Dispatch;
  readonly gae: Dispatch;
  readonly shuffle: Dispatch;
  readonly statistics: Dispatch;
  /** In order for every minibatch: 2 + 2 x hidden layers. */
  readonly minibatch: readonly Dispatch[];
}

/** Words of an environment's row in `episodes`. */
export const EPISODE_WORDS = 8;

/** Makes the buffers of a job; throws `gpu/no-hidden-layer` and `gpu/buffer-size`. */
export function createPpoPlan(gpu: GpuDevice, request: PpoPlanRequest): PpoPlan {
  const { environment, envs, steps, epochs, hidden } = request;
  if (hidden.length === 0) {
    throw new FulguriteError(
      "gpu/no-hidden-layer",
      "The WebGPU engine needs at least one hidden layer.",
      "Give `hidden` a width, for example [64], or train on the CPU engine.",
    );
  }
  const layout = new BlockedLayout({ ...environment, ...request });
  const sizes = planSizes(gpu.software, request, layout);
  const plan = new StaticPlan(gpu);
  const transitions = steps * envs;
  const buffers: PpoBuffers = {
    scalars: plan.slots(sizes.slots),
    parameters: plan.storage("parameters", layout.length),
    moments: plan.storage("moments", 2 * layout.length),
    gradients: plan.storage("gradients", layout.length),
    environments: plan.storage("environments", envs * environment.stateFields.length),
    episodes: plan.storage("episodes", envs * EPISODE_WORDS),
    observations: plan.storage("observations", transitions * layout.observationBlocks * 4),
    transitions: plan.storage("transitions", transitions * 9 + envs),
    indices: plan.storage("indices", epochs * transitions),
    statistics: plan.storage("statistics", sizes.minibatches * 2),
    metrics: plan.storage("metrics", METRICS_LENGTH),
  };
  return { request, plan, layout, sizes, buffers };
}

/** Compiles all kernels in parallel; disposes the plan where one fails. */
export async function createPpoDispatches(ppo: PpoPlan): Promise<PpoDispatches> {
  const { plan } = ppo;
  try {
    const collection = collectionStages(ppo);
    const [rollout, gae, shuffle, statistics, ...minibatch] = await Promise.all([
      plan.stage(collection.rollout),
      plan.stage(collection.gae),
      plan.stage(collection.shuffle),
      plan.stage(collection.statistics),
      ...minibatchStages(ppo).map((stage) => plan.stage(stage)),
    ]);
    return { rollout, gae, shuffle, statistics, minibatch };
  } catch (error) {
    plan.dispose();
    throw error;
  }
}

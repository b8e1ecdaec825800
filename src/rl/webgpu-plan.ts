import type { CompiledLoss } from "../compile/compile-loss.ts";
import type { CompiledReward } from "../compile/compiled-reward.ts";
import { actionSize, type Environment } from "../env/environment.ts";
import type { GpuDevice } from "../gpu/device.ts";
import { checkDispatch, DISPATCH_LIMIT_SECONDS } from "../gpu/dispatch-limit.ts";
import { FulguriteError } from "../gpu/error.ts";
import { MemoryPlan, type BufferMaker } from "../gpu/memory-plan.ts";
import { StaticPlan, type Dispatch } from "../gpu/plan.ts";
import { METRICS_LENGTH } from "../kernels/metrics.ts";
import type { PolicyGradientConfig } from "./config.ts";
import { normalizationLength } from "./normalization.ts";
import type { PolicyVariant } from "./policy-variant.ts";
import { collectionStages } from "./webgpu-collection.ts";
import { BlockedLayout } from "./webgpu-layout.ts";
import { minibatchStages } from "./webgpu-minibatch.ts";
import { createPpoReadbacks } from "./webgpu-readbacks.ts";
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
  /** Default "clip". */
  readonly surrogate?: "clip" | "score";
  /** Reads action masks from the transitions; default: where the environment has one. */
  readonly masked?: boolean;
  /** As in `PolicyGradientConfig`; what is not given is off. */
  readonly cost?: CompiledReward | null;
  readonly loss?: CompiledLoss | null;
  readonly episodes?: PolicyGradientConfig["episodes"];
  readonly groups?: PolicyGradientConfig["groups"];
  readonly normalizeObservations?: boolean;
  readonly normalizeRewards?: boolean;
  readonly optimizer?: PolicyGradientConfig["optimizer"];
  readonly klStop?: PolicyGradientConfig["klStop"];
  readonly demonstrations?: PolicyGradientConfig["demonstrations"];
  /** Register tiles in blocks of four samples or features, 1, 2 or 4; default 2. */
  readonly tile?: number;
  /** Variant of the minibatch's kernels; default `usualPolicyVariant`. */
  readonly kernels?: PolicyVariant;
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
  /** [envs x 10], shaders/common/episodes.wgsl. */
  readonly episodes: GPUBuffer;
  /** [steps x envs x padded observation] */
  readonly observations: GPUBuffer;
  /** Sections, shaders/common/transitions.wgsl. */
  readonly transitions: GPUBuffer;
  /** Running statistics (`RunningNormalization.state`) and [steps x envs x observation]; null where nothing is normalised. */
  readonly normalization: GPUBuffer | null;
  readonly rawObservations: GPUBuffer | null;
  /** Partial sums of gradients and losses, while minibatches run; the raw observations' buffer while steps are taken. */
  readonly partials: GPUBuffer;
  /** [epochs x steps x envs] */
  readonly indices: GPUBuffer;
  /** [minibatches of all epochs x 2] */
  readonly statistics: GPUBuffer;
  readonly metrics: GPUBuffer;
}

/** Every dispatch of an update. */
export interface PpoDispatches {
  /** Once per chunk of steps, each with a slot of its own; null where steps are taken in another way. */
  readonly rollout: Dispatch | null;
  /** Once an update, in order: running statistics, GAE, whole episodes, shuffle, statistics. */
  readonly credit: readonly Dispatch[];
  /** In order for every minibatch: 2 + 2 x hidden layers. */
  readonly minibatch: readonly Dispatch[];
}

/** Where one dimension of the actions begins in `transitions`, in words: `action_section` in common/transitions.wgsl. */
export const actionSection = (dimension: number, transitions: number, envs: number): number =>
  dimension === 0 ? 0 : (13 + dimension) * transitions + 2 * envs;

/** Words of an environment's row in `episodes`. */
export const EPISODE_WORDS = 10;

/**
 * What the job would allocate, activations and readbacks included; nothing is made. Throws "gpu/memory" where the adapter has
 * no buffers of that size or all of them are beyond its budget, "gpu/dispatch" where one dispatch would take too long, each
 * with what to reduce.
 */
export function planPpoMemory(gpu: GpuDevice, request: PpoPlanRequest): MemoryPlan {
  const memory = new MemoryPlan();
  const ppo = createPpoPlan(gpu, request, memory);
  minibatchStages(ppo);
  createPpoReadbacks(ppo);
  memory.check(gpu, reducePpoMemory(request));
  checkDispatches(gpu, ppo);
  return memory;
}

/** Says for the label of a job's buffer what makes it smaller. */
export const reducePpoMemory =
  ({ envs, steps, epochs, minibatchSize, hidden }: PpoPlanRequest) =>
  (label: string): string => {
    if (/^(hidden|delta|partials)/.test(label))
      return `Lower minibatchSize (now ${minibatchSize}) or the widths of the hidden layers (now ${hidden.join(", ")}).`;
    if (/^(parameters|moments|gradients|squares|state readback)/.test(label))
      return `Use narrower hidden layers than ${hidden.join(", ")}.`;
    const fewer = `fewer environments (now ${envs}) or fewer steps an update (now ${steps})`;
    return label === "indices" ? `Use fewer epochs (now ${epochs}), ${fewer}.` : `Use ${fewer}.`;
  };

/** Throws "gpu/dispatch" as `checkDispatch` does. */
function checkDispatches(gpu: GpuDevice, { request, sizes }: PpoPlan): void {
  const { envs, minibatchSize } = request;
  const { dispatchSeconds, chunkSeconds } = sizes;
  const fitting = (size: number): number =>
    2 ** Math.floor(Math.log2(Math.max(1, (size * DISPATCH_LIMIT_SECONDS) / dispatchSeconds)));
  checkDispatch(
    gpu,
    dispatchSeconds,
    dispatchSeconds === chunkSeconds
      ? `Use fewer environments (now ${envs}), ${fitting(envs)} for example, or narrower hidden layers.`
      : `Lower minibatchSize (now ${minibatchSize}), to ${fitting(minibatchSize)} for example, or use narrower hidden layers.`,
  );
}

/** Makes the buffers of a job, on `maker`; throws `gpu/no-hidden-layer` and `gpu/buffer-size`. */
export function createPpoPlan(gpu: GpuDevice, request: PpoPlanRequest, maker: BufferMaker = gpu): PpoPlan {
  const { environment, envs, steps, epochs, hidden } = request;
  if (hidden.length === 0) {
    throw new FulguriteError(
      "gpu/no-hidden-layer",
      "The WebGPU engine needs at least one hidden layer.",
      "Give `hidden` a width, for example [64], or train on the CPU engine.",
    );
  }
  const costed = (request.cost ?? null) !== null;
  const layout = new BlockedLayout({ ...environment, ...request, values: costed ? 2 : 1 });
  const sizes = planSizes(gpu, request, layout);
  const plan = new StaticPlan(gpu, maker);
  const transitions = steps * envs;
  // Sections of shaders/common/transitions.wgsl.
  const dimensions = actionSize(environment);
  const more =
    dimensions > 1
      ? actionSection(dimensions, transitions, envs) - 9 * transitions - envs
      : costed
        ? 5 * transitions + envs
        : request.episodes === "whole"
          ? transitions
          : 0;
  const normalized = (request.normalizeObservations ?? false) || (request.normalizeRewards ?? false);
  const size = environment.observationSize;
  const raw = request.normalizeObservations ? transitions * size : 1;
  const buffers: PpoBuffers = {
    scalars: plan.slots(sizes.slots),
    parameters: plan.storage("parameters", layout.length),
    moments: plan.storage("moments", 2 * layout.length),
    gradients: plan.storage("gradients", layout.length),
    environments: plan.storage("environments", envs * environment.stateFields.length),
    episodes: plan.storage("episodes", envs * EPISODE_WORDS),
    observations: plan.storage("observations", transitions * layout.observationBlocks * 4),
    transitions: plan.storage("transitions", transitions * 9 + envs + more),
    normalization: normalized ? plan.storage("normalization", normalizationLength(size, envs)) : null,
    rawObservations: normalized ? plan.storage("raw observations", raw) : null,
    // Not shared with anything: what no kernel writes there counts as the gradient of padding, and must stay 0.
    partials: plan.storage("partials", sizes.statisticsBase + sizes.sampleBlocks * 8),
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
    const [rollout, credit, minibatch] = await Promise.all([
      ppo.request.environment.host ? null : plan.stage(collection.rollout),
      Promise.all(collection.credit.map((stage) => plan.stage(stage))),
      Promise.all(minibatchStages(ppo).map((stage) => plan.stage(stage))),
    ]);
    return { rollout, credit, minibatch };
  } catch (error) {
    plan.dispose();
    throw error;
  }
}

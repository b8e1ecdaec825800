import type { GpuDevice } from "../gpu/device.ts";
import { expectedRate } from "../gpu/dispatch-limit.ts";
import { usualPolicyVariant, type PolicyVariant } from "./policy-variant.ts";
import type { BlockedLayout } from "./webgpu-layout.ts";

/** Sizes and splits of one plan; equal requests in one variant on adapters of one kind give equal sizes, so equal bits. */
export interface PlanSizes {
  readonly kernels: PolicyVariant;
  /** Register tile of the matrix kernels, in blocks of four. */
  readonly tile: number;
  /** The longer side of the backward kernels' tiles. */
  readonly wide: number;
  /** Lanes of four rows of tiles share the loads of what is the same for them. */
  readonly quads: boolean;
  /** Blocks of four samples of a minibatch, a multiple of the tile, with quads of four tiles. */
  readonly sampleBlocks: number;
  /** Minibatches of all epochs. */
  readonly minibatches: number;
  /** Steps of one rollout dispatch, and the dispatches of an update. */
  readonly chunkSteps: number;
  readonly chunks: number;
  /** Seconds that a rollout dispatch and a minibatch are expected to take. */
  readonly chunkSeconds: number;
  readonly minibatchSeconds: number;
  /** The longest dispatch: the steps of a rollout's, or a third of a minibatch. */
  readonly dispatchSeconds: number;
  readonly rolloutWorkgroup: number;
  /** Rows of tiles: partial sums of the first layer's and the heads' gradients. */
  readonly smallPartials: number;
  /** Ranges of the batch: partial sums of the other layers' gradients. */
  readonly splits: number;
  /** Head blocks one tower can have. */
  readonly towerHeads: number;
  /** Threads of the gradient reduction, each with one sum of squares, and vec4s of each. */
  readonly squares: number;
  readonly vectors: number;
  /** Where the loss terms begin behind the partial gradients, in floats. */
  readonly statisticsBase: number;
  /** Uniform slots: one for the update, one a chunk, one a minibatch. */
  readonly slots: number;
  workgroup(invocations: number): number;
}

interface SizeRequest {
  readonly envs: number;
  readonly steps: number;
  readonly minibatchSize: number;
  readonly epochs: number;
  readonly tile?: number;
  readonly kernels?: PolicyVariant;
}

/** No rollout dispatch longer than this by the estimate below; drivers reset dispatches of seconds. */
const DISPATCH_SECONDS = 0.1;

const powerOfTwoBelow = (n: number): number => 2 ** Math.floor(Math.log2(Math.max(1, n)));

export function planSizes(
  gpu: Pick<GpuDevice, "software" | "canShareQuads">,
  request: SizeRequest,
  layout: BlockedLayout,
): PlanSizes {
  const { envs, steps, minibatchSize, epochs } = request;
  const { software } = gpu;
  const { layers, towers, smallLength, largeLength } = layout;
  const tile = request.tile ?? 2;
  const kernels = request.kernels ?? usualPolicyVariant(gpu);
  const quads = kernels === "quads";
  const together = quads ? 4 * tile : tile;
  const sampleBlocks = Math.ceil(minibatchSize / 4 / together) * together;
  const wide = kernels === "registers" ? tile : 4;
  const rows = sampleBlocks / tile;
  const minibatches = epochs * ((envs * steps) / minibatchSize);

  // Seconds a step: a software thread needs about 20 ns per weight, a GPU's about 3 ns.
  const parallel = software ? 8 : 4096;
  const stepSeconds = layout.length * (software ? 20e-9 : 3e-9) * Math.ceil(envs / parallel);
  const chunkSteps = Math.min(steps, Math.max(1, Math.floor(DISPATCH_SECONDS / stepSeconds)));
  const chunks = Math.ceil(steps / chunkSteps);
  // Six operations a weight and sample.
  const minibatchSeconds = (6 * layout.length * minibatchSize) / expectedRate(gpu);

  const weightTiles = Math.min(
    ...layers.slice(1).map((layer) => (towers * layer.inputs * layer.outputs) / (tile * wide)),
    Infinity,
  );
  const wanted = (software ? 128 : 2048) / weightTiles;
  const splits = Math.min(powerOfTwoBelow(wanted), powerOfTwoBelow(sampleBlocks));

  // Threads of the reduction and of AdamW; every one of the latter adds up all squares of the former.
  const vectors = software ? 16 : Math.max(1, Math.ceil(layout.length / 4 / 1024));
  const squares = Math.ceil(layout.length / 4 / vectors / 4) * 4;
  return {
    kernels,
    tile,
    wide,
    quads,
    sampleBlocks,
    minibatches,
    chunkSteps,
    chunks,
    chunkSeconds: stepSeconds * chunkSteps,
    minibatchSeconds,
    dispatchSeconds: Math.max(stepSeconds * chunkSteps, minibatchSeconds / 3),
    rolloutWorkgroup: software ? (envs < 256 ? 4 : 16) : envs < 2048 ? 32 : 64,
    smallPartials: rows,
    splits,
    towerHeads: towers === 2 ? layout.actorBlocks : layout.headBlocks,
    squares,
    vectors,
    statisticsBase: rows * smallLength + splits * largeLength,
    slots: 1 + chunks + minibatches,
    workgroup: (invocations) => Math.min(64, Math.max(software ? 4 : 16, powerOfTwoBelow(invocations / 16))),
  };
}

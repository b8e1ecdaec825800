import type { GpuDevice } from "../gpu/device.ts";
import { FulguriteError } from "../gpu/error.ts";
import { StaticPlan } from "../gpu/plan.ts";
import type { LinearVariant } from "../kernels/linear-probe.ts";
import type { LinearPlace, LinearTile } from "../kernels/linear.ts";
import { lowRankGroup, type LowRankGroup } from "../kernels/low-rank.ts";
import { transformerPlaces, type Projection, type TransformerPlaces } from "../kernels/transformer-places.ts";
import { initializeTransformer } from "../nn/initialize-transformer.ts";
import { ropeTable } from "../nn/rope-table.ts";
import {
  transformerLayout,
  type TransformerLayout,
  type TransformerShape,
} from "../nn/transformer-layout.ts";

/** A layer's matrices; those that share an input lie side by side in the arena and are one. */
export interface LayerLinears {
  readonly qkv: LinearPlace;
  readonly wo: LinearPlace;
  readonly gateUp: LinearPlace;
  readonly down: LinearPlace;
}

/** The adapters of each of a layer's matrices. */
export type LayerAdapters = Readonly<Record<keyof LayerLinears, LowRankGroup | null>>;

/** Sizes that follow from the adapter's kind and the variant alone, so that equal runs on equal adapters give equal bits. */
export interface KernelSizes {
  /** Of the matrix kernels in training. */
  readonly kernels: LinearVariant;
  readonly trainingTile: LinearTile;
  readonly weightTile: LinearTile;
  readonly decodingTile: LinearTile;
  /** Tokens whose attention one thread computes. */
  readonly attentionBlock: number;
  readonly workgroup: number;
  /** Ranges of the rows in weight gradients. */
  readonly splits: number;
  /** Threads of the gradient's reduction and of AdamW. */
  readonly squares: number;
  /** Bytes of activations a micro-batch may take, and of cached keys and values. */
  readonly activationBytes: number;
  readonly cacheBytes: number;
  /** Tokens sampled between two readbacks. */
  readonly decodingSteps: number;
}

/** Weights on the device, and what all plans need to know of them. */
export class WebGpuModel {
  readonly gpu: GpuDevice;
  readonly shape: TransformerShape;
  readonly layout: TransformerLayout;
  readonly places: TransformerPlaces;
  /** Of the first layer; layer l's are l x `layerLength` further on. */
  readonly linears: LayerLinears;
  /** Floats of one layer. */
  readonly layerLength: number;
  readonly head: LinearPlace;
  /** Of the first layer; layer l's are l x `adapterLength` further on. */
  readonly adapters: LayerAdapters;
  readonly adapterLength: number;
  /** Where the soft prompt is among what learns. */
  readonly promptAt: number | null;
  /** Elements that learn, and the buffer that holds them: all parameters, or what the adapter adds. */
  readonly learning: { readonly length: number; readonly buffer: GPUBuffer };
  /** Whether a training pass keeps of every layer its input alone. */
  readonly checkpointing: boolean;
  readonly sizes: KernelSizes;
  /** Holds what lives as long as the model. */
  readonly plan: StaticPlan;
  readonly parameters: GPUBuffer;
  /** First moments, then second. */
  readonly moments: GPUBuffer;
  /** [position x (cosines, sines)] */
  readonly rotations: GPUBuffer;
  #disposed = false;

  constructor(
    gpu: GpuDevice,
    shape: TransformerShape,
    options: {
      readonly seed: number;
      readonly activationBytes?: number;
      readonly checkpointing?: boolean;
      readonly kernels?: LinearVariant;
    },
  ) {
    const { seed, activationBytes, kernels = "registers" } = options;
    this.checkpointing = options.checkpointing ?? false;
    if (shape.headSize > 128) {
      throw new FulguriteError(
        "lm/unsupported-shape",
        `Heads of ${shape.headSize} do not fit the GPU kernels' registers.`,
        "Use more heads of at most 128.",
      );
    }
    this.gpu = gpu;
    this.shape = shape;
    this.layout = transformerLayout(shape);
    this.places = transformerPlaces(this.layout, shape);
    const { width, heads, keyValueHeads, headSize, feedForward } = shape;
    const queries = heads * headSize;
    const layer = this.places.layers[0]!;
    this.layerLength = (this.places.layers[1]?.n1 ?? this.places.nf) - layer.n1;
    this.linears = {
      qkv: {
        weight: layer.wq,
        inputs: width,
        outputs: queries + 2 * keyValueHeads * headSize,
        gain: layer.n1,
      },
      wo: { weight: layer.wo, inputs: queries, outputs: width, gain: null },
      gateUp: { weight: layer.w1, inputs: width, outputs: 2 * feedForward, gain: layer.n2 },
      down: { weight: layer.w2, inputs: feedForward, outputs: width, gain: null },
    };
    this.head = {
      weight: this.places.head,
      inputs: width,
      outputs: shape.vocabularySize,
      gain: this.places.nf,
    };
    const group = (...names: Projection[]): LowRankGroup | null =>
      lowRankGroup(shape, this.places, this.layout.trainable, names);
    this.adapters = {
      ...{ qkv: group("q", "k", "v"), wo: group("o"), gateUp: group("gate", "up"), down: group("down") },
    };
    const { prompt } = this.places;
    this.promptAt = prompt === null ? null : prompt - this.layout.trainable;
    const adapted =
      this.layout.length -
      this.layout.trainable -
      (this.promptAt === null ? 0 : this.layout.length - prompt!);
    this.adapterLength = shape.adapter ? adapted / shape.layers : 0;
    this.sizes = kernelSizes(gpu, shape, kernels, activationBytes);

    this.plan = new StaticPlan(gpu);
    const { length, trainable } = this.layout;
    const frozen = shape.adapter ? trainable : length;
    this.parameters = this.plan.storage("parameters", frozen);
    this.learning = shape.adapter
      ? { length: length - trainable, buffer: this.plan.storage("adapters", length - trainable) }
      : { length, buffer: this.parameters };
    this.moments = this.plan.storage("moments", 2 * this.learning.length);
    const { cosines, sines } = ropeTable(shape.maxLength, headSize, shape.ropeBase);
    const half = headSize / 2;
    const table = new Float32Array(shape.maxLength * headSize);
    for (let position = 0; position < shape.maxLength; position++) {
      table.set(cosines.subarray(position * half, (position + 1) * half), position * headSize);
      table.set(sines.subarray(position * half, (position + 1) * half), position * headSize + half);
    }
    this.rotations = this.plan.storage("rotations", table.length);
    const { queue } = gpu.device;
    queue.writeBuffer(this.rotations, 0, table);
    this.write(initializeTransformer(this.layout, seed));
  }

  /** Replaces all parameters. */
  write(parameters: Float32Array): void {
    const { queue } = this.gpu.device;
    const all = parameters as Float32Array<ArrayBuffer>;
    const { trainable } = this.layout;
    if (!this.shape.adapter) {
      queue.writeBuffer(this.parameters, 0, all);
      return;
    }
    queue.writeBuffer(this.parameters, 0, all, 0, trainable);
    queue.writeBuffer(this.learning.buffer, 0, all, trainable);
  }

  /** Throws after `dispose`: what waits for its turn must not submit buffers that are gone. */
  checkAlive(): void {
    if (this.#disposed) throw new Error("the model has been disposed of");
  }

  dispose(): void {
    this.#disposed = true;
    this.plan.dispose();
  }
}

/** Sizes for an adapter; `activationBytes` as in `WebGpuLanguageEngineOptions`. */
export function kernelSizes(
  gpu: GpuDevice,
  { width, headSize }: TransformerShape,
  kernels: LinearVariant,
  activationBytes?: number,
): KernelSizes {
  const { software } = gpu;
  return {
    kernels,
    trainingTile: trainingTile(software, width),
    weightTile: software && width >= 48 ? { rows: 8, columns: 16 } : { rows: 4, columns: 8 },
    decodingTile: { rows: software ? 4 : 2, columns: 8 },
    attentionBlock: software ? (headSize < 32 ? 4 : 2) : 1,
    workgroup: software ? 16 : 64,
    splits: software ? (width < 128 ? 2 : 1) : 8,
    squares: software ? 512 : 2048,
    activationBytes: Math.min(
      activationBytes ?? (software ? 128 : 512) * 2 ** 20,
      gpu.device.limits.maxStorageBufferBindingSize,
    ),
    cacheBytes: (software ? 128 : 512) * 2 ** 20,
    decodingSteps: software ? 8 : 16,
  };
}

/** Large tiles save loads, which a software adapter spends its time on; they take long to compile. */
function trainingTile(software: boolean, width: number): LinearTile {
  if (!software || width < 48) return { rows: 4, columns: 8 };
  return width < 128 ? { rows: 8, columns: 8 } : { rows: 16, columns: 16 };
}

/** Next capacity at or above `needed`: steps of a quarter of a power of two, so that growth is rare. */
export function capacityFor(needed: number, least: number): number {
  let step = least;
  while (step * 4 < needed) step *= 2;
  return Math.max(least, Math.ceil(needed / step) * step);
}

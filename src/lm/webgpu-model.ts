import type { GpuDevice } from "../gpu/device.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { BufferMaker } from "../gpu/memory-plan.ts";
import { StaticPlan } from "../gpu/plan.ts";
import { ReadbackRing } from "../gpu/readback.ts";
import type { LinearVariant } from "../kernels/linear-probe.ts";
import { chunkOf, type LinearPlace, type LinearTile } from "../kernels/linear.ts";
import { lowRankGroup, type LowRankGroup } from "../kernels/low-rank.ts";
import { transformerPlaces, type Projection, type TransformerPlaces } from "../kernels/transformer-places.ts";
import { initializeTransformer } from "../nn/initialize-transformer.ts";
import { ropeTable } from "../nn/rope-table.ts";
import {
  transformerLayout,
  type TransformerLayout,
  type TransformerShape,
} from "../nn/transformer-layout.ts";
import { defaultHeadIds, headChunk } from "./head-chunk.ts";

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
  /** Ids whose logits training holds at once for a row. */
  readonly headChunk: number;
  /** Threads of the gradient's reduction and of AdamW. */
  readonly squares: number;
  /** Bytes of activations a micro-batch may take, and of cached keys and values. */
  readonly activationBytes: number;
  readonly cacheBytes: number;
  /** Tokens sampled between two readbacks. */
  readonly decodingSteps: number;
}

export interface WebGpuModelOptions {
  /** Most completions in flight, and rows that a micro-batch has room for; default 256. */
  readonly maxBatch?: number;
  /** Bytes of activations that one micro-batch of a step may take; default 256 MB, 128 MB on a software adapter. */
  readonly activationBytes?: number;
  /**
   * Ids of the vocabulary whose logits a step holds at once; default 2,048. With a larger vocabulary softmax runs over
   * chunks of it and the gradient computes their logits again, so that there is no [rows x vocabulary] buffer.
   */
  readonly headIds?: number;
  /** Keeps less of a training pass and computes it again: a third more work, the same bits. Default false. */
  readonly checkpointing?: boolean;
  /** Variant of the matrix kernels; default "registers". */
  readonly kernels?: LinearVariant;
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
  /** What of it training takes at once. */
  readonly headChunk: LinearPlace;
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
  /** Most completions in flight, and rows that a micro-batch has room for. */
  readonly sequences: number;
  /** Makes all buffers of the engine. */
  readonly maker: BufferMaker;
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
    options: WebGpuModelOptions,
    maker: BufferMaker = gpu,
  ) {
    const { kernels = "registers" } = options;
    this.sequences = options.maxBatch ?? 256;
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
    this.sizes = kernelSizes(gpu, shape, kernels, options);
    this.headChunk = chunkOf(this.head, this.sizes.headChunk);

    this.maker = maker;
    this.plan = new StaticPlan(gpu, maker);
    const { length, trainable } = this.layout;
    const frozen = shape.adapter ? trainable : length;
    this.parameters = this.plan.storage("parameters", frozen);
    this.learning = shape.adapter
      ? { length: length - trainable, buffer: this.plan.storage("adapters", length - trainable) }
      : { length, buffer: this.parameters };
    this.moments = this.plan.storage("moments", 2 * this.learning.length);
    this.rotations = this.plan.storage("rotations", shape.maxLength * headSize);
  }

  /** Writes the start weights of a seed, and the table of rotations. */
  initialize(seed: number): void {
    const { maxLength, headSize, ropeBase } = this.shape;
    const { cosines, sines } = ropeTable(maxLength, headSize, ropeBase);
    const half = headSize / 2;
    const table = new Float32Array(maxLength * headSize);
    for (let position = 0; position < maxLength; position++) {
      table.set(cosines.subarray(position * half, (position + 1) * half), position * headSize);
      table.set(sines.subarray(position * half, (position + 1) * half), position * headSize + half);
    }
    this.gpu.device.queue.writeBuffer(this.rotations, 0, table);
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

/** Sizes for an adapter; the options are those of `WebGpuModelOptions`. */
export function kernelSizes(
  gpu: GpuDevice,
  { width, headSize, vocabularySize }: TransformerShape,
  kernels: LinearVariant,
  { activationBytes, headIds = defaultHeadIds }: Pick<WebGpuModelOptions, "activationBytes" | "headIds"> = {},
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
    headChunk: headChunk(vocabularySize, headIds),
    squares: software ? 512 : 2048,
    activationBytes: Math.min(
      activationBytes ?? (software ? 128 : 256) * 2 ** 20,
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

/** Where weights and moments are read to be saved. */
export function createStateReadback({ layout, learning, maker }: WebGpuModel): ReadbackRing {
  return new ReadbackRing(maker, "state readback", layout.length + 2 * learning.length, 1);
}

import { compileKernel, type CompiledKernel } from "../gpu/kernel.ts";
import { adamwKernel, optimizerConstants } from "../kernels/adamw.ts";
import {
  attentionKernel,
  attentionKeyGradientKernel,
  attentionQueryGradientKernel,
  statisticsWidth,
} from "../kernels/attention.ts";
import {
  linearInputGradientKernel,
  linearKernel,
  linearWeightGradientKernel,
  type LinearEnd,
  type LinearGradientEnd,
  type LinearPlace,
} from "../kernels/linear.ts";
import { compileNamedKernel, type CompiledNamedKernel, type NamedKernel } from "../kernels/named-kernel.ts";
import { reduceTransformerGradientKernel, TERM_RANGES } from "../kernels/reduce-transformer-gradient.ts";
import { embedKernel, predictionGradientKernel, tokenLossKernel } from "../kernels/token-rows.ts";
import type { WebGpuModel } from "./webgpu-model.ts";

/** A kernel with its threads: `tiles` for every `rows` rows, or in all where `rows` is 0. */
export interface Work {
  readonly compiled: CompiledNamedKernel;
  readonly tiles: number;
  readonly rows: number;
  readonly count: "tokens" | "predictions";
}

/** Leaves `partialSums` a row where it goes on through SwiGLU. */
export interface GradientWork extends Work {
  readonly partialSums: number;
}

export interface LayerWork {
  readonly qkv: Work;
  readonly attention: Work;
  readonly wo: Work;
  readonly gateUp: Work;
  readonly down: Work;
  readonly downGradient: GradientWork;
  readonly gateUpGradient: Work;
  readonly woGradient: Work;
  readonly queryGradient: Work;
  readonly keyGradient: Work;
  readonly qkvGradient: Work;
  readonly downWeights: Work;
  readonly gateUpWeights: Work;
  readonly woWeights: Work;
  readonly qkvWeights: Work;
}

export interface TrainingKernels {
  readonly embed: Work;
  readonly layer: LayerWork;
  readonly head: Work;
  readonly loss: Work;
  readonly score: Work;
  readonly headGradient: Work;
  readonly headWeights: Work;
  readonly predictionGradient: Work;
  readonly reduce: Work;
  readonly adamw: CompiledKernel;
}

/** Floats of one set of partial gradients: the arena, and the head's where it is the embedding. */
export function partialLength({ layout, shape }: WebGpuModel): number {
  return layout.length + (shape.tiedHead ? shape.vocabularySize * shape.width : 0);
}

/** Compiles all in parallel. The layers share theirs: where a layer's weights begin is data. */
export async function compileTrainingKernels(model: WebGpuModel): Promise<TrainingKernels> {
  const { gpu, shape, layout, places, sizes } = model;
  const { heads, keyValueHeads, headSize, width, normEpsilon: epsilon } = shape;
  const tile = sizes.trainingTile;
  const block = sizes.attentionBlock;
  const sharing = { quads: gpu.quads, tiled: sizes.kernels === "tiled" };
  const length = partialLength(model);
  const compiling: Promise<unknown>[] = [];
  // All start at once; each slot is filled when its kernel is ready.
  const work = (kernel: NamedKernel, tiles: number, rows: number, count: Work["count"]): Work => {
    const slot = { compiled: null as CompiledNamedKernel | null, tiles, rows, count };
    compiling.push(
      compileNamedKernel(gpu, kernel, sizes.workgroup).then((compiled) => {
        slot.compiled = compiled;
      }),
    );
    return slot as Work;
  };
  const linear = (place: LinearPlace, end: LinearEnd, gather = false): Work => {
    const { kernel, tiles, rows } = linearKernel(place, end, {
      tile,
      epsilon,
      save: true,
      gather,
      ...sharing,
    });
    return work(kernel, tiles, rows, gather ? "predictions" : "tokens");
  };
  const inputGradient = (place: LinearPlace, end: LinearGradientEnd, gather = false): GradientWork => {
    const { kernel, tiles, rows, partialSums } = linearInputGradientKernel(place, end, {
      ...{ tile, gather, ...sharing },
    });
    return Object.assign(work(kernel, tiles, rows, gather ? "predictions" : "tokens"), { partialSums });
  };
  const weightGradient = (place: LinearPlace, partial: number, gather = false): Work => {
    const { kernel, tiles } = linearWeightGradientKernel(place, {
      ...{ tile: sizes.weightTile, splits: sizes.splits, partial, partialLength: length, gather, ...sharing },
    });
    return work(kernel, tiles, 0, "tokens");
  };
  const headPartial = shape.tiedHead ? layout.length : places.head;
  const vectors = Math.ceil(layout.length / 4 / sizes.squares);
  const rope: LinearEnd = {
    kind: "rope",
    headSize,
    rotated: (heads + keyValueHeads) * headSize,
    queryWidth: heads * headSize,
    cache: false,
  };
  const { qkv, wo, gateUp, down } = model.linears;
  const downGradient = inputGradient(down, { kind: "swiglu" });
  const kernels = {
    embed: work(embedKernel(width, places.emb), width / 4, 1, "tokens"),
    layer: {
      qkv: linear(qkv, rope),
      attention: work(attentionKernel(shape, block), heads, block, "tokens"),
      wo: linear(wo, { kind: "residual", inPlace: false }),
      gateUp: linear(gateUp, { kind: "swiglu" }),
      down: linear(down, { kind: "residual", inPlace: false }),
      downGradient,
      gateUpGradient: inputGradient(gateUp, {
        kind: "norm",
        projections: { count: downGradient.partialSums, stride: downGradient.partialSums, offset: 0 },
        accumulate: true,
      }),
      woGradient: inputGradient(wo, { kind: "store" }),
      queryGradient: work(attentionQueryGradientKernel(shape, block), heads, block, "tokens"),
      keyGradient: work(attentionKeyGradientKernel(shape, block), keyValueHeads, block, "tokens"),
      qkvGradient: inputGradient(qkv, {
        kind: "norm",
        projections: {
          ...{ count: heads + keyValueHeads, stride: statisticsWidth(shape), offset: 2 * heads },
        },
        accumulate: true,
      }),
      downWeights: weightGradient(down, down.weight),
      gateUpWeights: weightGradient(gateUp, gateUp.weight),
      woWeights: weightGradient(wo, wo.weight),
      qkvWeights: weightGradient(qkv, qkv.weight),
    },
    head: linear(model.head, { kind: "store" }, true),
    loss: work(tokenLossKernel(shape.vocabularySize, true), 1, 1, "predictions"),
    score: work(tokenLossKernel(shape.vocabularySize, false), 1, 1, "predictions"),
    headGradient: inputGradient(
      model.head,
      { kind: "norm", projections: { count: 1, stride: 1, offset: 0 }, accumulate: false },
      true,
    ),
    headWeights: weightGradient(model.head, headPartial, true),
    predictionGradient: work(predictionGradientKernel(width), width / 4, 1, "tokens"),
    reduce: work(
      reduceTransformerGradientKernel(shape, places, {
        ...{ length: layout.length, splits: sizes.splits, partialLength: length, headPartial },
        ...{ squares: sizes.squares, vectors },
      }),
      sizes.squares + TERM_RANGES,
      0,
      "tokens",
    ),
  };
  const adamw = await compileKernel(gpu, adamwKernel, {
    constants: {
      ...{ LENGTH: layout.length, SQUARES: sizes.squares, VECTORS: vectors },
      ...optimizerConstants(),
      WORKGROUP: 64,
    },
  });
  await Promise.all(compiling);
  return { ...kernels, adamw };
}

import { compileKernel, type CompiledKernel } from "../gpu/kernel.ts";
import { adamwKernel, optimizerConstants } from "../kernels/adamw.ts";
import {
  attentionKernel,
  attentionKeyGradientKernel,
  attentionQueryGradientKernel,
  statisticsWidth,
} from "../kernels/attention.ts";
import {
  hasHeads,
  headsGradientKernel,
  headsKernel,
  headsWeightsKernel,
  headUnits,
} from "../kernels/heads.ts";
import {
  linearInputGradientKernel,
  linearKernel,
  linearWeightGradientKernel,
  type LinearEnd,
  type LinearGradientEnd,
  type LinearPlace,
} from "../kernels/linear.ts";
import {
  lowRankGradientKernel,
  lowRankKernel,
  lowRankWeightsKernel,
  lowWidth,
  type LowRankGroup,
} from "../kernels/low-rank.ts";
import { compileNamedKernel, type CompiledNamedKernel, type NamedKernel } from "../kernels/named-kernel.ts";
import { reduceTransformerGradientKernel, TERM_RANGES } from "../kernels/reduce-transformer-gradient.ts";
import {
  embedKernel,
  predictionGradientKernel,
  tokenLossKernel,
  tokenSoftmaxKernel,
} from "../kernels/token-rows.ts";
import type { TransformerShape } from "../nn/transformer-layout.ts";
import type { LayerAdapters, WebGpuModel } from "./webgpu-model.ts";

/** A kernel with its threads: `tiles` for every `rows` rows, or in all where `rows` is 0. */
export interface Work {
  readonly compiled: CompiledNamedKernel;
  readonly tiles: number;
  readonly rows: number;
  readonly count: "tokens" | "predictions";
  /** Arithmetic operations for each token or prediction. */
  readonly operations: number;
}

/** Leaves `partialSums` a row where it goes on through SwiGLU. */
export interface GradientWork extends Work {
  readonly partialSums: number;
}

/** Kernels of the adapters behind one input. */
export interface AdapterWork {
  readonly low: Work;
  readonly gradient: Work;
  readonly weights: Work;
}

export interface LayerWork {
  readonly qkv: Work;
  /** Biases and norms of the heads, where there are such. */
  readonly heads: { readonly forward: Work; readonly gradient: Work; readonly weights: Work } | null;
  readonly adapters: Readonly<Record<keyof LayerAdapters, AdapterWork | null>>;
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
  readonly softmax: Work;
  readonly score: Work;
  readonly loss: Work;
  readonly headGradient: Work;
  readonly headWeights: Work;
  readonly predictionGradient: Work;
  readonly reduce: Work;
  readonly adamw: CompiledKernel;
}

/** Floats of one set of partial gradients: the arena, and the head's where it is the embedding. */
export function partialLength({
  layout,
  shape,
}: {
  readonly layout: Pick<WebGpuModel["layout"], "length">;
  readonly shape: WebGpuModel["shape"];
}): number {
  return layout.length + (shape.tiedHead ? shape.vocabularySize * shape.width : 0);
}

/** Operations of a product of one row with a matrix. */
export const productOperations = ({ inputs, outputs }: LinearPlace): number => 2 * inputs * outputs;

/** Operations of half an attention: a token attends to half of the longest sequence, and reads keys, then values. */
export const attentionOperations = ({ heads, headSize, maxLength }: TransformerShape): number =>
  heads * headSize * maxLength;

/** Partial sums a row that the gradient of SwiGLU's product leaves. */
export function projectionSums({ gpu, linears, adapters, sizes }: WebGpuModel): number {
  const options = { tile: sizes.trainingTile, gather: false, adapter: adapters.down };
  const sharing = { quads: gpu.quads, tiled: sizes.kernels === "tiled" };
  return linearInputGradientKernel(linears.down, { kind: "swiglu" }, { ...options, ...sharing }).partialSums;
}

/** Compiles all in parallel. The layers share theirs: where a layer's weights begin is data. */
export async function compileTrainingKernels(model: WebGpuModel): Promise<TrainingKernels> {
  const { gpu, shape, layout, places, sizes } = model;
  const { heads, keyValueHeads, headSize, width, vocabularySize, normEpsilon: epsilon } = shape;
  const tile = sizes.trainingTile;
  const block = sizes.attentionBlock;
  const sharing = { quads: gpu.quads, tiled: sizes.kernels === "tiled" };
  const length = partialLength(model);
  const compiling: Promise<unknown>[] = [];
  // All start at once; each slot is filled when its kernel is ready.
  const work = (
    kernel: NamedKernel,
    tiles: number,
    rows: number,
    count: Work["count"],
    operations: number,
  ): Work => {
    const slot = { compiled: null as CompiledNamedKernel | null, tiles, rows, count, operations };
    compiling.push(
      compileNamedKernel(gpu, kernel, sizes.workgroup).then((compiled) => {
        slot.compiled = compiled;
      }),
    );
    return slot as Work;
  };
  const attended = attentionOperations(shape);
  const { adapters } = model;
  const linear = (
    place: LinearPlace,
    end: LinearEnd,
    adapter: LowRankGroup | null = null,
    gather = false,
  ): Work => {
    const options = { tile, epsilon, save: true, gather, adapter, ...sharing };
    const { kernel, tiles, rows } = linearKernel(place, end, options);
    return work(kernel, tiles, rows, gather ? "predictions" : "tokens", productOperations(place));
  };
  const inputGradient = (
    place: LinearPlace,
    end: LinearGradientEnd,
    adapter: LowRankGroup | null = null,
    gather = false,
  ): GradientWork => {
    const options = { tile, gather, adapter, ...sharing };
    const { kernel, tiles, rows, partialSums } = linearInputGradientKernel(place, end, options);
    const count = gather ? "predictions" : "tokens";
    return Object.assign(work(kernel, tiles, rows, count, productOperations(place)), { partialSums });
  };
  const weightGradient = (place: LinearPlace, partial: number, gather = false): Work => {
    const { kernel, tiles } = linearWeightGradientKernel(place, {
      ...{ tile: sizes.weightTile, splits: sizes.splits, partial, partialLength: length, gather, ...sharing },
    });
    return work(kernel, tiles, 0, gather ? "predictions" : "tokens", productOperations(place));
  };
  const adapterWork = (group: LowRankGroup | null): AdapterWork | null => {
    if (!group) return null;
    const weights = lowRankWeightsKernel(group);
    const vectors = lowWidth(group) / 4;
    const operations = 2 * lowWidth(group) * width;
    return {
      low: work(lowRankKernel(group, epsilon), vectors, 1, "tokens", operations),
      gradient: work(lowRankGradientKernel(group), vectors, 1, "tokens", operations),
      weights: work(weights.kernel, weights.tiles, 0, "tokens", 2 * operations),
    };
  };
  const { qkv, wo, gateUp, down } = model.linears;
  const headsWork = (): LayerWork["heads"] => {
    if (!hasHeads(shape)) return null;
    const units = headUnits(shape);
    const weights = headsWeightsKernel(shape, places, { splits: sizes.splits, partialLength: length });
    const elements = 8 * qkv.outputs;
    return {
      forward: work(headsKernel(shape, places, { save: true, cache: false }), units, 1, "tokens", elements),
      gradient: work(headsGradientKernel(shape, places), units, 1, "tokens", elements),
      weights: work(weights.kernel, weights.tiles, 0, "tokens", elements),
    };
  };
  const headsOf = headsWork();
  const { headChunk } = model;
  const overIds = (kernel: NamedKernel): Work => work(kernel, 1, 1, "predictions", 5 * headChunk.outputs);
  const headPartial = shape.tiedHead ? layout.length : places.head;
  const vectors = Math.ceil(model.learning.length / 4 / sizes.squares);
  const rope: LinearEnd = {
    kind: "rope",
    headSize,
    rotated: (heads + keyValueHeads) * headSize,
    queryWidth: heads * headSize,
    cache: false,
  };
  const downGradient = inputGradient(down, { kind: "swiglu" }, adapters.down);
  const kernels = {
    embed: work(embedKernel(shape, places.emb, model.promptAt), width / 4, 1, "tokens", width),
    layer: {
      qkv: linear(qkv, headsOf ? { kind: "store" } : rope, adapters.qkv),
      heads: headsOf,
      adapters: {
        qkv: adapterWork(adapters.qkv),
        wo: adapterWork(adapters.wo),
        gateUp: adapterWork(adapters.gateUp),
        down: adapterWork(adapters.down),
      },
      attention: work(attentionKernel(shape, block), heads, block, "tokens", 2 * attended),
      wo: linear(wo, { kind: "residual", inPlace: false }, adapters.wo),
      gateUp: linear(gateUp, { kind: "swiglu" }, adapters.gateUp),
      down: linear(down, { kind: "residual", inPlace: false }, adapters.down),
      downGradient,
      gateUpGradient: inputGradient(
        gateUp,
        {
          kind: "norm",
          projections: { count: downGradient.partialSums, stride: downGradient.partialSums, offset: 0 },
          accumulate: true,
        },
        adapters.gateUp,
      ),
      woGradient: inputGradient(wo, { kind: "store" }, adapters.wo),
      queryGradient: work(attentionQueryGradientKernel(shape, block), heads, block, "tokens", 3 * attended),
      keyGradient: work(
        attentionKeyGradientKernel(shape, block),
        keyValueHeads,
        block,
        "tokens",
        4 * attended,
      ),
      qkvGradient: inputGradient(
        qkv,
        {
          kind: "norm",
          projections: headsOf
            ? { count: headUnits(shape), stride: headUnits(shape), offset: 0 }
            : { count: heads + keyValueHeads, stride: statisticsWidth(shape), offset: 2 * heads },
          accumulate: true,
        },
        adapters.qkv,
      ),
      downWeights: weightGradient(down, down.weight),
      gateUpWeights: weightGradient(gateUp, gateUp.weight),
      woWeights: weightGradient(wo, wo.weight),
      qkvWeights: weightGradient(qkv, qkv.weight),
    },
    head: linear(headChunk, { kind: "store" }, null, true),
    softmax: overIds(tokenSoftmaxKernel(vocabularySize, headChunk.outputs, false)),
    score: overIds(tokenSoftmaxKernel(vocabularySize, headChunk.outputs, true)),
    loss: overIds(tokenLossKernel(vocabularySize, headChunk.outputs)),
    headGradient: inputGradient(
      headChunk,
      { kind: "norm", projections: { count: 1, stride: 1, offset: 0 }, accumulate: false },
      null,
      true,
    ),
    headWeights: weightGradient(headChunk, headPartial, true),
    predictionGradient: work(predictionGradientKernel(width), width / 4, 1, "tokens", width),
    reduce: work(
      reduceTransformerGradientKernel(shape, places, {
        ...{ length: model.learning.length, splits: sizes.splits, partialLength: length, headPartial },
        ...{ squares: sizes.squares, vectors },
        ...(shape.adapter ? { adapter: { prompt: model.promptAt } } : {}),
      }),
      sizes.squares + TERM_RANGES,
      0,
      "tokens",
      width,
    ),
  };
  const adamw = await compileKernel(gpu, adamwKernel, {
    constants: {
      ...{ LENGTH: model.learning.length, SQUARES: sizes.squares, VECTORS: vectors },
      ...optimizerConstants(),
      WORKGROUP: 64,
    },
  });
  await Promise.all(compiling);
  return { ...kernels, adamw };
}

import { checkDispatch, DISPATCH_LIMIT_SECONDS, expectedRate } from "../gpu/dispatch-limit.ts";
import { ReadbackRing } from "../gpu/readback.ts";
import type { StaticPlan } from "../gpu/plan.ts";
import { statisticsWidth } from "../kernels/attention.ts";
import { hasHeads, headUnits, rawWidth } from "../kernels/heads.ts";
import { paddedOutputs } from "../kernels/linear.ts";
import { lowWidth, type LowRankGroup } from "../kernels/low-rank.ts";
import { METRICS_LENGTH } from "../kernels/metrics.ts";
import { TERM_RANGES } from "../kernels/reduce-transformer-gradient.ts";
import { maskWords } from "../kernels/sample-token.ts";
import { inputIds } from "../kernels/transformer-places.ts";
import type { LayerAdapters, WebGpuModel } from "./webgpu-model.ts";
import {
  attentionOperations,
  partialLength,
  productOperations,
  projectionSums,
} from "./webgpu-training-kernels.ts";

/** What one layer's forward pass leaves for its backward pass, but for its input. */
export interface LayerActivations {
  readonly inverses1: GPUBuffer;
  readonly raw: GPUBuffer | null;
  readonly headInverses: GPUBuffer | null;
  readonly low: Readonly<Partial<Record<keyof LayerAdapters, GPUBuffer>>>;
  readonly qkv: GPUBuffer;
  readonly statistics: GPUBuffer;
  readonly attended: GPUBuffer;
  readonly middle: GPUBuffer;
  readonly inverses2: GPUBuffer;
  readonly gate: GPUBuffer;
  readonly activated: GPUBuffer;
}

/** Most tokens and predictions of a micro-batch. */
export interface MicroBatch {
  readonly tokens: number;
  readonly predictions: number;
}

/**
 * A micro-batch that holds all rows of an update, or as many as fit into `activationBytes` and keep a dispatch short; one
 * row at least. Throws "gpu/dispatch" where even that would hold up the driver.
 */
export function microBatch(model: WebGpuModel): MicroBatch {
  const { gpu, shape, linears, headChunk, sequences, sizes } = model;
  const { maxLength, width, vocabularySize } = shape;
  const seconds = (operations: number): number => operations / expectedRate(gpu);
  const perToken = seconds(
    Math.max(...Object.values(linears).map(productOperations), 4 * attentionOperations(shape)),
  );
  const perPrediction = seconds(productOperations(headChunk));
  const longest = Math.floor(DISPATCH_LIMIT_SECONDS / Math.max(perToken, perPrediction));
  const smaller =
    perPrediction > perToken
      ? `a vocabulary smaller than ${vocabularySize}`
      : `a policy narrower than ${width}`;
  checkDispatch(
    ...[gpu, maxLength * Math.max(perToken, perPrediction)],
    `Use ${smaller}, or a maxLength of at most ${longest} (now ${maxLength}).`,
  );
  const most = (seconds: number, bytes: number): number => {
    const fitting = Math.min(DISPATCH_LIMIT_SECONDS / seconds, sizes.activationBytes / bytes);
    return Math.max(maxLength, Math.min(sequences * maxLength, Math.floor(fitting)));
  };
  return {
    tokens: most(perToken, bytesPerToken(model)),
    predictions: most(perPrediction, bytesPerPrediction(model)),
  };
}

/** Buffers that do not depend on the micro-batch. */
export interface TrainingArenas {
  readonly scalars: GPUBuffer;
  readonly partials: GPUBuffer;
  readonly gradients: GPUBuffer;
  readonly squares: GPUBuffer;
  readonly metrics: GPUBuffer;
  readonly allowed: GPUBuffer;
  readonly readMetrics: ReadbackRing;
}

/** Makes them on `plan`; the readback is the caller's to dispose of. */
export function createTrainingArenas(model: WebGpuModel, plan: StaticPlan): TrainingArenas {
  const { sizes, shape } = model;
  return {
    scalars: plan.slots(1),
    // Frozen weights have no gradients.
    partials: plan.storage("partial gradients", shape.adapter ? 4 : sizes.splits * partialLength(model)),
    gradients: plan.storage("gradients", model.learning.length),
    squares: plan.storage("squares", sizes.squares + TERM_RANGES * 5),
    metrics: plan.storage("metrics", METRICS_LENGTH),
    allowed: plan.storage("allowed", maskWords(shape.vocabularySize)),
    readMetrics: new ReadbackRing(plan.maker, "metrics readback", METRICS_LENGTH, 2),
  };
}

/** Buffers of a micro-batch. */
export interface TrainingBuffers {
  readonly batch: GPUBuffer;
  readonly table: GPUBuffer;
  readonly runs: GPUBuffer;
  readonly predictionTable: GPUBuffer;
  readonly occurrences: GPUBuffer;
  /** Of one chunk of the head. */
  readonly logits: GPUBuffer;
  readonly softmax: GPUBuffer;
  readonly headInverses: GPUBuffer;
  readonly terms: GPUBuffer;
  readonly headProjections: GPUBuffer;
  readonly scores: GPUBuffer;
  readonly headGradient: GPUBuffer;
  readonly residual: GPUBuffer;
  readonly qkvGradient: GPUBuffer;
  readonly attendedGradient: GPUBuffer;
  readonly projections: GPUBuffer;
  readonly projected: GPUBuffer;
  readonly headProducts: GPUBuffer | null;
  readonly lowGradient: GPUBuffer | undefined;
  readonly layers: readonly (LayerActivations & { readonly input: GPUBuffer })[];
  readonly output: GPUBuffer;
  readonly readScores: ReadbackRing;
}

/** Uniform slots: one a layer, then one a chunk of the head. */
export const trainingSlots = ({ shape, headChunk }: WebGpuModel): number =>
  shape.layers + Math.ceil(shape.vocabularySize / headChunk.outputs);

/** Makes them on `plan`; the readback is the caller's to dispose of. */
export function createTrainingBuffers(model: WebGpuModel, plan: StaticPlan): TrainingBuffers {
  const { shape, checkpointing } = model;
  const { tokens, predictions } = microBatch(model);
  const { width, feedForward, heads, keyValueHeads, headSize } = shape;
  const queries = heads * headSize;
  const qkvWidth = queries + 2 * keyValueHeads * headSize;
  const withHeads = hasHeads(shape);
  // Tiles reach beyond the last row.
  const rows = (name: string, count: number, length: number): GPUBuffer =>
    plan.storage(name, Math.ceil(count / 16) * 16 * length);
  const adapted = Object.entries(model.adapters).filter(
    (entry): entry is [string, LowRankGroup] => entry[1] !== null,
  );
  const lowest = Math.max(0, ...adapted.map(([, group]) => lowWidth(group)));
  const activations = (l: number): LayerActivations => ({
    inverses1: rows(`inverses ${l}.1`, tokens, 1),
    raw: withHeads ? rows(`raw ${l}`, tokens, rawWidth(shape)) : null,
    headInverses: withHeads ? rows(`head inverses ${l}`, tokens, heads + keyValueHeads) : null,
    low: Object.fromEntries(
      adapted.map(([name, group]) => [name, rows(`low ${l}.${name}`, tokens, lowWidth(group))]),
    ),
    qkv: rows(`qkv ${l}`, tokens, qkvWidth),
    statistics: rows(`statistics ${l}`, tokens, statisticsWidth(shape)),
    attended: rows(`attended ${l}`, tokens, queries),
    middle: rows(`middle ${l}`, tokens, width),
    inverses2: rows(`inverses ${l}.2`, tokens, 1),
    gate: rows(`gate ${l}`, tokens, 2 * feedForward),
    activated: rows(`activated ${l}`, tokens, feedForward),
  });
  // With checkpointing a layer keeps its input alone, and the rest is computed again on the way back.
  const shared = checkpointing ? activations(0) : null;
  const qkvGradient = rows("qkv gradient", tokens, qkvWidth);
  return {
    batch: plan.slots(trainingSlots(model)),
    table: rows("tokens", tokens + 1, 4),
    runs: rows("runs", tokens, 2),
    predictionTable: rows("predictions", predictions, 8),
    occurrences: plan.storage("occurrences", inputIds(shape) + 1 + tokens),
    logits: rows("logits", predictions, paddedOutputs(model.headChunk.outputs)),
    softmax: rows("softmax", predictions, 4),
    headInverses: rows("head inverses", predictions, 1),
    terms: rows("terms", predictions, 4),
    headProjections: rows("head projections", predictions, 1),
    scores: rows("scores", predictions, 2),
    headGradient: rows("head gradient", predictions, width),
    residual: rows("residual gradient", tokens, width),
    qkvGradient,
    attendedGradient: rows("attended gradient", tokens, queries),
    projections: rows("projections", tokens, projectionSums(model)),
    projected: withHeads ? rows("projected gradient", tokens, qkvWidth) : qkvGradient,
    headProducts: withHeads ? rows("head products", tokens, headUnits(shape)) : null,
    lowGradient: lowest > 0 ? rows("low-rank gradient", tokens, lowest) : undefined,
    layers: Array.from({ length: shape.layers }, (_, l) => ({
      input: rows(`input ${l}`, tokens, width),
      ...(shared ?? activations(l)),
    })),
    output: rows("output", tokens, width),
    readScores: new ReadbackRing(plan.maker, "scores readback", 2 * predictions, 1),
  };
}

function bytesPerToken({ shape, adapters, checkpointing }: WebGpuModel): number {
  const { width, layers, heads, keyValueHeads, headSize, feedForward } = shape;
  const queries = heads * headSize;
  const qkv = queries + 2 * keyValueHeads * headSize;
  const raw = hasHeads(shape) ? rawWidth(shape) + heads + keyValueHeads : 0;
  const groups = Object.values(adapters).map((group) => (group ? lowWidth(group) : 0));
  const low = groups.reduce((sum, floats) => sum + floats, 0);
  const layer = width + qkv + queries + 3 * feedForward + statisticsWidth(shape) + 2 + raw + low;
  const kept = layers * width + (checkpointing ? 1 : layers) * layer;
  return 4 * (kept + 2 * width + qkv + queries + feedForward / 8 + 8 + 2 * raw + Math.max(...groups));
}

function bytesPerPrediction({ shape, headChunk }: WebGpuModel): number {
  return 4 * (paddedOutputs(headChunk.outputs) + shape.width + 20);
}

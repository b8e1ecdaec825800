import type { CpuTransformer } from "./cpu-transformer.ts";

/** Rows of tokens that go through a layer together; addresses of i32, one a row. `count` is a multiple of 4. */
export interface TokenSet {
  readonly count: number;
  readonly positions: number;
  /** Address of each row's list of slots, itself last. */
  readonly paths: number;
  readonly lengths: number;
}

/** Addresses of one layer's activations; the backward pass reads them all. */
export interface LayerBuffers {
  /** Residual stream, all rows. */
  readonly input: number;
  readonly normed: number;
  readonly inverse: number;
  /** Keys and values of these rows as they come from their projection, then as they are attended to. */
  readonly rawKeyValues: number;
  readonly keyInverse: number;
  readonly keyValues: number;
  /** Residual stream and its norm for the rows that go on: the same addresses, unless the layer narrows. */
  readonly inputOut: number;
  readonly normedOut: number;
  readonly rawQ: number;
  readonly queryInverse: number;
  readonly q: number;
  /** Scratch of an adapter, [rows x rank]. */
  readonly low: number;
  readonly probabilities: number;
  readonly attended: number;
  readonly middle: number;
  readonly middleNormed: number;
  readonly middleInverse: number;
  readonly hidden: number;
  readonly activated: number;
  readonly output: number;
}

/** Scratch of the backward pass, all sized for the largest row count. */
export interface BackwardBuffers {
  readonly activated: number;
  readonly hidden: number;
  readonly normed: number;
  readonly attended: number;
  readonly q: number;
  readonly rawQ: number;
  readonly keyValues: number;
  readonly rawKeyValues: number;
  readonly normedOut: number;
  readonly low: number;
  readonly lowGradient: number;
  readonly scores: number;
}

/** Scratch for `nodes` rows. */
export function reserveBackward(model: CpuTransformer, nodes: number): BackwardBuffers {
  const { memory, shape } = model;
  const { width, feedForward, keyValueHeads, queryKeyNorm = false, adapter } = shape;
  const q = memory.reserve(nodes * model.queryWidth);
  const keyValues = memory.reserve(nodes * model.keyValueWidth);
  return {
    activated: memory.reserve(nodes * feedForward),
    hidden: memory.reserve(nodes * 2 * feedForward),
    normed: memory.reserve(nodes * width),
    attended: memory.reserve(nodes * model.queryWidth),
    q,
    rawQ: queryKeyNorm ? memory.reserve(nodes * model.queryWidth) : q,
    keyValues,
    rawKeyValues: queryKeyNorm ? memory.reserve(nodes * model.keyValueWidth) : keyValues,
    normedOut: memory.reserve(nodes * width),
    low: memory.reserve(nodes * (adapter?.rank ?? 0)),
    lowGradient: memory.reserve(nodes * (adapter?.rank ?? 0)),
    scores: memory.reserve((keyValueHeads * model.pitch) / 4),
  };
}

/** Buffers of a layer whose `input` is there already; `rows` of `nodes` go on. */
export function reserveLayer(
  model: CpuTransformer,
  input: number,
  nodes: number,
  rows: number,
  narrows: boolean,
): LayerBuffers {
  const { memory, shape } = model;
  const { width, feedForward, heads, keyValueHeads, queryKeyNorm = false, adapter } = shape;
  const normed = memory.reserve(nodes * width);
  const keyValues = memory.reserve(nodes * model.keyValueWidth);
  const q = memory.reserve(rows * model.queryWidth);
  return {
    input,
    normed,
    inverse: memory.reserve(nodes),
    rawKeyValues: queryKeyNorm ? memory.reserve(nodes * model.keyValueWidth) : keyValues,
    keyInverse: memory.reserve(queryKeyNorm ? nodes * keyValueHeads : 0),
    keyValues,
    inputOut: narrows ? memory.reserve(rows * width) : input,
    normedOut: narrows ? memory.reserve(rows * width) : normed,
    rawQ: queryKeyNorm ? memory.reserve(rows * model.queryWidth) : q,
    queryInverse: memory.reserve(queryKeyNorm ? rows * heads : 0),
    q,
    low: memory.reserve(nodes * (adapter?.rank ?? 0)),
    probabilities: memory.reserve((rows * heads * model.pitch) / 4),
    attended: memory.reserve(rows * model.queryWidth),
    middle: memory.reserve(rows * width),
    middleNormed: memory.reserve(rows * width),
    middleInverse: memory.reserve(rows),
    hidden: memory.reserve(rows * 2 * feedForward),
    activated: memory.reserve(rows * feedForward),
    output: memory.reserve(rows * width),
  };
}

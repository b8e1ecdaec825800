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
  /** Keys and values of these rows. */
  readonly keyValues: number;
  /** Residual stream and its norm for the rows that go on: the same addresses, unless the layer narrows. */
  readonly inputOut: number;
  readonly normedOut: number;
  readonly q: number;
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
  readonly keyValues: number;
  readonly normedOut: number;
  readonly scores: number;
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
  const { width, feedForward, heads } = shape;
  const normed = memory.reserve(nodes * width);
  return {
    input,
    normed,
    inverse: memory.reserve(nodes),
    keyValues: memory.reserve(nodes * model.keyValueWidth),
    inputOut: narrows ? memory.reserve(rows * width) : input,
    normedOut: narrows ? memory.reserve(rows * width) : normed,
    q: memory.reserve(rows * model.queryWidth),
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

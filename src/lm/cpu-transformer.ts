import { transformerPlaces, type TransformerPlaces } from "../kernels/transformer-places.ts";
import {
  headKernels,
  packedLength,
  packWeight,
  transformerKernels,
  type LinearKernels,
  type TransformerKernels,
} from "../kernels/wasm/transformer-module.ts";
import type { ParameterLayout } from "../nn/parameter-layout.ts";
import { ropeTable } from "../nn/rope-table.ts";
import type { TransformerShape } from "../nn/transformer-layout.ts";
import type { BackwardBuffers, LayerBuffers, TokenSet } from "./cpu-activations.ts";
import { CpuMemory } from "./cpu-memory.ts";

/** The head restricted to some ids, packed for these weights. */
export interface PackedHead {
  readonly ids: Int32Array;
  /** Columns of a row of logits: ids rounded up to 8. */
  readonly columns: number;
  readonly kernels: LinearKernels;
  /** For logits. */
  readonly packed: number;
  /** For the gradient of the input, [columns x width]. */
  readonly rows: number;
}

/** Rows of one weight-gradient call: their activations stay in the second-level cache. */
const gradientRows = 128;

/** Weights, kernels and layer passes of a decoder in one WebAssembly memory. */
export class CpuTransformer {
  readonly shape: TransformerShape;
  readonly places: TransformerPlaces;
  readonly layout: ParameterLayout;
  readonly memory = new CpuMemory();
  readonly kernels: TransformerKernels;
  /** Addresses of the arenas, each `layout.length` elements. */
  readonly parameters: number;
  readonly gradient: number;
  readonly queryWidth: number;
  readonly keyValueWidth: number;
  /** Bytes of one row and head of attention probabilities. */
  readonly pitch: number;
  /** Everything above this address may be reserved and released between calls. */
  readonly workspace: number;
  readonly #packed: readonly { q: number; kv: number; o: number; up: number; down: number }[];
  readonly #cosines: number;
  readonly #sines: number;
  readonly #negativeSines: number;
  readonly #headKernels = new Map<number, LinearKernels>();

  constructor(shape: TransformerShape, layout: ParameterLayout) {
    const { width, heads, keyValueHeads, headSize, feedForward, maxLength } = shape;
    if (shape.attentionBias === true || shape.queryKeyNorm === true || shape.adapter)
      throw new Error("not yet");
    this.shape = shape;
    this.layout = layout;
    this.places = transformerPlaces(layout, shape);
    this.kernels = transformerKernels(shape, this.memory.memory);
    this.queryWidth = heads * headSize;
    this.keyValueWidth = 2 * keyValueHeads * headSize;
    this.pitch = 16 * Math.ceil(maxLength / 4) + 16;
    const { memory } = this;
    this.parameters = memory.reserve(layout.length);
    this.gradient = memory.reserve(layout.length);
    this.#packed = this.places.layers.map(() => ({
      q: memory.reserve(packedLength(width, this.queryWidth)),
      kv: memory.reserve(packedLength(width, this.keyValueWidth)),
      o: memory.reserve(packedLength(this.queryWidth, width)),
      up: memory.reserve(packedLength(width, 2 * feedForward)),
      down: memory.reserve(packedLength(feedForward, width)),
    }));
    const { cosines, sines } = ropeTable(maxLength, headSize, shape.ropeBase);
    this.#cosines = memory.reserve(cosines.length);
    this.#sines = memory.reserve(sines.length);
    this.#negativeSines = memory.reserve(sines.length);
    memory.floats.set(cosines, this.#cosines >> 2);
    memory.floats.set(sines, this.#sines >> 2);
    memory.floats.set(
      sines.map((sine) => -sine),
      this.#negativeSines >> 2,
    );
    this.workspace = memory.end;
  }

  /** Call after the parameters have changed. */
  pack(): void {
    const { width, feedForward } = this.shape;
    const { floats } = this.memory;
    const base = this.parameters >> 2;
    this.places.layers.forEach((w, l) => {
      const packed = this.#packed[l]!;
      packWeight(floats, base + w.wq, packed.q >> 2, width, this.queryWidth);
      packWeight(floats, base + w.wk, packed.kv >> 2, width, this.keyValueWidth);
      packWeight(floats, base + w.wo, packed.o >> 2, this.queryWidth, width);
      packWeight(floats, base + w.w1, packed.up >> 2, width, 2 * feedForward);
      packWeight(floats, base + w.w2, packed.down >> 2, feedForward, width);
    });
  }

  /** Packs the head's rows of `ids` into the workspace. */
  packHead(ids: Int32Array): PackedHead {
    const { memory } = this;
    const { width } = this.shape;
    const columns = Math.ceil(ids.length / 8) * 8;
    let kernels = this.#headKernels.get(columns);
    if (!kernels) {
      kernels = headKernels(width, columns, memory.memory);
      this.#headKernels.set(columns, kernels);
    }
    const rows = memory.reserve(columns * width);
    const packed = memory.reserve(columns * width);
    const { floats } = memory;
    floats.fill(0, rows >> 2, (rows >> 2) + columns * width);
    ids.forEach((id, i) => {
      const from = (this.parameters >> 2) + this.places.head + id * width;
      floats.copyWithin((rows >> 2) + i * width, from, from + width);
    });
    packWeight(floats, rows >> 2, packed >> 2, width, columns);
    return { ids, columns, kernels, packed, rows };
  }

  /** Writes the embeddings of `tokens` to [tokens.length x width] at `to`. */
  embed(tokens: ArrayLike<number>, to: number): void {
    const { width } = this.shape;
    const { floats } = this.memory;
    const base = (this.parameters >> 2) + this.places.emb;
    for (let row = 0; row < tokens.length; row++) {
      const from = base + tokens[row]! * width;
      floats.copyWithin((to >> 2) + row * width, from, from + width);
    }
  }

  /** Keys and values of a layer's rows, from its input. */
  keyValues(layer: number, buffers: LayerBuffers, all: TokenSet): void {
    const { kernels, shape } = this;
    const scale = this.#parameter(this.places.layers[layer]!.n1);
    kernels.normForward(buffers.input, scale, buffers.normed, buffers.inverse, all.count);
    kernels.kv.forward(buffers.normed, this.#packed[layer]!.kv, buffers.keyValues, all.count);
    this.#rope(buffers.keyValues, all, 4 * this.keyValueWidth, shape.keyValueHeads, this.#sines);
  }

  /** The rest of a layer for the rows that go on; slot s has its keys and values at `base` + s x `stride`. */
  attendAndFeed(layer: number, buffers: LayerBuffers, out: TokenSet, base: number, stride: number): void {
    const { kernels, shape } = this;
    const { width } = shape;
    const packed = this.#packed[layer]!;
    const places = this.places.layers[layer]!;
    const rows = out.count;
    kernels.q.forward(buffers.normedOut, packed.q, buffers.q, rows);
    this.#rope(buffers.q, out, 4 * this.queryWidth, shape.heads, this.#sines);
    kernels.attentionForward(
      buffers.q,
      buffers.attended,
      buffers.probabilities,
      base,
      stride,
      out.paths,
      out.lengths,
      rows,
      this.pitch,
    );
    this.#copy(buffers.inputOut, buffers.middle, rows * width);
    kernels.o.forward(buffers.attended, packed.o, buffers.middle, rows);
    const scale = this.#parameter(places.n2);
    kernels.normForward(buffers.middle, scale, buffers.middleNormed, buffers.middleInverse, rows);
    kernels.up.forward(buffers.middleNormed, packed.up, buffers.hidden, rows);
    kernels.swiGluForward(buffers.hidden, buffers.activated, rows);
    this.#copy(buffers.middle, buffers.output, rows * width);
    kernels.down.forward(buffers.activated, packed.down, buffers.output, rows);
  }

  /** The last norm; `inverse` takes one f32 a row. */
  finalNorm(x: number, y: number, inverse: number, rows: number): void {
    this.kernels.normForward(x, this.#parameter(this.places.nf), y, inverse, rows);
  }

  finalNormBackward(dy: number, x: number, inverse: number, dx: number, rows: number): void {
    const { nf } = this.places;
    this.kernels.normBackward(dy, x, this.#parameter(nf), inverse, dx, this.#gradient(nf), rows);
  }

  /**
   * Gradients of one layer: `dOut` [out x width] is d loss / d output and is overwritten; `dInput` [all x width]
   * receives d loss / d input. `narrowed` lists which of all rows went on, null where all did; then `dInput` may be
   * `dOut`.
   */
  backward(
    layer: number,
    saved: LayerBuffers,
    scratch: BackwardBuffers,
    all: TokenSet,
    out: TokenSet,
    dOut: number,
    dInput: number,
    narrowed: Int32Array | null,
  ): void {
    const { kernels, shape, memory } = this;
    const { width } = shape;
    const places = this.places.layers[layer]!;
    const rows = out.count;
    kernels.down.input(dOut, this.#parameter(places.w2), scratch.activated, rows);
    this.#weight(kernels.down, dOut, width, saved.activated, shape.feedForward, places.w2, rows);
    kernels.swiGluBackward(saved.hidden, scratch.activated, scratch.hidden, rows);
    kernels.up.input(scratch.hidden, this.#parameter(places.w1), scratch.normedOut, rows);
    this.#weight(
      kernels.up,
      scratch.hidden,
      2 * shape.feedForward,
      saved.middleNormed,
      width,
      places.w1,
      rows,
    );
    kernels.normBackward(
      scratch.normedOut,
      saved.middle,
      this.#parameter(places.n2),
      saved.middleInverse,
      dOut,
      this.#gradient(places.n2),
      rows,
    );
    kernels.o.input(dOut, this.#parameter(places.wo), scratch.attended, rows);
    this.#weight(kernels.o, dOut, width, saved.attended, this.queryWidth, places.wo, rows);
    memory.floats.fill(0, scratch.keyValues >> 2, (scratch.keyValues >> 2) + all.count * this.keyValueWidth);
    kernels.attentionBackward(
      saved.q,
      scratch.attended,
      saved.probabilities,
      saved.keyValues,
      4 * this.keyValueWidth,
      out.paths,
      out.lengths,
      rows,
      this.pitch,
      scratch.q,
      scratch.keyValues,
      scratch.scores,
    );
    this.#rope(scratch.q, out, 4 * this.queryWidth, shape.heads, this.#negativeSines);
    const keyStride = 4 * this.keyValueWidth;
    this.#rope(scratch.keyValues, all, keyStride, shape.keyValueHeads, this.#negativeSines);
    this.#weight(kernels.q, scratch.q, this.queryWidth, saved.normedOut, width, places.wq, rows);
    this.#weight(
      kernels.kv,
      scratch.keyValues,
      this.keyValueWidth,
      saved.normed,
      width,
      places.wk,
      all.count,
    );
    if (narrowed === null) {
      kernels.q.input(scratch.q, this.#parameter(places.wq), scratch.normed, rows);
    } else {
      kernels.q.input(scratch.q, this.#parameter(places.wq), scratch.normedOut, rows);
      this.#scatter(scratch.normedOut, scratch.normed, narrowed, all.count);
      this.#scatter(dOut, dInput, narrowed, all.count);
    }
    kernels.kv.input(scratch.keyValues, this.#parameter(places.wk), scratch.normed, all.count);
    kernels.normBackward(
      scratch.normed,
      saved.input,
      this.#parameter(places.n1),
      saved.inverse,
      dInput,
      this.#gradient(places.n1),
      all.count,
    );
  }

  /** Copies rows `index` of [.. x width] at `from` one after another to `to`; zeros make it `count` rows. */
  gather(from: number, to: number, index: Int32Array, count: number): void {
    const { width } = this.shape;
    const { floats } = this.memory;
    floats.fill(0, (to >> 2) + index.length * width, (to >> 2) + count * width);
    index.forEach((row, i) => {
      const start = (from >> 2) + row * width;
      floats.copyWithin((to >> 2) + i * width, start, start + width);
    });
  }

  /** dW += dy^T x in blocks of rows; `weight` is the first element of W in the arena. */
  #weight(
    kernels: LinearKernels,
    dy: number,
    outputs: number,
    x: number,
    inputs: number,
    weight: number,
    rows: number,
  ): void {
    linearGradient(kernels, dy, outputs, x, inputs, this.#gradient(weight), rows);
  }

  /** The inverse of `gather`: every other of `count` rows becomes zero. */
  #scatter(from: number, to: number, index: Int32Array, count: number): void {
    const { width } = this.shape;
    const { floats } = this.memory;
    floats.fill(0, to >> 2, (to >> 2) + count * width);
    index.forEach((row, i) => {
      const start = (from >> 2) + i * width;
      floats.copyWithin((to >> 2) + row * width, start, start + width);
    });
  }

  #rope(x: number, set: TokenSet, stride: number, heads: number, sines: number): void {
    this.kernels.rope(x, set.count, stride, heads, set.positions, this.#cosines, sines);
  }

  #copy(from: number, to: number, count: number): void {
    this.memory.floats.copyWithin(to >> 2, from >> 2, (from >> 2) + count);
  }

  #parameter(offset: number): number {
    return this.parameters + 4 * offset;
  }

  #gradient(offset: number): number {
    return this.gradient + 4 * offset;
  }
}

/** Adds dy^T x, [outputs x inputs], to `dWeight`. */
export function linearGradient(
  kernels: LinearKernels,
  dy: number,
  outputs: number,
  x: number,
  inputs: number,
  dWeight: number,
  rows: number,
): void {
  for (let row = 0; row < rows; row += gradientRows) {
    const count = Math.min(gradientRows, rows - row);
    kernels.weight(dy + 4 * row * outputs, x + 4 * row * inputs, dWeight, outputs, count);
  }
}

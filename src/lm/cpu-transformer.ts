import { transformerPlaces, type Projection, type TransformerPlaces } from "../kernels/transformer-places.ts";
import {
  headKernels,
  packedLength,
  packWeight,
  transformerKernels,
  type KernelHome,
  type LinearKernels,
  type TransformerKernels,
} from "../kernels/wasm/transformer-module.ts";
import { Threads, type ThreadOptions } from "../kernels/wasm/threads.ts";
import { ropeTable } from "../nn/rope-table.ts";
import type { TransformerLayout, TransformerShape } from "../nn/transformer-layout.ts";
import type { BackwardBuffers, LayerBuffers, TokenSet } from "./cpu-activations.ts";
import { CpuHeads } from "./cpu-heads.ts";
import { CpuLowRank } from "./cpu-low-rank.ts";
import { CpuMemory } from "./cpu-memory.ts";
import { defaultHeadIds } from "./head-chunk.ts";

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

/** Bytes of one row and head of attention probabilities. */
export const attentionPitch = (maxLength: number): number => 16 * Math.ceil(maxLength / 4) + 16;

/** Weights, kernels and layer passes of a decoder in one WebAssembly memory. */
export class CpuTransformer {
  readonly shape: TransformerShape;
  readonly places: TransformerPlaces;
  readonly layout: TransformerLayout;
  readonly memory: CpuMemory;
  readonly kernels: TransformerKernels;
  /** Address of the parameters. */
  readonly parameters: number;
  /** Address of the gradients of what learns: of the parameters from `layout.trainable` on. */
  readonly gradient: number;
  /**
   * Whether a training pass keeps of every layer its input alone and computes the rest again on the way back (Chen et al.
   * 2016, arXiv 1604.06174): the same bits, for a third more work and a fraction of the memory.
   */
  checkpointing = false;
  /** Most ids whose logits a training pass holds at once for a row. */
  headIds = defaultHeadIds;
  /** Whether the adapter, if there is one, takes part; without it the model is the reference policy. */
  adapted = true;
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
  readonly #heads: CpuHeads;
  readonly #lowRank: CpuLowRank;
  /** Where the gradients of frozen norm scales go. */
  readonly #discard: number;
  readonly #headKernels = new Map<number, LinearKernels>();

  readonly #threads: Threads | null;

  /** With `threads`, kernels share their rows with them: the same bits. */
  constructor(shape: TransformerShape, layout: TransformerLayout, threads: ThreadOptions | null = null) {
    const { width, heads, keyValueHeads, headSize, feedForward, maxLength } = shape;
    this.shape = shape;
    this.layout = layout;
    this.places = transformerPlaces(layout, shape);
    this.memory = threads ? CpuMemory.shared() : new CpuMemory();
    this.#threads = threads && this.memory.isShared ? new Threads(this.memory.memory, threads) : null;
    this.kernels = transformerKernels(shape, this.#home);
    this.queryWidth = heads * headSize;
    this.keyValueWidth = 2 * keyValueHeads * headSize;
    this.pitch = attentionPitch(maxLength);
    const { memory } = this;
    this.parameters = memory.reserve(layout.length);
    this.gradient = memory.reserve(layout.length - layout.trainable);
    this.#discard = memory.reserve(Math.max(width, headSize));
    this.#heads = new CpuHeads(shape, this.kernels, memory);
    this.#lowRank = new CpuLowRank(shape, this.places, this.kernels, memory);
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

  /** Ends the threads; nothing else may be called after it. */
  dispose(): void {
    this.#threads?.dispose();
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
    this.#lowRank.pack(this.parameters);
  }

  /** Packs the head's rows of `ids` into the workspace. */
  packHead(ids: Int32Array): PackedHead {
    const { memory } = this;
    const { width } = this.shape;
    const columns = Math.ceil(ids.length / 8) * 8;
    const rows = memory.reserve(columns * width);
    const packed = memory.reserve(columns * width);
    const { floats } = memory;
    floats.fill(0, rows >> 2, (rows >> 2) + columns * width);
    ids.forEach((id, i) => {
      const from = (this.parameters >> 2) + this.places.head + id * width;
      floats.copyWithin((rows >> 2) + i * width, from, from + width);
    });
    packWeight(floats, rows >> 2, packed >> 2, width, columns);
    return { ids, columns, kernels: this.headKernels(columns), packed, rows };
  }

  /** Matmuls of a head of so many columns, a multiple of 8; `input` adds to dx. */
  headKernels(columns: number): LinearKernels {
    let kernels = this.#headKernels.get(columns);
    if (!kernels) {
      kernels = headKernels(this.shape.width, columns, this.#home);
      this.#headKernels.set(columns, kernels);
    }
    return kernels;
  }

  /** Writes the embeddings of `tokens` to [tokens.length x width] at `to`. */
  embed(tokens: ArrayLike<number>, to: number): void {
    const { width, vocabularySize } = this.shape;
    const { floats } = this.memory;
    const base = (this.parameters >> 2) + this.places.emb;
    const prompt = (this.parameters >> 2) + (this.places.prompt ?? 0);
    for (let row = 0; row < tokens.length; row++) {
      const id = tokens[row]!;
      const from = id < vocabularySize ? base + id * width : prompt + (id - vocabularySize) * width;
      floats.copyWithin((to >> 2) + row * width, from, from + width);
    }
  }

  /** Keys and values of a layer's rows, from its input. */
  keyValues(layer: number, buffers: LayerBuffers, all: TokenSet): void {
    const { kernels, shape } = this;
    const places = this.places.layers[layer]!;
    const { normed, rawKeyValues, low } = buffers;
    const heads = { raw: rawKeyValues, inverse: buffers.keyInverse, out: buffers.keyValues };
    kernels.normForward(buffers.input, this.#parameter(places.n1), normed, buffers.inverse, all.count);
    kernels.kv.forward(normed, this.#packed[layer]!.kv, rawKeyValues, all.count);
    this.#adapt(layer, "k", normed, rawKeyValues, all.count, low);
    this.#adapt(layer, "v", normed, rawKeyValues + 2 * this.keyValueWidth, all.count, low);
    this.#heads.keyValues(places, heads, all.count, this.parameters);
    this.#rope(buffers.keyValues, all, 4 * this.keyValueWidth, shape.keyValueHeads, this.#sines);
  }

  /** The rest of a layer for the rows that go on; slot s has its keys and values at `base` + s x `stride`. */
  attendAndFeed(layer: number, buffers: LayerBuffers, out: TokenSet, base: number, stride: number): void {
    const { kernels, shape } = this;
    const { width } = shape;
    const packed = this.#packed[layer]!;
    const places = this.places.layers[layer]!;
    const rows = out.count;
    const heads = { raw: buffers.rawQ, inverse: buffers.queryInverse, out: buffers.q };
    kernels.q.forward(buffers.normedOut, packed.q, buffers.rawQ, rows);
    this.#adapt(layer, "q", buffers.normedOut, buffers.rawQ, rows, buffers.low);
    this.#heads.queries(places, heads, rows, this.parameters);
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
    this.#adapt(layer, "o", buffers.attended, buffers.middle, rows, buffers.low);
    const scale = this.#parameter(places.n2);
    kernels.normForward(buffers.middle, scale, buffers.middleNormed, buffers.middleInverse, rows);
    const { middleNormed, hidden } = buffers;
    kernels.up.forward(middleNormed, packed.up, hidden, rows);
    this.#adapt(layer, "gate", middleNormed, hidden, rows, buffers.low);
    this.#adapt(layer, "up", middleNormed, hidden + 4 * shape.feedForward, rows, buffers.low);
    kernels.swiGluForward(buffers.hidden, buffers.activated, rows);
    this.#copy(buffers.middle, buffers.output, rows * width);
    kernels.down.forward(buffers.activated, packed.down, buffers.output, rows);
    this.#adapt(layer, "down", buffers.activated, buffers.output, rows, buffers.low);
  }

  /** The last norm; `inverse` takes one f32 a row. */
  finalNorm(x: number, y: number, inverse: number, rows: number): void {
    this.kernels.normForward(x, this.#parameter(this.places.nf), y, inverse, rows);
  }

  finalNormBackward(dy: number, x: number, inverse: number, dx: number, rows: number): void {
    const { nf } = this.places;
    this.kernels.normBackward(dy, x, this.#parameter(nf), inverse, dx, this.#scaleGradient(nf), rows);
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
    const { width, feedForward } = shape;
    const places = this.places.layers[layer]!;
    const rows = out.count;
    const adapt = (name: Projection, dy: number, x: number, dx: number, count: number): void =>
      this.#lowRank.backward(
        ...([layer, name, dy, x, dx, count, scratch] as const),
        (offset) => this.#parameter(offset),
        (offset) => this.gradientOf(offset),
      );
    kernels.down.input(dOut, this.#parameter(places.w2), scratch.activated, rows);
    adapt("down", dOut, saved.activated, scratch.activated, rows);
    this.#weight(kernels.down, dOut, width, saved.activated, places.w2, rows);
    kernels.swiGluBackward(saved.hidden, scratch.activated, scratch.hidden, rows);
    kernels.up.input(scratch.hidden, this.#parameter(places.w1), scratch.normedOut, rows);
    adapt("gate", scratch.hidden, saved.middleNormed, scratch.normedOut, rows);
    adapt("up", scratch.hidden + 4 * feedForward, saved.middleNormed, scratch.normedOut, rows);
    this.#weight(kernels.up, scratch.hidden, 2 * feedForward, saved.middleNormed, places.w1, rows);
    kernels.normBackward(
      scratch.normedOut,
      saved.middle,
      this.#parameter(places.n2),
      saved.middleInverse,
      dOut,
      this.#scaleGradient(places.n2),
      rows,
    );
    kernels.o.input(dOut, this.#parameter(places.wo), scratch.attended, rows);
    adapt("o", dOut, saved.attended, scratch.attended, rows);
    this.#weight(kernels.o, dOut, width, saved.attended, places.wo, rows);
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
      shape.keyValueHeads,
    );
    this.#rope(scratch.q, out, 4 * this.queryWidth, shape.heads, this.#negativeSines);
    const keyStride = 4 * this.keyValueWidth;
    this.#rope(scratch.keyValues, all, keyStride, shape.keyValueHeads, this.#negativeSines);
    this.#headsBackward(layer, saved, scratch, rows, all.count);
    this.#weight(kernels.q, scratch.rawQ, this.queryWidth, saved.normedOut, places.wq, rows);
    const { rawKeyValues } = scratch;
    this.#weight(kernels.kv, rawKeyValues, this.keyValueWidth, saved.normed, places.wk, all.count);
    const dNormed = narrowed === null ? scratch.normed : scratch.normedOut;
    kernels.q.input(scratch.rawQ, this.#parameter(places.wq), dNormed, rows);
    adapt("q", scratch.rawQ, saved.normedOut, dNormed, rows);
    if (narrowed !== null) {
      this.#scatter(scratch.normedOut, scratch.normed, narrowed, all.count);
      this.#scatter(dOut, dInput, narrowed, all.count);
    }
    kernels.kv.input(rawKeyValues, this.#parameter(places.wk), scratch.normed, all.count);
    adapt("k", rawKeyValues, saved.normed, scratch.normed, all.count);
    const dValues = rawKeyValues + 2 * this.keyValueWidth;
    adapt("v", dValues, saved.normed, scratch.normed, all.count);
    kernels.normBackward(
      scratch.normed,
      saved.input,
      this.#parameter(places.n1),
      saved.inverse,
      dInput,
      this.#scaleGradient(places.n1),
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

  /** dW += dy^T x; `weight` is the first element of W in the arena. */
  #weight(
    kernels: LinearKernels,
    dy: number,
    outputs: number,
    x: number,
    weight: number,
    rows: number,
  ): void {
    if (this.learns(weight)) kernels.weight(dy, x, this.gradientOf(weight), outputs, rows);
  }

  get #home(): KernelHome {
    return { memory: this.memory.memory, threads: this.#threads };
  }

  /** Adds an adapter's change of `x` to `y`. */
  #adapt(layer: number, name: Projection, x: number, y: number, rows: number, low: number): void {
    if (this.adapted) this.#lowRank.forward(layer, name, x, y, rows, low);
  }

  #headsBackward(
    layer: number,
    saved: LayerBuffers,
    scratch: BackwardBuffers,
    rows: number,
    nodes: number,
  ): void {
    const places = this.places.layers[layer]!;
    const { bias, nq, nk } = places;
    const biasAt = (at: number): number | null =>
      bias !== null && this.learns(bias) ? this.gradientOf(bias + at) : null;
    this.#heads.queriesBackward(
      places,
      { raw: saved.rawQ, inverse: saved.queryInverse, out: saved.q },
      ...([scratch.q, scratch.rawQ, rows, this.parameters] as const),
      { bias: biasAt(0), scale: this.#scaleGradient(nq ?? 0) },
    );
    this.#heads.keyValuesBackward(
      places,
      { raw: saved.rawKeyValues, inverse: saved.keyInverse, out: saved.keyValues },
      ...([scratch.keyValues, scratch.rawKeyValues, nodes, this.parameters] as const),
      { bias: biasAt(this.queryWidth), scale: this.#scaleGradient(nk ?? 0) },
    );
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

  /** Whether the parameter at this offset of the arena learns. */
  learns(offset: number): boolean {
    return offset >= this.layout.trainable;
  }

  /** Address of the gradient of a parameter that learns. */
  gradientOf(offset: number): number {
    return this.gradient + 4 * (offset - this.layout.trainable);
  }

  #scaleGradient(offset: number): number {
    return this.learns(offset) ? this.gradientOf(offset) : this.#discard;
  }
}

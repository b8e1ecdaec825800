import { exp, log } from "../kernels/math.ts";
import type { LinearKernels } from "../kernels/wasm/transformer-module.ts";
import type { CpuTransformer, PackedHead } from "./cpu-transformer.ts";
import type { TreePass } from "./cpu-tree-pass.ts";
import { headChunk } from "./head-chunk.ts";

/** Some of the head's ids, side by side; addresses as in `PackedHead`. */
interface HeadChunk {
  /** Column of the head that is the chunk's first, and ids from there on. */
  readonly first: number;
  readonly count: number;
  readonly columns: number;
  readonly kernels: LinearKernels;
  readonly packed: number;
  readonly rows: number;
}

/** How a loss changes with what a head gives, times the tokens' weights. */
export interface HeadSlopes {
  /** By each prediction's log-probability. */
  readonly slopes: Float32Array;
  /** By each row's entropy. */
  readonly entropySlopes: Float32Array;
  /** By the mean of the log-probabilities where a prediction stands, less its own; null: nothing. */
  readonly smoothing: Float32Array | null;
}

/**
 * Log-probabilities and entropies over the head's ids, from logits that are there for a chunk of `CpuTransformer.headIds`
 * at a time: maximum and sums run along (online softmax, Milakov and Gimelshein 2018, arXiv 1805.02867), and the gradient
 * computes the logits of every chunk but the last again. One chunk is a softmax over logits that are written out.
 */
export class CpuHead {
  /** By row of the pass. */
  readonly entropies: Float32Array;
  /** By prediction, in f32; -Infinity for an id that is not allowed. */
  readonly logProbabilities: Float32Array;
  /** By row of the pass: mean of the log-probabilities over all ids, where it was asked for. */
  readonly means: Float64Array | null;
  readonly #model: CpuTransformer;
  readonly #head: PackedHead;
  readonly #pass: TreePass;
  readonly #chunks: readonly HeadChunk[];
  /** Of the chunk that was computed last: logits less its maximum, and their exponentials. */
  readonly #logits: number;
  readonly #exponentials: number;
  readonly #statistics: number;
  readonly #largest: Float32Array;
  readonly #totals: Float32Array;
  readonly #logTotals: Float32Array;
  /** By chunk, then by row: its own maximum. */
  readonly #maxima: readonly Float32Array[];

  /** Reserves workspace for as long as `pass` has its own. */
  constructor(model: CpuTransformer, head: PackedHead, pass: TreePass, means: boolean) {
    const { memory } = model;
    const rows = pass.out.count;
    this.#model = model;
    this.#head = head;
    this.#pass = pass;
    this.#chunks = chunksOf(model, head);
    const columns = this.#chunks[0]!.columns;
    this.#logits = memory.reserve(rows * columns);
    this.#exponentials = memory.reserve(rows * columns);
    this.#statistics = memory.reserve(rows * 3);
    this.#largest = new Float32Array(rows);
    this.#totals = new Float32Array(rows);
    this.#maxima = this.#chunks.map(() => new Float32Array(rows));
    const weighted = new Float32Array(rows);
    const own = new Float32Array(pass.predictions.length).fill(-Infinity);
    const ownMaxima = new Float32Array(pass.predictions.length);
    const logits = means ? new Float64Array(rows) : null;
    this.#chunks.forEach((chunk, c) => {
      this.#compute(chunk);
      this.#add(c, weighted);
      this.#eachOwn(chunk, (i, at, row) => {
        own[i] = memory.floats[at]!;
        ownMaxima[i] = this.#maxima[c]![row]!;
      });
      logits?.forEach((_, row) => {
        logits[row]! += this.#sum(chunk, row) + chunk.count * this.#maxima[c]![row]!;
      });
    });
    this.#logTotals = this.#totals.map(log);
    this.entropies = this.#logTotals.map((logTotal, row) => logTotal - weighted[row]! / this.#totals[row]!);
    this.logProbabilities = own.map((logit, i) => {
      const { row } = pass.predictions[i]!;
      return logit + (ownMaxima[i]! - this.#largest[row]!) - this.#logTotals[row]!;
    });
    this.means =
      logits?.map((sum, row) => sum / head.ids.length - this.#largest[row]! - this.#logTotals[row]!) ?? null;
  }

  /** To the gradient of the head's input, `dFinal`, which is overwritten, and of its weights, where they learn. */
  backward({ slopes, entropySlopes, smoothing }: HeadSlopes, dFinal: number): void {
    const model = this.#model;
    const { memory, shape, places } = model;
    const { width } = shape;
    const rows = this.#pass.out.count;
    const coefficients = memory.reserve(4 * rows);
    const learns = model.learns(places.head);
    const dHead = memory.reserve(learns ? this.#chunks[0]!.columns * width : 0);
    const { floats } = memory;
    const sums = new Float32Array(rows);
    // What label smoothing gives to every id of a row.
    const even = new Float32Array(rows);
    this.#pass.predictions.forEach(({ row }, i) => {
      sums[row]! -= slopes[i]!;
      if (smoothing) even[row]! += smoothing[i]! / this.#head.ids.length;
    });
    floats.fill(0, dFinal >> 2, (dFinal >> 2) + rows * width);
    for (let c = this.#chunks.length - 1; c >= 0; c--) {
      const chunk = this.#chunks[c]!;
      if (c < this.#chunks.length - 1) this.#compute(chunk);
      for (let row = 0; row < rows; row++) {
        const shift = this.#maxima[c]![row]! - this.#largest[row]!;
        const at = (coefficients >> 2) + 4 * row;
        floats[at] = sums[row]!;
        // An entropy bonus lowers the loss: its slope by a logit is p (log p + entropy).
        floats[at + 1] = -entropySlopes[row]!;
        floats[at + 2] = this.entropies[row]! - this.#logTotals[row]! + shift;
        floats[at + 3] = exp(shift) / this.#totals[row]!;
      }
      model.kernels.softmaxBackward(this.#logits, this.#exponentials, coefficients, rows, chunk.columns);
      this.#eachOwn(chunk, (i, at) => {
        floats[at]! += slopes[i]! - (smoothing?.[i] ?? 0);
      });
      if (smoothing) this.#addEvenly(chunk, even);
      chunk.kernels.input(this.#logits, chunk.rows, dFinal, rows);
      if (!learns) continue;
      floats.fill(0, dHead >> 2, (dHead >> 2) + chunk.columns * width);
      chunk.kernels.weight(this.#logits, this.#pass.finalNormed, dHead, chunk.columns, rows);
      const gradient = model.gradientOf(places.head) >> 2;
      for (let n = 0; n < chunk.count; n++) {
        addRow(floats, (dHead >> 2) + n * width, gradient + this.#head.ids[chunk.first + n]! * width, width);
      }
    }
  }

  #compute(chunk: HeadChunk): void {
    const rows = this.#pass.out.count;
    chunk.kernels.forward(this.#pass.finalNormed, chunk.packed, this.#logits, rows);
    this.#model.kernels.softmaxForward(
      ...([this.#logits, this.#exponentials, this.#statistics, rows, chunk.count, chunk.columns] as const),
    );
  }

  /** Adds the chunk just computed to the running maxima and sums. */
  #add(c: number, weighted: Float32Array): void {
    const statistics = this.#model.memory.floats.subarray(this.#statistics >> 2);
    const maxima = this.#maxima[c]!;
    for (let row = 0; row < maxima.length; row++) {
      const [maximum, total, moment] = [0, 1, 2].map((i) => statistics[3 * row + i]!) as [
        number,
        number,
        number,
      ];
      maxima[row] = maximum;
      const before = c === 0 ? maximum : this.#largest[row]!;
      const largest = Math.max(before, maximum);
      const [down, up] = [before - largest, maximum - largest];
      weighted[row] =
        exp(down) * (weighted[row]! + this.#totals[row]! * down) + exp(up) * (moment + total * up);
      this.#totals[row] = exp(down) * this.#totals[row]! + exp(up) * total;
      this.#largest[row] = largest;
    }
  }

  /** Sum over the chunk just computed of a row's logits less their maximum. */
  #sum({ count, columns }: HeadChunk, row: number): number {
    const at = (this.#logits >> 2) + row * columns;
    return this.#model.memory.floats.subarray(at, at + count).reduce((sum, logit) => sum + logit, 0);
  }

  /** Adds one number a row to all of a chunk's ids. */
  #addEvenly({ count, columns }: HeadChunk, values: Float32Array): void {
    const { floats } = this.#model.memory;
    values.forEach((value, row) => {
      const at = (this.#logits >> 2) + row * columns;
      for (let n = 0; n < count; n++) floats[at + n]! += value;
    });
  }

  /** The predictions whose ids are in the chunk, and where their logits are among the floats. */
  #eachOwn(chunk: HeadChunk, run: (prediction: number, at: number, row: number) => void): void {
    this.#pass.predictions.forEach(({ column, row }, i) => {
      const n = column - chunk.first;
      if (column >= 0 && n >= 0 && n < chunk.count) {
        run(i, (this.#logits >> 2) + row * chunk.columns + n, row);
      }
    });
  }
}

/** Equal parts of at most `headIds` ids; the last may have fewer. */
function chunksOf(model: CpuTransformer, head: PackedHead): readonly HeadChunk[] {
  const count = head.ids.length;
  const each = headChunk(count, model.headIds);
  return Array.from({ length: Math.ceil(count / each) }, (_, c) => {
    const first = c * each;
    const columns = Math.min(8 * Math.ceil(each / 8), head.columns - first);
    const offset = 4 * first * model.shape.width;
    return {
      ...{ first, columns, count: Math.min(each, count - first), kernels: model.headKernels(columns) },
      ...{ packed: head.packed + offset, rows: head.rows + offset },
    };
  });
}

/** Adds a row of `width` floats to another. */
export function addRow(floats: Float32Array, from: number, to: number, width: number): void {
  for (let i = 0; i < width; i++) floats[to + i]! += floats[from + i]!;
}

import { tokenWords } from "../kernels/gumbel.ts";
import { log } from "../kernels/math.ts";
import { ConstraintProgress } from "./constraint-progress.ts";
import type { DecodingSequence, RoundDecoder, SampledTokens } from "./generation-queue.ts";
import { reserveLayer, type LayerBuffers, type TokenSet } from "./cpu-activations.ts";
import { inputIds } from "../kernels/transformer-places.ts";
import type { CpuTransformer, PackedHead } from "./cpu-transformer.ts";
import { PrefixCache } from "./prefix-cache.ts";
import { chooseShaped, chooseToken } from "./sampling.ts";
import { filters } from "./token-filter.ts";

interface Lane {
  /** Address of the list of slots of the sequence's tokens. */
  readonly path: number;
  /** Tokens whose slot is known. */
  known: number;
}

interface Workspace {
  readonly head: PackedHead;
  readonly paths: number;
  readonly all: TokenSet;
  readonly out: TokenSet;
  readonly full: LayerBuffers;
  readonly narrow: LayerBuffers;
  readonly input: number;
  readonly finalNormed: number;
  readonly finalInverse: number;
  readonly logits: number;
  readonly row: number;
  readonly exponentials: number;
  readonly statistics: number;
  /** One word or f32 an id, the ids rounded up to 8. */
  readonly noise: number;
  /** First byte of the cache; nothing is reserved after it, so that it can grow. */
  readonly cache: number;
}

const nothing: SampledTokens = { ids: [], logProbabilities: [], samplerLogProbabilities: [] };

function one(id: number, samplerLogProbability: number, logProbability: number): SampledTokens {
  return { ids: [id], logProbabilities: [logProbability], samplerLogProbabilities: [samplerLogProbability] };
}

/** Most tokens a round takes; a longer backlog of prompts is spread over rounds. */
const rowsPerRound = 512;

/** Rows that a round of at most `maxBatch` sequences has room for. */
export const completionRows = (maxBatch: number): number =>
  Math.ceil(Math.max(rowsPerRound, maxBatch) / 4) * 4;

/**
 * Decodes many sequences with one key-value cache. A round computes the next tokens of all, prompts and continuations
 * mixed; every row's result depends on its own path alone, so the batch changes nothing.
 */
export class CpuDecoder implements RoundDecoder {
  readonly #model: CpuTransformer;
  readonly #capacity: number;
  readonly #rows: number;
  readonly #cache: PrefixCache;
  readonly #constraints = new ConstraintProgress();
  readonly #everyId: Int32Array;
  #lanes = new Map<DecodingSequence, Lane>();
  #freeLanes: number[] = [];
  #workspace: Workspace | null = null;
  #cacheSlots = 0;

  /** At most `maxBatch` sequences at a time. */
  constructor(model: CpuTransformer, maxBatch: number) {
    this.#model = model;
    this.#capacity = maxBatch;
    this.#rows = completionRows(maxBatch);
    this.#cache = new PrefixCache(inputIds(model.shape));
    this.#everyId = Int32Array.from({ length: model.shape.vocabularySize }, (_, id) => id);
  }

  hasRoom(active: ReadonlySet<DecodingSequence>): boolean {
    return active.size < this.#capacity;
  }

  /** The workspace has been used for something else or the weights have changed. */
  invalidate(): void {
    this.#workspace = null;
    this.#cache.clear();
    this.#lanes = new Map();
  }

  /** The sequence has ended; what it leaves in the cache may serve others. */
  release(sequence: DecodingSequence): void {
    const lane = this.#lanes.get(sequence);
    if (!lane) return;
    this.#lanes.delete(sequence);
    this.#freeLanes.push(lane.path);
  }

  /** Computes the next token of each sequence. */
  round(sequences: readonly DecodingSequence[]): SampledTokens[] {
    const workspace = this.#begin();
    const model = this.#model;
    const { integers } = model.memory;
    const batch = new Batch(this.#rows);
    this.#makeRoom(sequences);
    const outRows = sequences.map((sequence) => {
      const lane = this.#lane(sequence, workspace);
      const { tokens } = sequence;
      const path = lane.path >> 2;
      while (lane.known < tokens.length) {
        const t = lane.known;
        const parent = t === 0 ? 0 : integers[path + t - 1]!;
        let slot = this.#cache.find(parent, tokens[t]!);
        if (slot === undefined) {
          if (batch.full) return -1;
          slot = this.#cache.add(parent, tokens[t]!);
          batch.add(slot, tokens[t]!, t, lane.path);
        }
        integers[path + t] = slot;
        lane.known++;
      }
      // A prefix that was cached in an earlier round: its last token is computed again, for the logits.
      const last = tokens.length - 1;
      const slot = integers[path + last]!;
      let row = batch.rowOf(slot);
      if (row === undefined) {
        if (batch.full) return -1;
        row = batch.add(slot, tokens[last]!, last, lane.path);
      }
      return batch.wanted(row);
    });
    this.#forward(workspace, batch);
    return sequences.map((sequence, i) =>
      outRows[i]! < 0 ? nothing : this.#sample(workspace, sequence, outRows[i]!),
    );
  }

  #begin(): Workspace {
    if (this.#workspace) return this.#workspace;
    const model = this.#model;
    const { memory, shape } = model;
    const { width } = shape;
    memory.release(model.workspace);
    const reserveSet = (): TokenSet => ({
      count: this.#rows,
      positions: memory.reserve(this.#rows),
      paths: memory.reserve(this.#rows),
      lengths: memory.reserve(this.#rows),
    });
    const head = model.packHead(this.#everyId);
    const input = memory.reserve(this.#rows * width);
    const full = reserveLayer(model, input, this.#rows, this.#rows, false);
    this.#workspace = {
      head,
      paths: memory.reserve(this.#capacity * shape.maxLength),
      all: reserveSet(),
      out: reserveSet(),
      full,
      narrow: {
        ...full,
        inputOut: memory.reserve(this.#rows * width),
        normedOut: memory.reserve(this.#rows * width),
      },
      input,
      finalNormed: memory.reserve(this.#rows * width),
      finalInverse: memory.reserve(this.#rows),
      logits: memory.reserve(this.#rows * head.columns),
      row: memory.reserve(head.columns),
      exponentials: memory.reserve(head.columns),
      statistics: memory.reserve(3),
      noise: memory.reserve(head.columns),
      cache: memory.end,
    };
    this.#cacheSlots = 0;
    this.#freeLanes = Array.from(
      { length: this.#capacity },
      (_, lane) => this.#workspace!.paths + 4 * lane * shape.maxLength,
    );
    return this.#workspace;
  }

  #lane(sequence: DecodingSequence, workspace: Workspace): Lane {
    let lane = this.#lanes.get(sequence);
    if (!lane) {
      const path = this.#freeLanes.pop();
      if (path === undefined)
        throw new Error(`more than ${this.#capacity} sequences from ${workspace.paths}`);
      lane = { path, known: 0 };
      this.#lanes.set(sequence, lane);
    }
    return lane;
  }

  /** Gives up what no sequence needs where the cache would grow past the worst case of all lanes. */
  #makeRoom(sequences: readonly DecodingSequence[]): void {
    const limit = this.#capacity * this.#model.shape.maxLength + 1;
    if (this.#cache.size - this.#cache.free <= limit) return;
    const { integers } = this.#model.memory;
    const kept = sequences.flatMap((sequence) => {
      const lane = this.#lanes.get(sequence);
      return lane ? Array.from(integers.subarray(lane.path >> 2, (lane.path >> 2) + lane.known)) : [];
    });
    this.#cache.retain(kept);
  }

  #forward(workspace: Workspace, batch: Batch): void {
    if (batch.size === 0) return;
    const model = this.#model;
    const { memory, shape, keyValueWidth } = model;
    const { width, layers } = shape;
    const slotWidth = layers * keyValueWidth;
    if (this.#cache.size > this.#cacheSlots) {
      const slots = Math.max(this.#cache.size, 2 * this.#cacheSlots, 1024);
      memory.reserve((slots - this.#cacheSlots) * slotWidth);
      this.#cacheSlots = slots;
    }
    const all = this.#place(workspace.all, batch, null);
    const outputs = batch.outputs();
    const out = this.#place(workspace.out, batch, outputs);
    const { floats } = memory;
    const cache = workspace.cache >> 2;
    const tokens = Array.from({ length: all.count }, (_, row) => batch.tokens[row] ?? 0);
    model.embed(tokens, workspace.input);
    for (let l = 0; l < layers; l++) {
      const last = l === layers - 1;
      const buffers = last ? workspace.narrow : workspace.full;
      model.keyValues(l, buffers, all);
      const from = buffers.keyValues >> 2;
      batch.slots.forEach((slot, row) => {
        const to = cache + slot * slotWidth + l * keyValueWidth;
        floats.copyWithin(to, from + row * keyValueWidth, from + (row + 1) * keyValueWidth);
      });
      const base = workspace.cache + 4 * l * keyValueWidth;
      if (!last) {
        model.attendAndFeed(l, buffers, all, base, 4 * slotWidth);
        floats.copyWithin(buffers.input >> 2, buffers.output >> 2, (buffers.output >> 2) + all.count * width);
        continue;
      }
      if (out.count === 0) return;
      model.gather(buffers.input, buffers.inputOut, outputs, out.count);
      model.gather(buffers.normed, buffers.normedOut, outputs, out.count);
      model.attendAndFeed(l, buffers, out, base, 4 * slotWidth);
      model.finalNorm(buffers.output, workspace.finalNormed, workspace.finalInverse, out.count);
      workspace.head.kernels.forward(
        workspace.finalNormed,
        workspace.head.packed,
        workspace.logits,
        out.count,
      );
    }
  }

  /** Writes positions, paths and lengths of the batch's rows, or of some of them; padding repeats the first. */
  #place(set: TokenSet, batch: Batch, index: Int32Array | null): TokenSet {
    const { integers } = this.#model.memory;
    const size = index?.length ?? batch.size;
    const count = Math.ceil(size / 4) * 4;
    for (let i = 0; i < count; i++) {
      const k = i < size ? i : 0;
      const row = index === null ? k : index[k]!;
      integers[(set.positions >> 2) + i] = batch.positions[row]!;
      integers[(set.paths >> 2) + i] = batch.paths[row]!;
      integers[(set.lengths >> 2) + i] = batch.positions[row]! + 1;
    }
    return { ...set, count };
  }

  #sample(workspace: Workspace, sequence: DecodingSequence, outRow: number): SampledTokens {
    const { memory } = this.#model;
    const { request } = sequence;
    const { temperature, seed } = request;
    const allowed = request.allowed ?? this.#everyId;
    const from = (workspace.logits >> 2) + outRow * workspace.head.columns;
    const row = memory.floats.subarray(workspace.row >> 2, (workspace.row >> 2) + allowed.length);
    for (let i = 0; i < allowed.length; i++) row[i] = memory.floats[from + allowed[i]!]!;
    const logSum = this.#softmax(workspace, allowed.length);
    const noise = workspace.noise >> 2;
    const ids = workspace.head.columns;
    if (temperature > 0) {
      tokenWords(seed, sequence.tokens.length, memory.integers.subarray(noise, noise + ids));
      this.#model.kernels.gumbel(workspace.noise, ids / 4);
    }
    const noises = memory.floats.subarray(noise, noise + ids);
    const mask = this.#constraints.mask(sequence);
    if (mask || request.logitBias || filters(request)) {
      const { chosen, samplerLogProbability } = chooseShaped(row, allowed, request, mask, noises);
      return one(allowed[chosen]!, samplerLogProbability, Math.fround(row[chosen]! - logSum));
    }
    const chosen = chooseToken(row, allowed, temperature, noises);
    const logProbability = Math.fround(row[chosen]! - logSum);
    let samplerLogProbability = logProbability;
    if (temperature === 0) samplerLogProbability = 0;
    else if (temperature !== 1) {
      for (let i = 0; i < allowed.length; i++) row[i]! /= temperature;
      const scaledSum = this.#softmax(workspace, allowed.length);
      samplerLogProbability = Math.fround(row[chosen]! - scaledSum);
    }
    return one(allowed[chosen]!, samplerLogProbability, logProbability);
  }

  /** Shifts the row so that its largest entry is 0; returns the logarithm of its sum of exponentials. */
  #softmax(workspace: Workspace, columns: number): number {
    const stride = Math.ceil(columns / 4) * 4;
    const { row, exponentials, statistics } = workspace;
    this.#model.kernels.softmaxForward(row, exponentials, statistics, 1, columns, stride);
    return log(this.#model.memory.floats[(statistics >> 2) + 1]!);
  }
}

/** The tokens of one round. */
class Batch {
  readonly tokens: number[] = [];
  readonly positions: number[] = [];
  readonly paths: number[] = [];
  readonly slots: number[] = [];
  readonly #capacity: number;
  readonly #rows = new Map<number, number>();
  readonly #outputs: number[] = [];
  readonly #outputOf = new Map<number, number>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.tokens.length;
  }

  get full(): boolean {
    return this.tokens.length >= this.#capacity;
  }

  /** Rows whose logits are wanted. */
  outputs(): Int32Array {
    return Int32Array.from(this.#outputs);
  }

  add(slot: number, token: number, position: number, path: number): number {
    const row = this.tokens.push(token) - 1;
    this.positions.push(position);
    this.paths.push(path);
    this.slots.push(slot);
    this.#rows.set(slot, row);
    return row;
  }

  rowOf(slot: number): number | undefined {
    return this.#rows.get(slot);
  }

  /** Index among the outputs. */
  wanted(row: number): number {
    let output = this.#outputOf.get(row);
    if (output === undefined) {
      output = this.#outputs.push(row) - 1;
      this.#outputOf.set(row, output);
    }
    return output;
  }
}

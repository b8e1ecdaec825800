import type { TokenRows } from "./language-engine.ts";

/** Behind the last node of a chain that has no chain before it; shaders/transformer/batch.wgsl. */
const NONE = 0xffffffff;
/** Most tokens under one root: whatever all of them share is one thread's work in the backward pass. */
const ROOT_LIMIT = 512;

/**
 * Rows merged by their common prefixes, in depth-first order, for the kernels: what a causal transformer computes at a
 * token depends on its path alone, so siblings of a group pay for their prompt once. Reused from step to step; arrays
 * grow and never shrink.
 */
export class TokenForest {
  /** Per token and one more: id, position, end of its subtree, first of its predictions. */
  tokens = new Uint32Array(0);
  /** Per token: first token of its unbroken chain, and the token before that chain. */
  runs = new Uint32Array(0);
  /** Per prediction, sorted by token: token, id, weight, advantage; old log-probability, importance, reference, 0. */
  predictions = new Uint32Array(0);
  /** Where each id's tokens begin, [vocabularySize + 1], then the tokens by id. */
  occurrences = new Uint32Array(0);
  /** Element of the rows' per-token arrays that each prediction belongs to. */
  entries = new Int32Array(0);
  tokenCount = 0;
  predictionCount = 0;
  #rows: TokenRows | null = null;
  #order: Int32Array = new Int32Array(0);
  /** Tokens of each row that are read: none after the last prediction. */
  #used: Int32Array = new Int32Array(0);
  #wanted: (entry: number) => boolean = () => false;
  #next = 0;

  /** Begins with rows whose entries are all `wanted`, or those alone that have weight. */
  start(rows: TokenRows, all: boolean): void {
    this.#rows = rows;
    this.#wanted = all ? () => true : (entry) => rows.weights[entry]! > 0;
    this.#used = Int32Array.from({ length: rows.rows }, (_, row) => {
      let last = rows.lengths[row]! - 1;
      while (last > 0 && !this.#wanted(row * rows.length + last)) last--;
      return Math.max(0, last);
    });
    this.#order = Int32Array.from({ length: rows.rows }, (_, row) => row).sort((a, b) => {
      const end = Math.min(this.#used[a]!, this.#used[b]!);
      for (let t = 0; t < end; t++) {
        const difference = rows.tokens[a * rows.length + t]! - rows.tokens[b * rows.length + t]!;
        if (difference !== 0) return difference;
      }
      return this.#used[a]! - this.#used[b]! || a - b;
    });
    this.#next = 0;
  }

  /** Whether rows are left for another micro-batch. */
  get more(): boolean {
    return this.#rows !== null && this.#next < this.#order.length;
  }

  /** Fills the arrays with the next rows, as many as fit, at least one. */
  next(maxTokens: number, maxPredictions: number, vocabularySize: number): void {
    const rows = this.#rows!;
    this.tokenCount = 0;
    this.predictionCount = 0;
    const path: number[] = [];
    let previous = -1;
    let root = 0;
    const begin = this.#next;
    for (; this.#next < this.#order.length; this.#next++) {
      const row = this.#order[this.#next]!;
      const used = this.#used[row]!;
      if (used === 0) continue;
      const start = row * rows.length;
      if (
        this.#next > begin &&
        (this.tokenCount + used > maxTokens || this.predictionCount + used > maxPredictions)
      ) {
        break;
      }
      let common = 0;
      if (previous >= 0 && this.tokenCount - root < ROOT_LIMIT) {
        while (
          common < Math.min(path.length, used) &&
          rows.tokens[previous + common] === rows.tokens[start + common]
        ) {
          common++;
        }
      }
      this.#close(path, common);
      if (common === 0) root = this.tokenCount;
      this.#reserve(this.tokenCount + used, this.predictionCount + used);
      for (let t = common; t < used; t++) path.push(this.#add(rows.tokens[start + t]!, t, path.at(-1)));
      for (let t = 1; t <= used; t++) {
        if (this.#wanted(start + t)) this.entries[this.predictionCount++] = start + t;
      }
      this.#place(rows, row, path);
      previous = start;
    }
    this.#close(path, 0);
    this.#sortPredictions(rows);
    this.#indexIds(vocabularySize);
  }

  #add(id: number, position: number, parent: number | undefined): number {
    const token = this.tokenCount++;
    this.tokens[4 * token] = id;
    this.tokens[4 * token + 1] = position;
    const chained = parent !== undefined && parent === token - 1;
    this.runs[2 * token] = chained ? this.runs[2 * parent]! : token;
    this.runs[2 * token + 1] = chained ? this.runs[2 * parent + 1]! : (parent ?? NONE);
    return token;
  }

  /** Ends the subtrees of the path's tokens from `depth` on. */
  #close(path: number[], depth: number): void {
    for (let t = depth; t < path.length; t++) this.tokens[4 * path[t]! + 2] = this.tokenCount;
    path.length = depth;
  }

  #owners = new Int32Array(0);

  /** Notes the token that makes each of the row's predictions, which were added last. */
  #place(rows: TokenRows, row: number, path: readonly number[]): void {
    const start = row * rows.length;
    for (let p = this.predictionCount - 1; p >= 0 && this.entries[p]! >= start; p--) {
      if (this.entries[p]! >= start + rows.length) break;
      this.#owners[p] = path[this.entries[p]! - start - 1]!;
    }
  }

  /** Counting sort by token, stable; fills `predictions` and each token's range. */
  #sortPredictions(rows: TokenRows): void {
    const { tokens, tokenCount, predictionCount } = this;
    for (let token = 0; token <= tokenCount; token++) tokens[4 * token + 3] = 0;
    for (let p = 0; p < predictionCount; p++) tokens[4 * this.#owners[p]! + 7]!++;
    for (let token = 1; token <= tokenCount; token++) tokens[4 * token + 3]! += tokens[4 * token - 1]!;
    const floats = new Float32Array(this.predictions.buffer);
    const places = Uint32Array.from({ length: tokenCount }, (_, token) => tokens[4 * token + 3]!);
    const sorted = new Int32Array(predictionCount);
    for (let p = 0; p < predictionCount; p++) {
      const place = places[this.#owners[p]!]!++;
      const entry = this.entries[p]!;
      const at = 8 * place;
      sorted[place] = entry;
      this.predictions[at] = this.#owners[p]!;
      this.predictions[at + 1] = rows.tokens[entry]!;
      floats[at + 2] = rows.weights[entry]!;
      floats[at + 3] = rows.advantages[entry]!;
      floats[at + 4] = rows.oldLogProbabilities[entry]!;
      floats[at + 5] = rows.importance[entry]!;
      floats[at + 6] = rows.referenceLogProbabilities?.[entry] ?? 0;
      this.predictions[at + 7] = 0;
    }
    this.entries.set(sorted);
  }

  #indexIds(vocabularySize: number): void {
    const length = vocabularySize + 1 + this.tokenCount;
    if (this.occurrences.length < length) this.occurrences = new Uint32Array(Math.ceil(length * 1.25));
    const { occurrences, tokens, tokenCount } = this;
    occurrences.fill(0, 0, vocabularySize + 1);
    for (let token = 0; token < tokenCount; token++) occurrences[tokens[4 * token]! + 1]!++;
    for (let id = 0; id < vocabularySize; id++) occurrences[id + 1]! += occurrences[id]!;
    const places = occurrences.slice(0, vocabularySize);
    for (let token = 0; token < tokenCount; token++) {
      occurrences[vocabularySize + 1 + places[tokens[4 * token]!]!++] = token;
    }
  }

  #reserve(tokens: number, predictions: number): void {
    if (this.tokens.length < 4 * (tokens + 1)) {
      this.tokens = grown(this.tokens, 4 * (tokens + 1));
      this.runs = grown(this.runs, 2 * (tokens + 1));
    }
    if (this.entries.length < predictions) {
      const entries = new Int32Array(Math.ceil(predictions * 1.5));
      entries.set(this.entries);
      this.entries = entries;
      const owners = new Int32Array(entries.length);
      owners.set(this.#owners);
      this.#owners = owners;
      this.predictions = grown(this.predictions, 8 * entries.length);
    }
  }
}

function grown(array: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(Math.ceil(length * 1.5));
  larger.set(array);
  return larger;
}

/** Behind the last node of a chain that has no chain before it; shaders/transformer/batch.wgsl. */
const NONE = 0xffffffff;

interface Lane<Sequence> {
  readonly region: number;
  /** Positions before this one are those of `owner`. */
  shared: number;
  owner: Lane<Sequence> | null;
  /** Positions before this one have keys and values. */
  known: number;
  /** Lanes that need its region, itself included. */
  users: number;
  /** Its prompt without the last token, under which others find it. */
  key: string | null;
}

/**
 * Where in the cache each sequence's keys and values are: a region of `length` nodes a sequence. A prompt that is
 * already there, or on its way there, is shared: the later sequence's path goes on from the earlier one's region.
 */
export class CacheRegions<Sequence extends object> {
  /** Per node: first node of its unbroken chain, and the node before that chain (shaders/transformer/ancestors.wgsl). */
  readonly runs: Uint32Array<ArrayBuffer>;
  /** Whether `runs` has changed. */
  dirty = true;
  readonly #length: number;
  readonly #free: number[];
  readonly #lanes = new Map<Sequence, Lane<Sequence>>();
  readonly #owners = new Map<string, Lane<Sequence>>();

  constructor(regions: number, length: number) {
    this.#length = length;
    this.#free = Array.from({ length: regions }, (_, i) => regions - 1 - i);
    this.runs = new Uint32Array(2 * regions * length);
  }

  /** Regions that are in use once all of `sequences` have theirs. */
  needed(sequences: Iterable<Sequence>): number {
    let needed = this.runs.length / (2 * this.#length) - this.#free.length;
    for (const sequence of sequences) if (!this.#lanes.has(sequence)) needed++;
    return needed;
  }

  /** Gives the sequence a region, unless it has one. `tokens`: all of it so far. */
  admit(sequence: Sequence, tokens: readonly number[], prompt: Int32Array): void {
    if (this.#lanes.has(sequence)) return;
    const region = this.#free.pop();
    if (region === undefined) throw new Error("the cache has no free region");
    const key = prompt.subarray(0, -1).join();
    const found = prompt.length > 1 ? this.#owners.get(key) : undefined;
    const owner = found ?? null;
    const shared = owner === null ? 0 : prompt.length - 1;
    const lane: Lane<Sequence> = { region, shared, owner, known: shared, users: 1, key: null };
    this.#lanes.set(sequence, lane);
    if (owner) owner.users++;
    else if (prompt.length > 1 && tokens.length === prompt.length) {
      lane.key = key;
      this.#owners.set(key, lane);
    }
    this.#writeRuns(lane);
  }

  known(sequence: Sequence): number {
    return this.#lane(sequence).known;
  }

  node(sequence: Sequence, position: number): number {
    const lane = this.#lane(sequence);
    const { region } = position < lane.shared ? lane.owner! : lane;
    return region * this.#length + position;
  }

  /** Positions before `known` have their keys and values now. */
  advance(sequence: Sequence, known: number): void {
    this.#lane(sequence).known = known;
  }

  release(sequence: Sequence): void {
    const lane = this.#lanes.get(sequence);
    if (!lane) return;
    this.#lanes.delete(sequence);
    this.#unshare(lane);
    this.#drop(lane);
  }

  /** Nothing that is cached holds any longer. */
  forgetAll(): void {
    this.#owners.clear();
    for (const lane of this.#lanes.values()) {
      this.#unshare(lane);
      lane.key = null;
      lane.known = 0;
      this.#writeRuns(lane);
    }
  }

  #unshare(lane: Lane<Sequence>): void {
    const { owner } = lane;
    lane.owner = null;
    lane.shared = 0;
    if (owner) this.#drop(owner);
  }

  /** One user less; the last one frees the region. */
  #drop(lane: Lane<Sequence>): void {
    if (--lane.users > 0) return;
    if (lane.key !== null) this.#owners.delete(lane.key);
    this.#free.push(lane.region);
  }

  #writeRuns(lane: Lane<Sequence>): void {
    const begin = lane.region * this.#length;
    const before = lane.owner === null ? NONE : lane.owner.region * this.#length + lane.shared - 1;
    for (let node = begin + lane.shared; node < begin + this.#length; node++) {
      this.runs[2 * node] = begin + lane.shared;
      this.runs[2 * node + 1] = before;
    }
    this.dirty = true;
  }

  #lane(sequence: Sequence): Lane<Sequence> {
    const lane = this.#lanes.get(sequence);
    if (!lane) throw new Error("the sequence is not in the cache");
    return lane;
  }
}

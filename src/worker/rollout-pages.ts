import type { LightningStore, Rollout } from "../store/records.ts";
import { contains, RolloutIndex, type RolloutPage, type RolloutPageQuery } from "./rollout-index.ts";

/** Rows read at once. */
const chunk = 2000;
/** Indexes that are kept: the run that is looked at, and the one before. */
const mostIndexes = 2;

/** Rows whose long texts are looked through for each page that is asked for: a tenth of a second. */
const searchedAtOnce = 4 * chunk;

/** How far the long texts of a run have been looked through for one text. */
interface TextSearch {
  readonly text: string;
  /** Entries of the index's list of cut rollouts that are in `left`, or were. */
  taken: number;
  /** Numbers that are still to be read, ascending: the newest are read first. */
  left: number[];
  readonly found: Set<number>;
}

interface Indexed {
  readonly index: RolloutIndex;
  reading: Promise<void> | null;
  search: TextSearch | null;
  searching: Promise<void> | null;
}

/** Pages of rollouts, filtered and sorted, for runs of any length: reads each rollout once, then only what is shown. */
export class RolloutPages {
  readonly #store: Pick<LightningStore, "rollouts">;
  readonly #indexes = new Map<string, Indexed>();
  readonly #room: number | undefined;

  /** `room` for texts that are kept whole, see `RolloutIndex`. */
  constructor(store: Pick<LightningStore, "rollouts">, room?: number) {
    this.#store = store;
    this.#room = room;
  }

  /**
   * One page. Text is found at once in what the index keeps; what it had to cut is looked through bit by bit, as often as somebody
   * asks, newest first: `unsearched` says how much is left.
   */
  async page(query: RolloutPageQuery): Promise<RolloutPage> {
    const indexed = await this.#read(query.runId);
    const { index } = indexed;
    const text = query.text?.toLowerCase() ?? "";
    if (text !== "" && index.cut.length > 0) {
      indexed.searching = this.#search(query.runId, indexed, text, indexed.searching);
      await indexed.searching;
    }
    const search = indexed.search?.text === text ? indexed.search : null;
    const { numbers, total } = index.page(query, search?.found);
    return {
      items: await this.#rollouts(query.runId, numbers),
      total,
      all: index.length,
      ...(search && search.left.length > 0 ? { unsearched: search.left.length } : {}),
    };
  }

  /** One step of the search, after the one that goes on. */
  async #search(runId: string, indexed: Indexed, text: string, before: Promise<void> | null): Promise<void> {
    await before?.catch(() => null);
    if (indexed.search?.text !== text) indexed.search = { text, taken: 0, left: [], found: new Set() };
    const { index, search } = indexed;
    if (search.taken < index.cut.length) {
      search.left = [...new Set([...search.left, ...index.cut.slice(search.taken)])].sort((a, b) => a - b);
      search.taken = index.cut.length;
    }
    for (let read = 0; read < searchedAtOnce && search.left.length > 0; read += chunk) {
      const last = search.left.at(-1)!;
      const from = search.left.findLastIndex((number) => number <= last - chunk) + 1;
      const numbers = new Set(search.left.slice(from));
      const range = { afterNumber: search.left[from]! - 1, beforeNumber: last + 1 };
      const rows = await this.#store.rollouts({ runId, ...range });
      search.left.length = from;
      for (const row of rows)
        if (numbers.has(row.number) && contains(row, text)) search.found.add(row.number);
    }
  }

  forget(runId: string): void {
    this.#indexes.delete(runId);
  }

  async #read(runId: string): Promise<Indexed> {
    const known = this.#indexes.get(runId) ?? {
      index: new RolloutIndex(this.#room),
      reading: null,
      search: null,
      searching: null,
    };
    this.#indexes.delete(runId);
    this.#indexes.set(runId, known);
    for (const id of this.#indexes.keys()) {
      if (this.#indexes.size > mostIndexes) this.#indexes.delete(id);
    }
    known.reading ??= this.#catchUp(runId, known.index).finally(() => {
      known.reading = null;
    });
    await known.reading;
    return known;
  }

  async #catchUp(runId: string, index: RolloutIndex): Promise<void> {
    for (let after = index.settled; ;) {
      const rows = await this.#store.rollouts({ runId, afterNumber: after, limit: chunk });
      index.add(rows);
      if (rows.length < chunk) return;
      after = rows.at(-1)!.number;
    }
  }

  /** In the order of `numbers`; neighbours are read together. */
  async #rollouts(runId: string, numbers: readonly number[]): Promise<Rollout[]> {
    const sorted = [...numbers].sort((a, b) => a - b);
    const ranges: { readonly first: number; last: number }[] = [];
    for (const number of sorted) {
      const range = ranges.at(-1);
      if (range && number - range.last <= 4) range.last = number;
      else ranges.push({ first: number, last: number });
    }
    const read = await Promise.all(
      ranges.map(({ first, last }) =>
        this.#store.rollouts({ runId, afterNumber: first - 1, beforeNumber: last + 1 }),
      ),
    );
    const byNumber = new Map(read.flat().map((rollout) => [rollout.number, rollout]));
    return numbers.flatMap((number) => byNumber.get(number) ?? []);
  }
}

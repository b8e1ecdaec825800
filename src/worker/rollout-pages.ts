import type { LightningStore, Rollout } from "../store/records.ts";
import { RolloutIndex, type RolloutPage, type RolloutPageQuery } from "./rollout-index.ts";

/** Rows read at once. */
const chunk = 2000;
/** Indexes that are kept: the run that is looked at, and the one before. */
const mostIndexes = 2;

/** Pages of rollouts, filtered and sorted, for runs of any length: reads each rollout once, then only what is shown. */
export class RolloutPages {
  readonly #store: Pick<LightningStore, "rollouts">;
  readonly #indexes = new Map<string, { readonly index: RolloutIndex; reading: Promise<void> | null }>();

  constructor(store: Pick<LightningStore, "rollouts">) {
    this.#store = store;
  }

  async page(query: RolloutPageQuery): Promise<RolloutPage> {
    const index = await this.#read(query.runId);
    const { numbers, total } = index.page(query);
    return { items: await this.#rollouts(query.runId, numbers), total, all: index.length };
  }

  forget(runId: string): void {
    this.#indexes.delete(runId);
  }

  async #read(runId: string): Promise<RolloutIndex> {
    const known = this.#indexes.get(runId) ?? { index: new RolloutIndex(), reading: null };
    this.#indexes.delete(runId);
    this.#indexes.set(runId, known);
    for (const id of this.#indexes.keys()) {
      if (this.#indexes.size > mostIndexes) this.#indexes.delete(id);
    }
    known.reading ??= this.#catchUp(runId, known.index).finally(() => {
      known.reading = null;
    });
    await known.reading;
    return known.index;
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

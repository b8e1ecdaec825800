import type { FinishedRollout } from "./lightning-records.ts";
import { rolloutIsFinished } from "./state-machines.ts";
import { listKey, type Counters, type StorageTransaction, type TableName } from "./storage.ts";

export const finishedTables: readonly TableName[] = ["meta", "finished", "rollouts"];

export const readCounters = async (transaction: StorageTransaction): Promise<Counters> =>
  ((await transaction.get("meta", "counters")) as Counters | undefined) ?? { queue: 0, finished: 0 };

/** Adds rollouts of one run to the feed, in this order. */
export async function appendFinished(
  transaction: StorageTransaction,
  runId: string,
  numbers: readonly number[],
): Promise<void> {
  const counters = await readCounters(transaction);
  const { finished: first } = counters;
  transaction.put("finished", [listKey, first], { first, runId, numbers: Int32Array.from(numbers) });
  transaction.put("meta", "counters", { ...counters, finished: counters.finished + numbers.length });
}

/** Removes a run's entries; the cursors of the others stay. */
export async function removeFinished(transaction: StorageTransaction, runId: string): Promise<void> {
  for (const { key, value } of await transaction.list("finished", listKey)) {
    if (value.runId === runId) transaction.delete("finished", key);
  }
}

/** A page of the feed of finished rollouts. */
export interface FinishedPage {
  /** Oldest first. One that was deleted, or is no longer finished, is left out and keeps its place. */
  readonly items: readonly FinishedRollout[];
  /** The cursor of the next page. */
  readonly nextAfter: number;
  /** Everything that was ever added. */
  readonly total: number;
}

/** Entries after the first `after` of them, `limit` at most. */
export async function readFinished(
  transaction: StorageTransaction,
  after: number,
  limit: number,
): Promise<FinishedPage> {
  const { finished: total } = await readCounters(transaction);
  const items: FinishedRollout[] = [];
  // The group that holds the first wanted entry begins at or before it.
  const [containing] = await transaction.page("finished", listKey, {
    before: after + 1,
    limit: 1,
    order: "newest",
  });
  let start = containing?.first ?? 0;
  let cursor = after;
  while (cursor < total && cursor - after < limit) {
    const [group] = await transaction.page("finished", listKey, { after: start - 1, limit: 1 });
    if (!group) {
      cursor = total;
      break;
    }
    const { first, runId, numbers } = group;
    start = first;
    // Between two groups may lie those of a run that was deleted.
    cursor = Math.max(cursor, start);
    for (let i = Math.max(0, cursor - start); i < numbers.length && cursor - after < limit; i++, cursor++) {
      const rollout = await transaction.get("rollouts", [runId, numbers[i]!]);
      if (!rollout || !rolloutIsFinished(rollout.status)) continue;
      const { id: rolloutId, status, mode } = rollout;
      items.push({ rolloutId, runId, status, mode });
    }
    start += numbers.length;
  }
  return { items, nextAfter: Math.max(after, cursor), total };
}

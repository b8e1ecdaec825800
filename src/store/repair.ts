import { readCounters } from "./finished-feed.ts";
import { repairRun } from "./repair-run.ts";
import { isWatched } from "./rollout-writer.ts";
import { rolloutIdOf } from "./span.ts";
import { rolloutIsFinished, rolloutWaits } from "./state-machines.ts";
import {
  listKey,
  runOfKey,
  type Bookkeeping,
  type StorageTransaction,
  type TableName,
  type TailGroup,
} from "./storage.ts";

/** What a damaged stretch of a log makes doubtful of the rest of it. */
export interface Salvage {
  /** Groups of tails, by run, that were deleted as if sealed before, where the seal itself may be what was lost. */
  readonly tails: ReadonlyMap<string, readonly TailGroup[]>;
  /** Numbers of the rollouts, by run, that were removed behind it: spans of theirs that came back are to go. */
  readonly removed: ReadonlyMap<string, ReadonlySet<number>>;
}

/** Tables whose rows belong to a run. */
const contentTables: readonly TableName[] = [
  "runs",
  "tail",
  "segments",
  "blobs",
  "tokens",
  "rollouts",
  "checkpoints",
];

/**
 * Makes the tables fit together again after some transactions were lost from their middle: nothing that is there is given up
 * but what is there twice. Ids of the runs in which anything had to be changed.
 */
export async function repairTables(transaction: StorageTransaction, salvage: Salvage): Promise<string[]> {
  const found = new Set<string>();
  for (const table of contentTables)
    for (const { key } of await transaction.list(table)) found.add(runOfKey(key));
  const changed: string[] = [];
  for (const runId of [...found].sort()) {
    const book = await transaction.get("bookkeeping", runId);
    // What is left of an opening of a workspace; the next one takes it away.
    if (book?.staged) continue;
    const tails = salvage.tails.get(runId) ?? [];
    const removed = salvage.removed.get(runId) ?? new Set<number>();
    if (await repairRun(transaction, runId, tails, removed)) changed.push(runId);
  }
  await repairHeads(transaction);
  await repairLists(transaction);
  return changed;
}

/** Each set of resources has a head that names a version. */
async function repairHeads(transaction: StorageTransaction): Promise<void> {
  const latest = new Map<string, { version: number; runId: string | null }>();
  for (const { value } of await transaction.list("resources")) {
    const { id, version, runId } = value;
    if (version > (latest.get(id)?.version ?? 0)) latest.set(id, { version, runId });
  }
  for (const [id, { version, runId }] of latest) {
    const head = await transaction.get("resourceHeads", id);
    if (head && head.version >= version) continue;
    transaction.put("resourceHeads", id, { order: 0, ...head, version, runId });
  }
}

/** Whatever points to rollouts: their ids, the queue, the list of those under a time limit, the feed. */
async function repairLists(transaction: StorageTransaction): Promise<void> {
  const waiting = new Set<string>();
  let { queue, finished } = await readCounters(transaction);
  for (const { value } of await transaction.list("queue", listKey)) {
    waiting.add(rolloutIdOf(value.runId, value.number));
    queue = Math.max(queue, value.position + 1);
  }
  const told = new Set<string>();
  for (const { value } of await transaction.list("finished", listKey)) {
    for (const number of value.numbers) told.add(rolloutIdOf(value.runId, number));
    finished = Math.max(finished, value.first + value.numbers.length);
  }
  const named = new Set<string>();
  for (const { value } of await transaction.list("rollouts")) {
    const { id, runId, number } = value;
    const place = { runId, number };
    const own = rolloutIdOf(runId, number);
    if (id !== own) named.add(runId);
    if (id !== own && !(await transaction.get("rolloutIds", id))) transaction.put("rolloutIds", id, place);
    if (rolloutWaits(value.status) && !waiting.has(own)) {
      transaction.put("queue", [listKey, queue], { ...place, position: queue });
      queue++;
    }
    if (isWatched(value)) {
      named.add(runId);
      transaction.put("watched", id, place);
    }
    if (rolloutIsFinished(value.status) && !told.has(own)) {
      transaction.put("finished", [listKey, finished], {
        first: finished,
        runId,
        numbers: Int32Array.of(number),
      });
      finished++;
    }
  }
  if (queue > 0 || finished > 0) transaction.put("meta", "counters", { queue, finished });
  for (const { key, value } of await transaction.list("rolloutIds")) {
    const rollout = await transaction.get("rollouts", [value.runId, value.number]);
    if (rollout?.id !== key) transaction.delete("rolloutIds", key);
  }
  for (const runId of named) {
    const book: Bookkeeping | undefined = await transaction.get("bookkeeping", runId);
    if (book && !book.named) transaction.put("bookkeeping", runId, { ...book, named: true });
  }
}

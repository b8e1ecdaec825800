import { FulguriteError } from "../gpu/error.ts";
import { deletedBook } from "./books.ts";
import type { CatalogueCache } from "./catalogue-cache.ts";
import { removeFinished } from "./finished-feed.ts";
import type { Rollout, Run, Span } from "./records.ts";
import { ownSets, removeVersions } from "./resources.ts";
import { holdsRollout } from "./rollout-zone.ts";
import { estimateRolloutBytes } from "./rollouts.ts";
import { dropSegment, rewriteSegments } from "./segment-rewrite.ts";
import { estimateBytes, rolloutIdOf } from "./span.ts";
import { rolloutIsFinished } from "./state-machines.ts";
import { addStatistics, noStatistics, statisticsOf } from "./statistics.ts";
import type { Bookkeeping, Segment, StorageTransaction, TableName } from "./storage.ts";
import { packGroup, unpackGroup } from "./tail-group.ts";
import { runTables } from "./write.ts";

/** Tables of a run, and those that may point to its rollouts. */
export const removalTables: readonly TableName[] = [...runTables, "rolloutIds", "watched", "sequences"];

/**
 * Removes a run and all that belongs to it or that nobody else refers to: rows, segments, checkpoint, weights, the versions of
 * resources that only it was started with, its part of the feed. Leaves a row that says that it was removed; without `note`
 * that row stays as it was, as all that is done is to delete. Both are read the same way, see `readBook`.
 */
export async function removeRun(
  transaction: StorageTransaction,
  runId: string,
  { note }: { readonly note: boolean },
): Promise<void> {
  const book = await transaction.get("bookkeeping", runId);
  if (!book) return;
  if (book.named) {
    for (const { value } of await transaction.list("rollouts", runId)) forgetId(transaction, value.id);
  }
  const run = await transaction.get("runs", runId);
  transaction.delete("runs", runId);
  for (const id of ownSets(runId)) {
    transaction.deleteAll("resources", id);
    transaction.delete("resourceHeads", id);
  }
  if (run) await removeUnused(transaction, run, note);
  transaction.delete("checkpoints", runId);
  for (const table of ["tail", "segments", "blobs", "rollouts", "tokens"] as const)
    transaction.deleteAll(table, runId);
  if (book.nextRollout > 0) await removeFinished(transaction, runId);
  if (note) transaction.put("bookkeeping", runId, deletedBook(book));
}

/** The versions of the run's resources that no other run was started with, or is about to be: one without books yet. */
async function removeUnused(
  transaction: StorageTransaction,
  { id: runId, resources }: Run,
  note: boolean,
): Promise<void> {
  if (!resources) return;
  const used = new Set<number>();
  for (const { value } of await transaction.list("runs")) {
    if (value.id !== runId && value.resources?.id === resources.id) used.add(value.resources.version);
  }
  await removeVersions(transaction, resources.id, { note }, async ({ version, runId: owner }) =>
    used.has(version) ? false : owner === null || (await transaction.get("bookkeeping", owner)) !== undefined,
  );
}

function forgetId(transaction: StorageTransaction, id: string): void {
  for (const table of ["rolloutIds", "watched", "sequences"] as const) transaction.delete(table, id);
}

/** What is to go. */
interface Doomed {
  readonly ids: ReadonlySet<string>;
  readonly numbers: ReadonlySet<number>;
}

const isDoomed = ({ rolloutId }: Span, { ids }: Doomed): boolean => rolloutId !== null && ids.has(rolloutId);

/**
 * Removes finished rollouts of a run, by number: their rows, and their spans from the tail and from every segment. A segment
 * that holds nothing else is dropped, a mixed one is written anew; one that cannot be read is dropped where all of it
 * belongs to them, and otherwise stays as it is, set aside. Numbers that there are no rollouts of are passed over.
 * Resolves with how many there were. Throws "store/rollout-under-way".
 */
export async function removeRollouts(
  transaction: StorageTransaction,
  runId: string,
  numbers: readonly number[],
  catalogue: CatalogueCache,
): Promise<number> {
  const before = await transaction.get("bookkeeping", runId);
  if (!before || before.deleted) return 0;
  let book = before;
  let statistics = before.statistics;
  const found: Rollout[] = [];
  for (const number of numbers) {
    const rollout = await transaction.get("rollouts", [runId, number]);
    if (!rollout) continue;
    if (!rolloutIsFinished(rollout.status)) throw underWay(rollout);
    found.push(rollout);
    transaction.delete("rollouts", [runId, number]);
    forgetId(transaction, rollout.id);
    statistics = addStatistics(statistics, statisticsOf(rollout, -1));
    book = { ...book, rolloutBytes: Math.max(0, book.rolloutBytes - estimateRolloutBytes(rollout)) };
  }
  if (found.length === 0) return 0;
  const doomed: Doomed = {
    ids: new Set(found.map(({ id }) => id)),
    numbers: new Set(found.map(({ number }) => number)),
  };
  const tail = await removeFromTail(transaction, book, doomed);
  book = tail.book;
  let spans = tail.removed;
  for (const segment of await catalogue.segments(transaction, runId)) {
    if (!mayHold(segment, found)) continue;
    if (isWhollyOf(segment, doomed)) {
      book = dropSegment(transaction, book, segment);
      // Caches tell by this number that there was a change.
      book = { ...book, nextSegment: book.nextSegment + 1 };
      spans += segment.rows;
      continue;
    }
    const rewritten = await rewriteSegments(
      transaction,
      book,
      [segment],
      catalogue,
      (span) => !isDoomed(span, doomed),
    );
    if (!rewritten) continue;
    book = { ...rewritten.book, nextSegment: rewritten.book.nextSegment + (rewritten.after === 0 ? 1 : 0) };
    spans += rewritten.removed;
  }
  statistics = addStatistics(statistics, { ...noStatistics, spans: -spans });
  transaction.put("bookkeeping", runId, { ...book, version: before.version + 1, statistics });
  return found.length;
}

async function removeFromTail(
  transaction: StorageTransaction,
  book: Bookkeeping,
  doomed: Doomed,
): Promise<{ readonly book: Bookkeeping; readonly removed: number }> {
  let { tailRows, tailBytes } = book;
  let removed = 0;
  for (const { key, value } of await transaction.list("tail", book.runId)) {
    const rows = unpackGroup(value);
    const kept = rows.filter((span) => !isDoomed(span, doomed));
    if (kept.length === rows.length) continue;
    removed += rows.length - kept.length;
    for (const span of rows) if (isDoomed(span, doomed)) tailBytes -= estimateBytes(span);
    if (kept.length > 0) transaction.put("tail", key, packGroup(kept));
    else transaction.delete("tail", key);
  }
  tailRows -= removed;
  return { book: { ...book, tailRows, tailBytes: tailRows === 0 ? 0 : Math.max(0, tailBytes) }, removed };
}

const mayHold = ({ runId, rollouts }: Segment, found: readonly Rollout[]): boolean =>
  rollouts === null || found.some(({ id }) => holdsRollout(rollouts, runId, id));

/** True where every span inside is of a rollout that goes; then there is no need to read it. */
function isWhollyOf({ runId, rollouts }: Segment, { ids, numbers }: Doomed): boolean {
  if (!rollouts || rollouts.none || !rollouts.others.every((id) => ids.has(id))) return false;
  const { ranges } = rollouts;
  for (let i = 0; i < ranges.length; i += 2) {
    for (let number = ranges[i]!; number <= ranges[i + 1]!; number++) {
      if (!numbers.has(number) || !ids.has(rolloutIdOf(runId, number))) return false;
    }
  }
  return true;
}

const underWay = ({ id, status }: Rollout): FulguriteError =>
  new FulguriteError(
    "store/rollout-under-way",
    `Rollout ${id} is ${status}: what is under way is not deleted.`,
    "Wait until it is finished, or cancel it first.",
  );

import { noStatistics } from "./statistics.ts";
import type { Bookkeeping, StorageTransaction } from "./storage.ts";

/** Of a run that was never heard of, or of one begun anew after it was deleted (`before`): no number is given out twice. */
export const newBook = (runId: string, before?: Bookkeeping): Bookkeeping => ({
  runId,
  deleted: false,
  version: before ? before.version + 1 : 0,
  nextGroup: before?.nextGroup ?? 0,
  nextSegment: before?.nextSegment ?? 0,
  tailRows: 0,
  tailBytes: 0,
  segmentBytes: 0,
  checkpointBytes: 0,
  rolloutBytes: 0,
  nextRollout: before?.nextRollout ?? 0,
  nextTracedRollout: before?.nextTracedRollout ?? 0,
  series: null,
  statistics: noStatistics,
  named: false,
});

/**
 * The bookkeeping row of a run; undefined for one that was never heard of. Needs the tables "bookkeeping" and "runs". A row
 * whose run is gone is read as that of a deleted one: on a full disk a run was deleted without the few bytes that say so,
 * see `Upkeep.deleteRun`.
 */
export async function readBook(
  transaction: StorageTransaction,
  runId: string,
): Promise<Bookkeeping | undefined> {
  const [book, run] = await Promise.all([
    transaction.get("bookkeeping", runId),
    transaction.get("runs", runId),
  ]);
  return book && (run || book.deleted ? book : deletedBook(book));
}

/** Of all runs. */
export async function listBooks(transaction: StorageTransaction): Promise<Bookkeeping[]> {
  const [books, runs] = await Promise.all([transaction.list("bookkeeping"), transaction.list("runs")]);
  const there = new Set(runs.map(({ key }) => key));
  return books.map(({ key, value }) => (there.has(key) || value.deleted ? value : deletedBook(value)));
}

/** What is left of a run that was deleted. */
export const deletedBook = (book: Bookkeeping): Bookkeeping => ({
  ...newBook(book.runId, book),
  deleted: true,
});

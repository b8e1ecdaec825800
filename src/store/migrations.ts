import { addStatistics, noStatistics, statisticsOf } from "./statistics.ts";
import { schemaVersion, type Bookkeeping, type Segment, type StorageTransaction } from "./storage.ts";

/** What version 1 had not: rollouts, tokens, and what its rows say about them. */
type Segment1 = Omit<Segment, "rollouts" | "tokens">;
type Bookkeeping1 = Omit<Bookkeeping2, "rolloutBytes" | "nextRollout" | "nextTracedRollout">;
/** What version 2 had not: statistics, and rollouts with ids of their own. */
type Bookkeeping2 = Omit<Bookkeeping, "statistics" | "named">;

/** From each version to the next. New tables and indexes are there already; a step adds what rows lack. */
const steps: Readonly<Record<number, (transaction: StorageTransaction) => Promise<void>>> = {
  async 1(transaction) {
    const [segments, books] = await Promise.all([
      transaction.list("segments"),
      transaction.list("bookkeeping"),
    ]);
    for (const { key, value } of segments) {
      const segment: Segment1 = value;
      transaction.put("segments", key, { ...segment, rollouts: null, tokens: null });
    }
    for (const { key, value } of books) {
      const book: Bookkeeping1 = value;
      // Whether its spans name rollouts is not known, so none counts as surely new.
      const nextTracedRollout = book.deleted ? 0 : 2 ** 31;
      const grown: Bookkeeping2 = { ...book, rolloutBytes: 0, nextRollout: 0, nextTracedRollout };
      transaction.put("bookkeeping", key, grown as Bookkeeping);
    }
  },
  async 2(transaction) {
    for (const { key, value } of await transaction.list("bookkeeping")) {
      const book: Bookkeeping2 = value;
      const [segments, rollouts] = await Promise.all([
        transaction.list("segments", book.runId),
        transaction.list("rollouts", book.runId),
      ]);
      const sealed = segments.reduce((sum, segment) => sum + segment.value.rows, 0);
      let statistics = { ...noStatistics, spans: book.tailRows + sealed };
      for (const row of rollouts) statistics = addStatistics(statistics, statisticsOf(row.value));
      transaction.put("bookkeeping", key, { ...book, statistics, named: false });
    }
  },
  // Version 4 has segments that were joined, which say where they stand, and versions of resources that went: older rows
  // lack nothing.
  3: () => Promise.resolve(),
  // Version 5 counts the versions of runs and attempts, from 1 where a row says nothing.
  4: () => Promise.resolve(),
};

/** Brings the rows of an older version up to `schemaVersion`, in the transaction that opens the store. */
export async function migrate(transaction: StorageTransaction, from: number): Promise<void> {
  for (let version = from; version < schemaVersion; version++) await steps[version]?.(transaction);
  transaction.put("meta", "schemaVersion", schemaVersion);
}

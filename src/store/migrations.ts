import { schemaVersion, type Bookkeeping, type Segment, type StorageTransaction } from "./storage.ts";

/** What version 1 had not: rollouts, tokens, and what its rows say about them. */
type Segment1 = Omit<Segment, "rollouts" | "tokens">;
type Bookkeeping1 = Omit<Bookkeeping, "rolloutBytes" | "nextRollout" | "nextTracedRollout">;

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
      transaction.put("bookkeeping", key, { ...book, rolloutBytes: 0, nextRollout: 0, nextTracedRollout });
    }
  },
};

/** Brings the rows of an older version up to `schemaVersion`, in the transaction that opens the store. */
export async function migrate(transaction: StorageTransaction, from: number): Promise<void> {
  for (let version = from; version < schemaVersion; version++) await steps[version]?.(transaction);
  transaction.put("meta", "schemaVersion", schemaVersion);
}

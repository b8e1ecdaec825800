import {
  StorageFailure,
  type Storage,
  type StorageTransaction,
  type TableName,
  type TransactionOptions,
} from "../../src/store/storage.ts";

/**
 * What may happen to one transaction.
 * - `throw`, `quota`, `close`: its second write fails, for no reason, for lack of space, or as the database is closed.
 * - `drop`: all of it ran, and the connection breaks before it is durable; nothing was written.
 * - `unsure`: it breaks right after, so that whoever wrote does not know that all was.
 * - `reorder`: it waits, so that later ones overtake it.
 * - `crash`: as `drop`, and whoever used the storage is gone: see `crashes`.
 */
export const faults = ["none", "throw", "quota", "close", "drop", "unsure", "reorder", "crash"] as const;
export type Fault = (typeof faults)[number];

const kinds = { throw: "failed", quota: "full", close: "lost", drop: "lost", crash: "closed" } as const;

/** Any storage, with faults: each transaction takes the next of a list, and none where the list is at its end. */
export class FaultyStorage implements Storage {
  readonly #inner: Storage;
  readonly #faults: Fault[];
  /** How often each fault has happened. */
  readonly happened = new Map<Fault, number>();
  /** How often the process ended: a store that was opened before such a moment must not be used after it. */
  crashes = 0;
  /** While true, a transaction that puts anything fails at its end, as on a full disk; one that only deletes passes. */
  full = false;

  constructor(inner: Storage, faults: readonly Fault[] = []) {
    this.#inner = inner;
    this.#faults = [...faults];
  }

  async transaction<Result>(
    tables: readonly TableName[],
    options: TransactionOptions,
    body: (transaction: StorageTransaction) => Promise<Result>,
  ): Promise<Result> {
    if (this.full) return this.#whileFull(tables, options, body);
    const fault = this.#faults.shift() ?? "none";
    this.happened.set(fault, (this.happened.get(fault) ?? 0) + 1);
    if (fault === "reorder") await new Promise((resolve) => setTimeout(resolve, 1));
    const result = await this.#inner.transaction(tables, options, async (transaction) => {
      if (fault === "none" || fault === "unsure" || fault === "reorder") return body(transaction);
      const fail = (): never => {
        throw new StorageFailure(kinds[fault], "told to");
      };
      let writes = 0;
      // In its middle: the second write does not happen, the first must be undone.
      const inMiddle = fault !== "drop" && fault !== "crash";
      const write =
        <Parameters extends unknown[]>(operation: (...parameters: Parameters) => void) =>
        (...parameters: Parameters): void => {
          if (writes++ > 0 && inMiddle) fail();
          operation(...parameters);
        };
      await body({
        ...transaction,
        put: write(transaction.put.bind(transaction)) as StorageTransaction["put"],
        delete: write(transaction.delete.bind(transaction)),
        deleteAll: write(transaction.deleteAll.bind(transaction)),
      });
      if (fault === "crash") this.crashes++;
      return fail();
    });
    if (fault === "unsure") throw new StorageFailure("lost", "told to");
    return result;
  }

  #whileFull<Result>(
    tables: readonly TableName[],
    options: TransactionOptions,
    body: (transaction: StorageTransaction) => Promise<Result>,
  ): Promise<Result> {
    return this.#inner.transaction(tables, options, async (transaction) => {
      let puts = 0;
      const result = await body({
        ...transaction,
        put: (table, key, value) => {
          puts++;
          transaction.put(table, key, value);
        },
      });
      if (puts > 0) throw new StorageFailure("full", "told to");
      return result;
    });
  }

  estimate(): ReturnType<Storage["estimate"]> {
    return this.#inner.estimate();
  }

  persist(): ReturnType<Storage["persist"]> {
    return this.#inner.persist();
  }

  close(): void {
    this.#inner.close();
  }
}

import {
  StorageFailure,
  type Storage,
  type StorageTransaction,
  type TableName,
  type TransactionOptions,
} from "../../src/store/storage.ts";

/**
 * What may happen to one transaction. `throw`, `quota` and `close`: an operation in its middle fails. `lost`: the connection
 * breaks and nothing was written. `lost-after`: it breaks once all was. `late`: it waits, so that a later one overtakes it.
 */
export const faults = ["none", "throw", "quota", "close", "lost", "lost-after", "late"] as const;
export type Fault = (typeof faults)[number];

const kinds = { throw: "failed", quota: "full", close: "closed" } as const;

/** Any storage, with faults: each transaction takes the next of a list, and none where the list is at its end. */
export class FaultyStorage implements Storage {
  readonly #inner: Storage;
  readonly #faults: Fault[];

  constructor(inner: Storage, faults: readonly Fault[]) {
    this.#inner = inner;
    this.#faults = [...faults];
  }

  async transaction<Result>(
    tables: readonly TableName[],
    options: TransactionOptions,
    body: (transaction: StorageTransaction) => Promise<Result>,
  ): Promise<Result> {
    const fault = this.#faults.shift() ?? "none";
    if (fault === "lost") throw new StorageFailure("lost", "told to");
    if (fault === "late") await new Promise((resolve) => setTimeout(resolve, 1));
    const result = await this.#inner.transaction(tables, options, async (transaction) => {
      if (fault !== "throw" && fault !== "quota" && fault !== "close") return body(transaction);
      const fail = (): never => {
        throw new StorageFailure(kinds[fault], "told to");
      };
      let writes = 0;
      // In its middle: the second write does not happen, the first must be undone.
      const write =
        <Parameters extends unknown[]>(operation: (...parameters: Parameters) => void) =>
        (...parameters: Parameters): void => {
          if (writes++ > 0) fail();
          operation(...parameters);
        };
      await body({
        ...transaction,
        put: write(transaction.put.bind(transaction)) as StorageTransaction["put"],
        delete: write(transaction.delete.bind(transaction)),
        deleteAll: write(transaction.deleteAll.bind(transaction)),
      });
      return fail();
    });
    if (fault === "lost-after") throw new StorageFailure("lost", "told to");
    return result;
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

import { migrate } from "./migrations.ts";
import {
  runOfKey,
  schemaVersion,
  tableNames,
  type Key,
  type Storage,
  type StorageRow,
  type StorageTransaction,
  type TableName,
  type Tables,
  type TransactionOptions,
} from "./storage.ts";

interface Entry {
  readonly key: Key;
  readonly value: unknown;
}

/** Rows of all tables, as a storage of any version keeps them. */
export type StoredTables = Readonly<Partial<Record<TableName, readonly StorageRow<unknown>[]>>>;

function compare(a: Key, b: Key): number {
  const runA = runOfKey(a);
  const runB = runOfKey(b);
  if (runA !== runB) return runA < runB ? -1 : 1;
  return typeof a === "string" || typeof b === "string" ? 0 : a[1] - b[1];
}

/**
 * The store in memory: for Node, and for tests. Values are cloned in and out, transactions run one after
 * another, and one that throws leaves no trace.
 */
export class MemoryStorage implements Storage {
  readonly #tables = new Map<TableName, Map<string, Entry>>(tableNames.map((name) => [name, new Map()]));
  #last: Promise<unknown> = Promise.resolve();

  /** Empty, or with the rows of an older store, brought up to this version before anything else. */
  constructor(stored: StoredTables = {}) {
    for (const name of tableNames) {
      for (const { key, value } of stored[name] ?? []) {
        this.#tables.get(name)!.set(JSON.stringify(key), { key, value: structuredClone(value) });
      }
    }
    const version = this.#tables.get("meta")!.get(JSON.stringify("schemaVersion"))?.value;
    if (typeof version === "number" && version < schemaVersion) {
      this.#last = this.#run(tableNames, { mode: "readwrite" }, (transaction) =>
        migrate(transaction, version),
      );
    }
  }

  transaction<Result>(
    tables: readonly TableName[],
    options: TransactionOptions,
    body: (transaction: StorageTransaction) => Promise<Result>,
  ): Promise<Result> {
    const result = this.#last.then(() => this.#run(tables, options, body));
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #run<Result>(
    tables: readonly TableName[],
    options: TransactionOptions,
    body: (transaction: StorageTransaction) => Promise<Result>,
  ): Promise<Result> {
    const undo: (() => void)[] = [];
    const entries = (name: TableName): Map<string, Entry> => {
      if (!tables.includes(name)) throw new Error(`table ${name} is not part of this transaction`);
      return this.#tables.get(name)!;
    };
    const write = (name: TableName, key: Key, entry: Entry | null): void => {
      if (options.mode === "readonly") throw new Error("a readonly transaction cannot write");
      const table = entries(name);
      const id = JSON.stringify(key);
      const before = table.get(id);
      undo.push(() => (before ? table.set(id, before) : table.delete(id)));
      if (entry) table.set(id, entry);
      else table.delete(id);
    };
    const list = <Name extends TableName>(name: Name, runId?: string): StorageRow<Tables[Name]>[] =>
      [...entries(name).values()]
        .filter(({ key }) => runId === undefined || (typeof key !== "string" && key[0] === runId))
        .sort((a, b) => compare(a.key, b.key)) as StorageRow<Tables[Name]>[];
    try {
      return await body({
        get: <Name extends TableName>(name: Name, key: Key) =>
          Promise.resolve(
            structuredClone(entries(name).get(JSON.stringify(key))?.value) as Tables[Name] | undefined,
          ),
        list: (name, runId) => Promise.resolve(structuredClone(list(name, runId))),
        page: (name, runId, { after = -Infinity, before = Infinity, limit = Infinity, order }) => {
          const rows = list(name, runId).filter(
            ({ key }) => Number(key[1]) > after && Number(key[1]) < before,
          );
          if (order === "newest") rows.reverse();
          return Promise.resolve(rows.slice(0, limit).map(({ value }) => structuredClone(value)));
        },
        find: (index, runId, value) =>
          Promise.resolve(
            list("rollouts", runId)
              .filter((row) => row.value[index] === value)
              .map((row) => structuredClone(row.value)),
          ),
        put: (name, key, value) => {
          write(name, key, { key, value: structuredClone(value) });
        },
        delete: (name, key) => {
          write(name, key, null);
        },
        deleteAll: (name, runId) => {
          for (const { key } of list(name, runId)) write(name, key, null);
        },
      });
    } catch (error) {
      for (const step of undo.reverse()) step();
      throw error;
    }
  }

  estimate(): Promise<null> {
    return Promise.resolve(null);
  }

  persist(): Promise<null> {
    return Promise.resolve(null);
  }

  close(): void {
    // Nothing is held.
  }
}

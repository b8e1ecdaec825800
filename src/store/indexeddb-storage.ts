import { openDB, type IDBPDatabase, type IDBPObjectStore } from "idb";
import { migrate } from "./migrations.ts";
import { askToPersist, storageManager } from "./persistence.ts";
import type { Rollout } from "./records.ts";
import {
  rolloutIndexes,
  schemaVersion,
  StorageFailure,
  tableNames,
  type Key,
  type PageRange,
  type Storage,
  type StorageEstimate,
  type StorageFailureKind,
  type StorageRow,
  type StorageTransaction,
  type TableName,
  type Tables,
  type TransactionOptions,
} from "./storage.ts";
import { turnLog } from "./turn-log.ts";

export interface IndexedDbOptions {
  /** How long another tab may take to let go of an older schema, milliseconds; default 3000. */
  readonly patience?: number;
}

const kinds: Readonly<Record<string, StorageFailureKind>> = {
  QuotaExceededError: "full",
  InvalidStateError: "lost",
  UnknownError: "lost",
  AbortError: "lost",
  VersionError: "newer",
  SecurityError: "unavailable",
};

function failureOf(error: unknown): unknown {
  if (!(error instanceof DOMException)) return error;
  // Chromium's word for a frame in another site's page, where cookies of third parties are blocked.
  const denied = error.name === "UnknownError" && /denied permission/i.test(error.message);
  const kind = denied ? "unavailable" : (kinds[error.name] ?? "failed");
  return new StorageFailure(kind, `${error.name}: ${error.message}`, error);
}

const ofRun = (runId: string): IDBKeyRange => IDBKeyRange.bound([runId], [runId, []]);
const toKey = (key: Key): IDBValidKey => (typeof key === "string" ? key : [...key]);

type Table = IDBPObjectStore<unknown, string[], string, IDBTransactionMode>;

/** The numbers between two, of one run; null where there can be none (such a range is an error to IndexedDB). */
function between(runId: string, after: number, before: number): IDBKeyRange | null {
  const lower = Math.max(after, -1);
  const upper = Math.min(before, 2 ** 53);
  return upper - lower < 2 ? null : IDBKeyRange.bound([runId, lower], [runId, upper], true, true);
}

async function page(table: Table, runId: string, range: PageRange): Promise<unknown[]> {
  const { after = -1, before = Infinity, limit = Infinity, order } = range;
  const keys = between(runId, after, before);
  if (!keys || limit < 1) return [];
  if (order !== "newest") return table.getAll(keys, Number.isFinite(limit) ? limit : undefined);
  let stretch = keys;
  if (Number.isFinite(limit)) {
    // getAll only goes up: find the key where the last page of that many rows begins.
    let first = await table.openKeyCursor(keys, "prev");
    if (first && limit > 1) first = await first.advance(limit - 1);
    if (first) stretch = IDBKeyRange.bound(first.key, keys.upper, false, true);
  }
  return (await table.getAll(stretch)).reverse();
}

const operations = (table: (name: TableName) => Table): StorageTransaction => ({
  get: <Name extends TableName>(name: Name, key: Key) =>
    table(name).get(toKey(key)) as Promise<Tables[Name] | undefined>,
  list: async <Name extends TableName>(name: Name, runId?: string) => {
    const range = runId === undefined ? null : ofRun(runId);
    const [keys, values] = await Promise.all([table(name).getAllKeys(range), table(name).getAll(range)]);
    return keys.map((key, i) => ({ key, value: values[i] as unknown }) as StorageRow<Tables[Name]>);
  },
  page: <Name extends TableName>(name: Name, runId: string, range: PageRange) =>
    page(table(name), runId, range) as Promise<Tables[Name][]>,
  find: (index, runId, value) =>
    table("rollouts")
      .index(index)
      .getAll(IDBKeyRange.only([runId, value])) as Promise<Rollout[]>,
  put: (name, key, value) => {
    table(name).put?.(value, toKey(key)).catch(ignore);
  },
  delete: (name, key) => {
    table(name).delete?.(toKey(key)).catch(ignore);
  },
  deleteAll: (name, runId) => {
    table(name).delete?.(ofRun(runId)).catch(ignore);
  },
});

/** The store on the person's own disk. Several tabs may have the same name open; transactions order them. */
export class IndexedDbStorage implements Storage {
  readonly #name: string;
  readonly #patience: number;
  #connection: Promise<IDBPDatabase> | null = null;
  #closed = false;

  constructor(name: string, options: IndexedDbOptions = {}) {
    this.#name = name;
    this.#patience = options.patience ?? 3000;
  }

  async transaction<Result>(
    tables: readonly TableName[],
    options: TransactionOptions,
    body: (transaction: StorageTransaction) => Promise<Result>,
  ): Promise<Result> {
    const database = await this.#open();
    let transaction;
    try {
      transaction = database.transaction(tables as string[], options.mode, {
        durability: options.durability ?? "relaxed",
      });
    } catch (error) {
      this.#drop(database);
      throw failureOf(error);
    }
    const done = transaction.done.then(
      () => null,
      (error: unknown) => ({ error }),
    );
    try {
      const result = await body(operations((name) => transaction.objectStore(name) as unknown as Table));
      const failed = await done;
      if (failed) throw failed.error;
      return result;
    } catch (error) {
      try {
        transaction.abort();
      } catch {
        // It has ended already.
      }
      await done;
      // A request of an aborted transaction says only AbortError; the transaction knows why.
      const failure = failureOf(transaction.error ?? error);
      if (failure instanceof StorageFailure && failure.kind === "lost") this.#drop(database);
      throw failure;
    }
  }

  #drop(database: IDBPDatabase): void {
    database.close();
    this.#connection = null;
  }

  #open(): Promise<IDBPDatabase> {
    if (this.#closed) {
      return Promise.reject(new StorageFailure("closed", "The store was closed."));
    }
    this.#connection ??= this.#connect().catch((error: unknown) => {
      this.#connection = null;
      throw failureOf(error);
    });
    return this.#connection;
  }

  #connect(): Promise<IDBPDatabase> {
    if (typeof indexedDB === "undefined") {
      return Promise.reject(new StorageFailure("unavailable", "This browser has no IndexedDB here."));
    }
    return new Promise((resolve, reject) => {
      let late = false;
      const letGo = (): void => {
        this.#connection = null;
      };
      openDB(this.#name, schemaVersion, {
        upgrade(database, oldVersion, _newVersion, transaction) {
          for (const name of tableNames) {
            if (!database.objectStoreNames.contains(name)) database.createObjectStore(name);
          }
          const rollouts = transaction.objectStore("rollouts");
          for (const field of rolloutIndexes) {
            if (!rollouts.indexNames.contains(field)) rollouts.createIndex(field, ["runId", field]);
          }
          const rows = operations((name) => transaction.objectStore(name) as unknown as Table);
          // A step that fails leaves the old version as it was.
          migrate(rows, oldVersion).catch(() => {
            transaction.abort();
          });
        },
        blocked: () => {
          setTimeout(() => {
            late = true;
            reject(new StorageFailure("blocked", "Another tab holds the store in an older version."));
          }, this.#patience);
        },
        blocking(_current, _blocked, event) {
          // Another tab brings a newer schema, or deletes everything: let it.
          (event.target as IDBDatabase).close();
          letGo();
        },
        terminated: letGo,
      }).then((database) => {
        if (late || this.#closed) database.close();
        if (this.#closed) reject(new StorageFailure("closed", "The store was closed."));
        else if (!late) turnLog(this.#name, database);
        resolve(database);
      }, reject);
    });
  }

  async estimate(): Promise<StorageEstimate | null> {
    const manager = storageManager();
    if (!manager) return null;
    const [{ usage, quota }, persisted] = await Promise.all([manager.estimate(), manager.persisted()]);
    return usage === undefined ? null : { bytes: usage, quota: quota ?? null, persisted };
  }

  persist(): Promise<boolean | null> {
    return askToPersist();
  }

  close(): void {
    this.#closed = true;
    this.#connection?.then((database) => {
      database.close();
    }, ignore);
    this.#connection = null;
  }
}

function ignore(): void {
  // The transaction reports it.
}

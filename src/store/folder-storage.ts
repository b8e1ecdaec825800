import type * as nodeFiles from "node:fs";
import { FulguriteError } from "../gpu/error.ts";
import { decodeFrame, encodeFrame, frameLength, type Operation } from "./frame.ts";
import { MemoryStorage, type StoredTables } from "./memory-storage.ts";
import {
  schemaVersion,
  StorageFailure,
  tableNames,
  type Key,
  type Storage,
  type StorageEstimate,
  type StorageRow,
  type StorageTransaction,
  type TableName,
  type TransactionOptions,
} from "./storage.ts";

/** What of `node:fs` it needs: a test may stand something worse in its place. */
export type FileSystem = Pick<
  typeof nodeFiles,
  | "closeSync"
  | "fstatSync"
  | "fsyncSync"
  | "ftruncateSync"
  | "mkdirSync"
  | "openSync"
  | "readFileSync"
  | "readSync"
  | "renameSync"
  | "unlinkSync"
  | "writeFileSync"
  | "writeSync"
>;

/** A log is written anew when it is opened, where more than half of it is of no use and that is at least this much. */
const mostGarbage = 16 * 2 ** 20;

/**
 * The store in a folder, for Node: `store.log`, to which each transaction appends one frame, and `lock`, which names
 * the process that has it. What is acknowledged is with the operating system; with `durability: "strict"`, on the disk. A frame that
 * was not written whole is cut off when the log is opened. Rows are held in memory.
 */
export class FolderStorage implements Storage {
  readonly #files: FileSystem;
  readonly #folder: string;
  readonly #memory: MemoryStorage;
  #log: number;
  #end: number;
  #closed = false;

  /** Throws "store/locked" where another process has the folder open. */
  constructor(folder: string, files: FileSystem = process.getBuiltinModule("node:fs")) {
    this.#files = files;
    this.#folder = folder;
    files.mkdirSync(folder, { recursive: true });
    this.#lock();
    try {
      this.#log = files.openSync(this.#path("store.log"), "a+");
      const { tables, end, live } = this.#replay();
      const size = files.fstatSync(this.#log).size;
      if (size > end) files.ftruncateSync(this.#log, end);
      this.#end = end;
      const version = tables.meta?.find(({ key }) => key === "schemaVersion")?.value;
      if (typeof version === "number" && version > schemaVersion)
        throw new StorageFailure("newer", `The folder was written by version ${version}.`);
      this.#memory = new MemoryStorage(tables);
      if (end - live > Math.max(mostGarbage, live)) this.#rewrite(tables);
    } catch (error) {
      files.unlinkSync(this.#path("lock"));
      throw error;
    }
  }

  async transaction<Result>(
    tables: readonly TableName[],
    options: TransactionOptions,
    body: (transaction: StorageTransaction) => Promise<Result>,
  ): Promise<Result> {
    return this.#memory.transaction(tables, options, async (transaction) => {
      if (this.#closed) throw new StorageFailure("closed", "The store was closed.");
      if (options.mode === "readonly") return body(transaction);
      const operations: Operation[] = [];
      const result = await body({
        get: (table, key) => transaction.get(table, key),
        list: (table, runId) => transaction.list(table, runId),
        page: (table, runId, range) => transaction.page(table, runId, range),
        find: (index, runId, value) => transaction.find(index, runId, value),
        put: (table, key, value) => {
          operations.push({ kind: "put", table, key, value });
          transaction.put(table, key, value);
        },
        delete: (table, key) => {
          operations.push({ kind: "delete", table, key });
          transaction.delete(table, key);
        },
        deleteAll: (table, runId) => {
          operations.push({ kind: "deleteAll", table, runId });
          transaction.deleteAll(table, runId);
        },
      });
      // Thrown here, the memory forgets what the file did not take.
      if (operations.length > 0) this.#append(operations, options.durability === "strict");
      return result;
    });
  }

  estimate(): Promise<StorageEstimate> {
    return Promise.resolve({ bytes: this.#end, quota: null, persisted: true });
  }

  persist(): Promise<boolean> {
    return Promise.resolve(true);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#files.fsyncSync(this.#log);
    this.#files.closeSync(this.#log);
    this.#files.unlinkSync(this.#path("lock"));
  }

  #path(name: string): string {
    return `${this.#folder}/${name}`;
  }

  #append(operations: readonly Operation[], strict: boolean): void {
    if (this.#end === 0)
      operations = [
        { kind: "put", table: "meta", key: "schemaVersion", value: schemaVersion },
        ...operations,
      ];
    const frame = encodeFrame(operations);
    try {
      writeAll(this.#files, this.#log, frame);
      if (strict) this.#files.fsyncSync(this.#log);
    } catch (error) {
      // Half a frame in mid-log would hide all that follows it.
      this.#files.ftruncateSync(this.#log, this.#end);
      const { code } = error as NodeJS.ErrnoException;
      const kind = code === "ENOSPC" || code === "EDQUOT" ? "full" : "failed";
      throw new StorageFailure(kind, error instanceof Error ? error.message : String(error), error);
    }
    this.#end += frame.byteLength;
  }

  /** All rows of the log, where its whole frames end, and how many bytes of them are of use. */
  #replay(): { readonly tables: StoredTables; readonly end: number; readonly live: number } {
    const rows = new Map<TableName, Map<string, { row: StorageRow<never>; bytes: number }>>(
      tableNames.map((name) => [name, new Map()]),
    );
    const head = new Uint8Array(16);
    let end = 0;
    for (;;) {
      if (this.#files.readSync(this.#log, head, 0, 16, end) < 16) break;
      const length = frameLength(head);
      if (length === null) break;
      const frame = new Uint8Array(length);
      if (this.#files.readSync(this.#log, frame, 0, length, end) < length) break;
      const operations = decodeFrame(frame);
      if (!operations) break;
      for (const operation of operations) {
        const table = rows.get(operation.table);
        // A table that this version no longer has.
        if (!table) continue;
        if (operation.kind === "put") {
          const { key, value } = operation;
          const row = { key, value } as StorageRow<never>;
          table.set(JSON.stringify(key), { row, bytes: length / operations.length });
        } else if (operation.kind === "delete") table.delete(JSON.stringify(operation.key));
        else {
          for (const [id, { row }] of table) if (runOf(row.key) === operation.runId) table.delete(id);
        }
      }
      end += length;
    }
    let live = 0;
    const tables: Record<string, StorageRow<never>[]> = {};
    for (const [name, table] of rows) {
      tables[name] = [...table.values()].map(({ row }) => row);
      for (const { bytes } of table.values()) live += bytes;
    }
    return { tables: tables as StoredTables, end, live };
  }

  /** Writes the log anew beside the old one, then puts it in its place. */
  #rewrite(tables: StoredTables): void {
    const path = this.#path("store.log.new");
    const file = this.#files.openSync(path, "w");
    let end = 0;
    for (const table of tableNames) {
      for (const { key, value } of tables[table] ?? []) {
        const frame = encodeFrame([{ kind: "put", table, key, value }]);
        writeAll(this.#files, file, frame);
        end += frame.byteLength;
      }
    }
    this.#files.fsyncSync(file);
    this.#files.closeSync(file);
    this.#files.closeSync(this.#log);
    this.#files.renameSync(path, this.#path("store.log"));
    this.#log = this.#files.openSync(this.#path("store.log"), "a+");
    this.#end = end;
  }

  #lock(): void {
    const path = this.#path("lock");
    for (let attempt = 0; ; attempt++) {
      try {
        this.#files.writeFileSync(path, String(process.pid), { flag: "wx" });
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        const owner = Number(this.#files.readFileSync(path, "utf8"));
        if (attempt > 0 || isAlive(owner)) {
          throw new FulguriteError(
            "store/locked",
            `Process ${owner} has the store in ${this.#folder} open.`,
            `Wait until it is done; if there is no such process, delete ${path}.`,
          );
        }
        // Whoever had it was killed.
        this.#files.unlinkSync(path);
      }
    }
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function writeAll(files: FileSystem, file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.byteLength;) at += files.writeSync(file, bytes, at, bytes.byteLength - at);
}

const runOf = (key: Key): string => (typeof key === "string" ? key : key[0]);

import type * as nodeFiles from "node:fs";
import { FulguriteError } from "../gpu/error.ts";
import type { LogDamage } from "./damage.ts";
import { replayLog, type Replayed, type Stretch } from "./folder-log.ts";
import { encodeFrame, type Operation } from "./frame.ts";
import { MemoryStorage, type StoredTables } from "./memory-storage.ts";
import { repairTables } from "./repair.ts";
import {
  schemaVersion,
  StorageFailure,
  tableNames,
  type Storage,
  type StorageEstimate,
  type StorageTransaction,
  type TableName,
  type TransactionOptions,
} from "./storage.ts";
import { xxh32 } from "./xxh32.ts";

/** What of `node:fs` it needs: a test may stand something worse in its place. */
export type FileSystem = Pick<
  typeof nodeFiles,
  | "closeSync"
  | "existsSync"
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

/** Tables whose rows say where others are: written twice where nothing else would tell what was lost. */
const catalogueTables: ReadonlySet<TableName> = new Set(["meta", "runs", "bookkeeping", "segments"]);

/** No folder was written by an older one; only where the frame that says it is damaged does it matter. */
const firstFolderVersion = 3;

/**
 * The store in a folder, for Node: `store.log`, to which each transaction appends one frame, and `lock`, which names
 * the process that has it. What is acknowledged is with the operating system; with `durability: "strict"`, on the disk. A frame that
 * was not written whole is cut off when the log is opened. One that is damaged is passed over: its bytes go to a file of their
 * own beside the log ("store.log.damaged-..."), what it leaves is made to fit together, and `problems` of the store names it for as long as
 * that file is there. Rows are held in memory.
 */
export class FolderStorage implements Storage {
  readonly #files: FileSystem;
  readonly #folder: string;
  readonly #memory: MemoryStorage;
  #log: number;
  #end: number;
  #closed = false;
  /** The log is being brought into order; nothing happens before. */
  readonly #ready: Promise<void> | null;

  /** Throws "store/locked" where another process has the folder open. */
  constructor(folder: string, files: FileSystem = process.getBuiltinModule("node:fs")) {
    this.#files = files;
    this.#folder = folder;
    files.mkdirSync(folder, { recursive: true });
    this.#lock();
    try {
      this.#log = files.openSync(this.#path("store.log"), "a+");
      const replayed = replayLog(files, this.#log);
      const { tables, end, live, damaged } = replayed;
      const version = versionOf(tables) ?? firstFolderVersion;
      if (version > schemaVersion)
        throw new StorageFailure("newer", `The folder was written by version ${version}.`);
      if (files.fstatSync(this.#log).size > end) files.ftruncateSync(this.#log, end);
      this.#end = end;
      this.#memory = new MemoryStorage(this.#withVersion(tables, version, end));
      const garbage = end - live > Math.max(mostGarbage, live);
      const isAsItShouldBe = damaged.length === 0 && !garbage && (version === schemaVersion || end === 0);
      this.#ready = isAsItShouldBe ? null : this.#prepare(replayed);
      // Whoever uses the store is told.
      this.#ready?.catch(() => null);
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
    await this.#ready;
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

  async estimate(): Promise<StorageEstimate> {
    await this.#ready;
    return { bytes: this.#end, quota: null, persisted: true };
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
      throw asFailure(error);
    }
    this.#end += frame.byteLength;
  }

  /** The rows with their version, and without the damage whose bytes somebody has deleted. */
  #withVersion(tables: StoredTables, version: number, end: number): StoredTables {
    if (end === 0) return tables;
    const meta = (tables.meta ?? []).filter(({ key }) => key !== "schemaVersion" && key !== "damage");
    const known = (tables.meta ?? []).find(({ key }) => key === "damage")?.value as LogDamage[] | undefined;
    const damage = (known ?? []).filter(({ file }) => this.#files.existsSync(this.#path(file)));
    return {
      ...tables,
      meta: [
        ...meta,
        { key: "schemaVersion", value: version },
        ...(damage.length > 0 ? [{ key: "damage", value: damage }] : []),
      ],
    };
  }

  /** Sets aside what is damaged, makes the rest fit together, and puts a new log in the old one's place. */
  #prepare({ damaged, salvage }: Replayed): Promise<void> {
    return this.#memory.transaction(tableNames, { mode: "readwrite" }, async (transaction) => {
      if (this.#closed) return;
      try {
        if (damaged.length > 0) {
          const files = damaged.map((stretch) => this.#setAside(stretch));
          const runs = await repairTables(transaction, salvage);
          const known = ((await transaction.get("meta", "damage")) ?? []) as readonly LogDamage[];
          const found = damaged.map((stretch, i): LogDamage => ({ ...stretch, file: files[i]!, runs }));
          const others = known.filter(({ file }) => !files.includes(file));
          transaction.put("meta", "damage", [...others, ...found]);
        }
        await this.#rewrite(transaction);
      } catch (error) {
        throw asFailure(error);
      }
    });
  }

  /** Copies a stretch of the log to a file that is named for what is in it: the same bytes are there once. */
  #setAside({ at, bytes }: Stretch): string {
    const stretch = new Uint8Array(bytes);
    for (let filled = 0; filled < bytes;) {
      const read = this.#files.readSync(this.#log, stretch, filled, bytes - filled, at + filled);
      if (read === 0) break;
      filled += read;
    }
    const name = `store.log.damaged-${xxh32(stretch).toString(16).padStart(8, "0")}-${bytes}`;
    const file = this.#files.openSync(this.#path(name), "w");
    try {
      writeAll(this.#files, file, stretch);
      this.#files.fsyncSync(file);
    } finally {
      this.#files.closeSync(file);
    }
    return name;
  }

  /** Writes the log anew beside the old one, then puts it in its place. A row is a frame: damage takes no other with it. */
  async #rewrite(transaction: StorageTransaction): Promise<void> {
    const path = this.#path("store.log.new");
    const file = this.#files.openSync(path, "w");
    let end = 0;
    try {
      for (const table of [...catalogueTables, ...tableNames]) {
        for (const { key, value } of await transaction.list(table)) {
          const frame = encodeFrame([{ kind: "put", table, key, value }]);
          writeAll(this.#files, file, frame);
          end += frame.byteLength;
        }
      }
      this.#files.fsyncSync(file);
    } finally {
      this.#files.closeSync(file);
    }
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

function asFailure(error: unknown): StorageFailure {
  if (error instanceof StorageFailure) return error;
  const { code } = error as NodeJS.ErrnoException;
  const kind = code === "ENOSPC" || code === "EDQUOT" ? "full" : "failed";
  return new StorageFailure(kind, error instanceof Error ? error.message : String(error), error);
}

const versionOf = (tables: StoredTables): number | undefined => {
  const found = tables.meta?.find(({ key }) => key === "schemaVersion")?.value;
  return typeof found === "number" ? found : undefined;
};

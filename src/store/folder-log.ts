import type * as nodeFiles from "node:fs";
import { decodeFrame, frameLength, framePrefix, type Operation } from "./frame.ts";
import type { StoredTables } from "./memory-storage.ts";
import type { Salvage } from "./repair.ts";
import { runOfKey, tableNames, type StorageRow, type TableName, type TailGroup } from "./storage.ts";
import { xxh32 } from "./xxh32.ts";

/** A stretch of a log, in bytes. */
export interface Stretch {
  readonly at: number;
  readonly bytes: number;
}

/** What a log holds. */
export interface Replayed {
  readonly tables: StoredTables;
  /** Where it ends; behind that there is at most a frame that was not written whole. */
  readonly end: number;
  /** Bytes of it that are of use. */
  readonly live: number;
  /** What could not be read, with something readable, or the whole of a frame, behind it. */
  readonly damaged: readonly Stretch[];
  /** What `damaged` makes doubtful. */
  readonly salvage: Salvage;
}

type Files = Pick<typeof nodeFiles, "fstatSync" | "readSync">;

/** Bytes that are searched in one go. */
const searchBytes = 2 ** 20;
const headBytes = 16;

/** Reads frames of an open file. */
class FrameReader {
  readonly #files: Files;
  readonly #file: number;
  readonly size: number;

  constructor(files: Files, file: number) {
    this.#files = files;
    this.#file = file;
    this.size = files.fstatSync(file).size;
  }

  /** Fewer than `count` at the end of the file. */
  bytes(at: number, count: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(Math.max(0, Math.min(count, this.size - at)));
    let filled = 0;
    while (filled < bytes.length) {
      const read = this.#files.readSync(this.#file, bytes, filled, bytes.length - filled, at + filled);
      if (read === 0) break;
      filled += read;
    }
    return bytes.subarray(0, filled);
  }

  /** The whole, undamaged frame that begins at `at`. */
  frame(at: number): { readonly operations: readonly Operation[]; readonly bytes: number } | null {
    const bytes = frameLength(this.bytes(at, headBytes));
    if (bytes === null || at + bytes > this.size) return null;
    const operations = decodeFrame(this.bytes(at, bytes));
    return operations && { operations, bytes };
  }

  /** Where the next such frame begins, from `at` on. Looks at every byte: what is damaged may have lost some. */
  next(at: number): number | null {
    for (let from = at; from < this.size; from += searchBytes) {
      const piece = this.bytes(from, searchBytes + framePrefix.length - 1);
      for (let i = 0; ; i++) {
        i = piece.indexOf(framePrefix[0]!, i);
        if (i < 0 || i >= searchBytes) break;
        if (framePrefix.every((byte, j) => piece[i + j] === byte) && this.frame(from + i)) return from + i;
      }
    }
    return null;
  }

  /**
   * True where the rest of the file is the beginning of a frame, as a process leaves it that is killed while it writes. A
   * frame whose length is wrong looks like that too, but its checksum is right.
   */
  isTorn(at: number): boolean {
    const head = this.bytes(at, headBytes);
    if (!framePrefix.slice(0, head.length).every((byte, i) => head[i] === byte)) return false;
    const length = frameLength(head);
    if (length === null) return true;
    if (at + length <= this.size) return false;
    const hash = new DataView(head.buffer, head.byteOffset).getUint32(12, true);
    return xxh32(this.bytes(at + headBytes, this.size - at - headBytes)) !== hash;
  }
}

interface Row {
  readonly row: StorageRow<unknown>;
  /** Its share of the frame. */
  readonly bytes: number;
}

/** Plays the frames of a log, and passes over what cannot be read. */
export function replayLog(files: Files, file: number): Replayed {
  const reader = new FrameReader(files, file);
  const replay = new Replay();
  const damaged: Stretch[] = [];
  let at = 0;
  while (at < reader.size) {
    const frame = reader.frame(at);
    if (frame) {
      replay.apply(frame.operations, frame.bytes);
      at += frame.bytes;
      continue;
    }
    const next = reader.next(at + 1);
    if (next === null && reader.isTorn(at)) break;
    const end = next ?? reader.size;
    damaged.push({ at, bytes: end - at });
    replay.gap();
    at = end;
  }
  return { ...replay.result(), end: at, damaged };
}

class Replay {
  readonly #rows = new Map<TableName, Map<string, Row>>(tableNames.map((name) => [name, new Map()]));
  /** Groups of tails that were there at the last gap. */
  #doubtful = new Set<string>();
  #gaps = 0;
  readonly #tails = new Map<string, TailGroup[]>();
  readonly #removed = new Map<string, Set<number>>();

  apply(operations: readonly Operation[], bytes: number): void {
    const gone = new Set<string>();
    for (const operation of operations) {
      if (operation.kind === "delete" && operation.table === "runs") gone.add(runOfKey(operation.key));
    }
    for (const runId of gone) {
      this.#tails.delete(runId);
      this.#removed.delete(runId);
    }
    for (const operation of operations) {
      const table = this.#rows.get(operation.table);
      // A table that this version no longer has.
      if (!table) continue;
      if (operation.kind === "put") {
        const { key, value } = operation;
        const id = JSON.stringify(key);
        if (operation.table === "tail") this.#doubtful.delete(id);
        if (operation.table === "rollouts") this.#removed.get(runOfKey(key))?.delete(Number(key[1]));
        table.set(id, { row: { key, value }, bytes: bytes / operations.length });
      } else if (operation.kind === "delete") {
        if (operation.table === "rollouts" && this.#gaps > 0)
          addTo(this.#removed, runOfKey(operation.key), new Set<number>()).add(Number(operation.key[1]));
        this.#delete(operation.table, JSON.stringify(operation.key), gone);
      } else {
        for (const [id, { row }] of table)
          if (runOfKey(row.key) === operation.runId) this.#delete(operation.table, id, gone);
      }
    }
  }

  /** What was moved out of a tail in the part that cannot be read is deleted later as if it had never been there. */
  #delete(name: TableName, id: string, gone: ReadonlySet<string>): void {
    const table = this.#rows.get(name)!;
    const found = table.get(id);
    table.delete(id);
    if (name !== "tail" || !found || !this.#doubtful.delete(id)) return;
    const runId = runOfKey(found.row.key);
    if (!gone.has(runId)) addTo(this.#tails, runId, []).push(found.row.value as TailGroup);
  }

  gap(): void {
    this.#gaps++;
    this.#doubtful = new Set(this.#rows.get("tail")!.keys());
  }

  result(): Pick<Replayed, "tables" | "live" | "salvage"> {
    let live = 0;
    const tables: Record<string, StorageRow<unknown>[]> = {};
    for (const [name, table] of this.#rows) {
      tables[name] = [...table.values()].map(({ row }) => row);
      for (const { bytes } of table.values()) live += bytes;
    }
    return {
      tables: tables as StoredTables,
      live,
      salvage: { tails: this.#tails, removed: this.#removed },
    };
  }
}

function addTo<Value>(map: Map<string, Value>, key: string, empty: Value): Value {
  const found = map.get(key);
  if (found !== undefined) return found;
  map.set(key, empty);
  return empty;
}

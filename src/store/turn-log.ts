import type { IDBPDatabase } from "idb";
import type { TableName } from "./storage.ts";

const table: TableName = "meta";
/** Together more than a log of LevelDB holds (4 MiB); each below what Chromium keeps in a file of its own (64 KiB). */
const rows = 75;
const rowBytes = 60_000;

/** True where IndexedDB lies over LevelDB: only Chromium has this field. */
const overLevelDb = (): boolean => typeof navigator !== "undefined" && "userAgentData" in navigator;

/**
 * Lets Chromium begin a new log, once a session, in the background.
 *
 * A session of the browser appends to the log of the one before. Where that one was killed in the middle of a write, the
 * record is torn: LevelDB passes over it at the first start, appends behind it, and cannot read past it at the second,
 * whereupon Chromium deletes the whole database (measured: one in about a hundred kills of a busy browser; see
 * docs/decisions/2026-11-21-store-torn-log.md). A log that is full is dropped together with what is torn in it, so the first
 * tab fills it with zeros and deletes them. The lock that says who is first is held for as long as the tab lives.
 */
export function turnLog(name: string, database: IDBPDatabase): void {
  if (!overLevelDb()) return;
  navigator.locks
    .request(`fulgurite-store-log-${name}`, { ifAvailable: true }, async (lock) => {
      if (!lock) return;
      // Where there is no room the log stays as it is.
      await fill(database).catch(() => null);
      await new Promise(() => null);
    })
    .catch(() => null);
}

async function fill(database: IDBPDatabase): Promise<void> {
  const keys = Array.from({ length: rows }, (_, row) => `log/${String(row).padStart(3, "0")}`);
  const write = database.transaction(table, "readwrite");
  for (const key of keys) write.store.put(new Uint8Array(rowBytes), key).catch(() => null);
  await write.done;
  // The log is changed for a new one when the next write comes.
  const remove = database.transaction(table, "readwrite");
  await remove.store.delete(IDBKeyRange.bound(keys[0], keys.at(-1)));
  await remove.done;
}

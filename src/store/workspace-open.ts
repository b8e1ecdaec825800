import type { StoreAccess } from "./access.ts";
import { newBook, readBook } from "./books.ts";
import { appendFinished, readCounters } from "./finished-feed.ts";
import { isSameValue, type Operation } from "./frame.ts";
import { MemoryStorage, type StoredTables } from "./memory-storage.ts";
import type { Run } from "./records.ts";
import { outsideRunId } from "./rollout-writer.ts";
import { ownSets } from "./resources.ts";
import {
  listKey,
  tableNames,
  type Key,
  type ResourceHead,
  type StorageRow,
  type StorageTransaction,
  type TableName,
  type Tables,
} from "./storage.ts";
import { readWorkspaceFile } from "./workspace-file.ts";
import { rowTables, sharedTables } from "./workspace-save.ts";

export interface OpenedWorkspace {
  /** Ids of the runs that were taken over. */
  readonly runs: readonly string[];
  /** Ids of the runs that were here already: they stay as they are here. */
  readonly kept: readonly string[];
}

/** What is put on the disk piece by piece, before its run can be seen. */
const largeTables: readonly TableName[] = ["blobs", "tokens", "checkpoints"];

const runOf = (key: Key): string => (typeof key === "string" ? key : key[0]);

/** All rows of a saved workspace but the large ones, brought up to this version. */
type Rows = { readonly [Name in TableName]: readonly StorageRow<Tables[Name]>[] };

async function readRows(file: Blob): Promise<Rows> {
  const tables: Partial<Record<TableName, StorageRow<unknown>[]>> = {};
  let version = 0;
  for await (const { schemaVersion, operations } of readWorkspaceFile(file)) {
    version = schemaVersion;
    for (const operation of operations) {
      if (operation.kind !== "put" || largeTables.includes(operation.table)) continue;
      (tables[operation.table] ??= []).push(operation);
    }
  }
  const meta = (tables.meta ?? []).filter(({ key }) => key !== "schemaVersion");
  const stored: StoredTables = { ...tables, meta: [...meta, { key: "schemaVersion", value: version }] };
  return new MemoryStorage(stored).transaction(tableNames, { mode: "readonly" }, async (transaction) => {
    const rows = await Promise.all(tableNames.map(async (name) => [name, await transaction.list(name)]));
    return Object.fromEntries(rows) as Rows;
  });
}

/**
 * Takes over the runs of a saved workspace that are not here yet, with all that belongs to them, and settings, shared resources
 * and workers whose names are free. The whole file is checked before the first byte is written. Each run appears whole, in one
 * transaction, and joins the feed and the queue at their ends; where the process is killed before, the next opening, or deleting that run, removes what it left.
 */
export async function openWorkspace(access: StoreAccess, file: Blob): Promise<OpenedWorkspace> {
  const rows = await readRows(file);
  await removeStaged(access);
  const wanted = new Set(rows.bookkeeping.map(({ value }) => value.runId));
  const kept = await access.transaction(
    ["bookkeeping", "runs"],
    { mode: "readwrite" },
    async (transaction) => {
      const here: string[] = [];
      for (const runId of wanted) {
        const book = await readBook(transaction, runId);
        const empty = runId === outsideRunId && book?.statistics.rollouts === 0;
        if (book && !book.deleted && !empty) here.push(runId);
        else transaction.put("bookkeeping", runId, { ...newBook(runId, book), deleted: true, staged: true });
      }
      return here;
    },
  );
  for (const runId of kept) wanted.delete(runId);
  for await (const { operations } of readWorkspaceFile(file)) await stage(access, operations, wanted);
  const runs: string[] = [];
  for (const runId of wanted) {
    const whole = await access.transaction(
      [...new Set([...sharedTables, ...rowTables])],
      { mode: "readwrite", durability: "strict" },
      (transaction) => reveal(transaction, rows, runId),
    );
    if (!whole) continue;
    runs.push(runId);
    access.ids.forget(runId);
    access.tails.forget(runId);
    access.catalogue.forget(runId);
    access.announce({ runId, kinds: ["runs", "rollouts", "spans", "checkpoints", "resources"] });
  }
  await access.transaction(sharedTables, { mode: "readwrite", durability: "strict" }, (transaction) =>
    addShared(transaction, rows),
  );
  access.announce({ runId: null, kinds: ["resources", "workers"] });
  return { runs, kept };
}

/** What an opening that was cut short left on the disk. */
async function removeStaged(access: StoreAccess): Promise<void> {
  await access.transaction(["bookkeeping", ...largeTables], { mode: "readwrite" }, async (transaction) => {
    for (const { value } of await transaction.list("bookkeeping")) {
      if (!value.staged) continue;
      for (const table of ["blobs", "tokens"] as const) transaction.deleteAll(table, value.runId);
      transaction.delete("checkpoints", value.runId);
      transaction.put("bookkeeping", value.runId, { ...value, staged: false });
    }
  });
}

async function stage(
  access: StoreAccess,
  operations: readonly Operation[],
  wanted: ReadonlySet<string>,
): Promise<void> {
  const large = operations.filter(
    (operation) =>
      operation.kind === "put" && largeTables.includes(operation.table) && wanted.has(runOf(operation.key)),
  );
  if (large.length === 0) return;
  await access.transaction(largeTables, { mode: "readwrite" }, (transaction) => {
    for (const operation of large) {
      if (operation.kind === "put")
        transaction.put(operation.table, operation.key, operation.value as Tables[TableName]);
    }
    return Promise.resolve();
  });
}

/** Puts the rows of one run in place, and its entries in the lists that all runs share. */
async function reveal(transaction: StorageTransaction, rows: Rows, runId: string): Promise<boolean> {
  const staged = await transaction.get("bookkeeping", runId);
  // Deleted meanwhile, or another tab opens a workspace too and took this for a remnant.
  if (!staged?.staged) return false;
  const book = rows.bookkeeping.find(({ value }) => value.runId === runId)!.value;
  for (const table of ["tail", "segments", "rollouts"] as const) {
    for (const { key, value } of rows[table]) if (runOf(key) === runId) transaction.put(table, key, value);
  }
  const run = rows.runs.find(({ key }) => key === runId)?.value;
  if (run) transaction.put("runs", runId, await withResources(transaction, rows, run));
  const own = ownSets(runId);
  for (const { key, value } of rows.resources) {
    if (own.includes(value.id)) transaction.put("resources", key, value);
  }
  for (const { key, value } of rows.resourceHeads) {
    if (own.includes(key as string)) transaction.put("resourceHeads", key, value);
  }
  const ids = new Set<string>();
  for (const { key, value } of rows.rolloutIds) {
    if (value.runId !== runId) continue;
    ids.add(key as string);
    transaction.put("rolloutIds", key, value);
  }
  for (const { key, value } of rows.watched) {
    if (value.runId === runId) transaction.put("watched", key, value);
  }
  for (const { key, value } of rows.sequences) {
    if (ids.has(key as string)) transaction.put("sequences", key, value);
  }
  for (const { value } of rows.finished) {
    if (value.runId === runId) await appendFinished(transaction, runId, [...value.numbers]);
  }
  for (const { value } of rows.queue) {
    if (value.runId !== runId) continue;
    const counters = await readCounters(transaction);
    transaction.put("queue", [listKey, counters.queue], { ...value, position: counters.queue });
    transaction.put("meta", "counters", { ...counters, queue: counters.queue + 1 });
  }
  // Beyond what caches may know of a run of this id that was here before.
  const version = Math.max(book.version, staged.version) + 1;
  const nextSegment = Math.max(book.nextSegment, staged.nextSegment) + 1;
  transaction.put("bookkeeping", runId, { ...book, version, nextSegment });
  return true;
}

/** The run with the version of its resources that says the same here; where none does, the saved one, if its number is free. */
async function withResources(transaction: StorageTransaction, rows: Rows, run: Run): Promise<Run> {
  if (!run.resources) return run;
  const { id } = run.resources;
  const saved = rows.resources.find(
    ({ value }) => value.id === id && value.version === run.resources?.version,
  )?.value;
  if (!saved) return run;
  const here = (await transaction.list("resources", id)).map(({ value }) => value);
  const same = here.find(({ resources }) => isSameValue(resources, saved.resources));
  if (same) return { ...run, resources: { id, version: same.version } };
  const head = await transaction.get("resourceHeads", id);
  const last = head?.lastVersion ?? head?.version ?? 0;
  const taken = here.some(({ version }) => version === saved.version);
  const version = taken ? last + 1 : saved.version;
  transaction.put("resources", [id, version], { ...saved, version });
  transaction.put("resourceHeads", id, {
    version: Math.max(version, head?.version ?? 0),
    lastVersion: Math.max(version, last),
    runId: saved.runId,
    order: head?.order ?? 0,
  });
  return { ...run, resources: { id, version } };
}

/** Settings, workers, and resources that are there for rollouts to use; what has the same name here stays as it is. */
async function addShared(transaction: StorageTransaction, rows: Rows): Promise<void> {
  for (const table of ["settings", "workers"] as const) {
    for (const { key, value } of rows[table]) {
      if ((await transaction.get(table, key)) === undefined) transaction.put(table, key, value);
    }
  }
  const shared = rows.resourceHeads
    .filter(({ value }) => value.runId === null)
    .sort((a, b) => a.value.order - b.value.order);
  for (const { key, value } of shared) {
    if (await transaction.get("resourceHeads", key)) continue;
    for (const row of rows.resources) {
      if (row.value.id === key) transaction.put("resources", row.key, row.value);
    }
    const counter: ResourceHead | undefined = await transaction.get("resourceHeads", "");
    const order = (counter?.order ?? 0) + 1;
    transaction.put("resourceHeads", "", { version: 0, runId: "", order });
    transaction.put("resourceHeads", key, { ...value, order });
  }
}

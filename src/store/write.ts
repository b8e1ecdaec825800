import { FulguriteError } from "../gpu/error.ts";
import { crc32 } from "./crc32.ts";
import type { Checkpoint, Commit, Span } from "./records.ts";
import { encodeSegment, maxSegmentRows } from "./segment.ts";
import { estimateBytes } from "./span.ts";
import type { SpanIds } from "./span-ids.ts";
import type { Bookkeeping, Segment, StorageTransaction, TableName } from "./storage.ts";

/** Tables that belong to a run. */
export const runTables: readonly TableName[] = [
  "runs",
  "checkpoints",
  "bookkeeping",
  "tail",
  "segments",
  "blobs",
];

/** One run's part of a write, for the caches of whoever wrote. */
export interface Written {
  readonly before: Bookkeeping | null;
  readonly after: Bookkeeping;
  readonly spans: readonly Span[];
}

const newBook = (runId: string): Bookkeeping => ({
  runId,
  deleted: false,
  version: 0,
  nextGroup: 0,
  nextSegment: 0,
  tailRows: 0,
  tailBytes: 0,
  segmentBytes: 0,
  checkpointBytes: 0,
  series: null,
});

/** Writes a commit's run, spans and checkpoint; spans that the store has already are left out. */
export async function writeCommit(
  transaction: StorageTransaction,
  commit: Commit,
  ids: SpanIds,
): Promise<Written[]> {
  const { run, checkpoint } = commit;
  const byRun = new Map<string, Span[]>();
  if (run) byRun.set(run.id, []);
  if (checkpoint && !byRun.has(checkpoint.runId)) byRun.set(checkpoint.runId, []);
  for (const span of commit.spans ?? []) {
    const spans = byRun.get(span.runId);
    if (spans) spans.push(span);
    else byRun.set(span.runId, [span]);
  }
  const written: Written[] = [];
  for (const [runId, spans] of byRun) {
    const before = (await transaction.get("bookkeeping", runId)) ?? null;
    if (before?.deleted) throw deletedError(runId);
    if (!before && run?.id !== runId) throw unknownError(runId);
    let after = before ?? newBook(runId);
    const fresh = await ids.filter(transaction, after, spans);
    if (fresh.spans.length > 0) {
      transaction.put("tail", [runId, after.nextGroup], { rows: fresh.spans });
      after = {
        ...after,
        version: after.version + 1,
        nextGroup: after.nextGroup + 1,
        tailRows: after.tailRows + fresh.spans.length,
        tailBytes: fresh.spans.reduce((sum, span) => sum + estimateBytes(span), after.tailBytes),
        series: fresh.series,
      };
    }
    if (checkpoint?.runId === runId) {
      const compact = compactCheckpoint(checkpoint);
      transaction.put("checkpoints", runId, compact.checkpoint);
      after = { ...after, checkpointBytes: compact.bytes };
    }
    if (after !== before) transaction.put("bookkeeping", runId, after);
    written.push({ before, after, spans: fresh.spans });
  }
  if (run) transaction.put("runs", run.id, run);
  return written;
}

/**
 * A view on a larger buffer would store all of the buffer, and one on shared memory cannot be stored: arrays
 * that do not own all of their bytes are copied.
 */
function compactCheckpoint(checkpoint: Checkpoint): { checkpoint: Checkpoint; bytes: number } {
  let bytes = 0;
  const state = Object.fromEntries(
    Object.entries(checkpoint.state).map(([key, value]: [string, unknown]) => {
      if (!(value instanceof Float32Array) && !(value instanceof Uint32Array)) return [key, value];
      bytes += value.byteLength;
      const whole = value.buffer instanceof ArrayBuffer && value.byteLength === value.buffer.byteLength;
      return [key, whole ? value : value.slice()];
    }),
  ) as unknown as Checkpoint["state"];
  return { checkpoint: { ...checkpoint, state }, bytes };
}

/**
 * Moves a run's tail into segments: they are added and the rows deleted in the one transaction, so that a
 * span is in one place at any moment. Encoding happens inside; two tabs cannot seal the same rows.
 */
export async function sealTail(transaction: StorageTransaction, runId: string): Promise<Written | null> {
  const before = await transaction.get("bookkeeping", runId);
  if (!before || before.tailRows === 0) return null;
  const rows = (await transaction.list("tail", runId)).flatMap(({ value }) => value.rows);
  rows.sort((a, b) => a.sequence - b.sequence);
  let after: Bookkeeping = { ...before, version: before.version + 1, tailRows: 0, tailBytes: 0 };
  const pieces = Math.ceil(rows.length / maxSegmentRows);
  for (let piece = 0; piece < pieces; piece++) {
    const part = rows.slice(
      Math.floor((piece * rows.length) / pieces),
      Math.floor(((piece + 1) * rows.length) / pieces),
    );
    const bytes = encodeSegment(part);
    const number = after.nextSegment;
    transaction.put("blobs", [runId, number], bytes);
    transaction.put("segments", [runId, number], catalogueRow(runId, number, part, bytes));
    after = { ...after, nextSegment: number + 1, segmentBytes: after.segmentBytes + bytes.byteLength };
  }
  transaction.deleteAll("tail", runId);
  transaction.put("bookkeeping", runId, after);
  return { before, after, spans: [] };
}

function catalogueRow(
  runId: string,
  number: number,
  rows: readonly Span[],
  bytes: Uint8Array<ArrayBuffer>,
): Segment {
  let minTime = Infinity;
  let maxTime = -Infinity;
  for (const { startTime, endTime } of rows) {
    minTime = Math.min(minTime, startTime);
    maxTime = Math.max(maxTime, endTime);
  }
  return {
    runId,
    number,
    rows: rows.length,
    minSequence: rows[0]!.sequence,
    maxSequence: rows.at(-1)!.sequence,
    minTime,
    maxTime,
    names: [...new Set(rows.map((span) => span.name))],
    byteLength: bytes.byteLength,
    crc: crc32(bytes),
    damage: null,
  };
}

/** Removes a run and all that belongs to it, and remembers that it was removed. */
export async function removeRun(transaction: StorageTransaction, runId: string): Promise<void> {
  if (!(await transaction.get("bookkeeping", runId))) return;
  transaction.delete("runs", runId);
  transaction.delete("checkpoints", runId);
  for (const table of ["tail", "segments", "blobs"] as const) transaction.deleteAll(table, runId);
  transaction.put("bookkeeping", runId, { ...newBook(runId), deleted: true });
}

const deletedError = (runId: string): FulguriteError =>
  new FulguriteError(
    "store/run-deleted",
    `Run ${runId} was deleted, perhaps in another tab.`,
    "Start a new run.",
  );

const unknownError = (runId: string): FulguriteError =>
  new FulguriteError(
    "store/unknown-run",
    `The store has no run ${runId}.`,
    "Commit the run itself before, or together with, its spans and checkpoints.",
  );

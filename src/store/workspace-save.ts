import { FulguriteError } from "../gpu/error.ts";
import type { StoreAccess } from "./access.ts";
import { listBooks, readBook } from "./books.ts";
import { encodeFrame, type Operation } from "./frame.ts";
import {
  chunkKey,
  type Bookkeeping,
  type Key,
  type Segment,
  type StorageTransaction,
  type TableName,
} from "./storage.ts";
import { endFrame, headFrame, rowOperation } from "./workspace-file.ts";

/** Tables that are one for all runs. */
export const sharedTables: readonly TableName[] = [
  "meta",
  "settings",
  "queue",
  "watched",
  "finished",
  "sequences",
  "rolloutIds",
  "resources",
  "resourceHeads",
  "workers",
];

/** Tables of a run's rows; what is large lies in `blobs`, `tokens` and `checkpoints`. */
export const rowTables: readonly TableName[] = ["runs", "bookkeeping", "tail", "segments", "rollouts"];

/** Rows of one frame. */
const frameRows = 500;

const changed = (runId: string): FulguriteError =>
  new FulguriteError(
    "store/changed",
    `Run ${runId} was compacted, or deleted, in another tab while it was saved.`,
    "Save it again.",
  );

interface RunRows {
  readonly segments: readonly Segment[];
  readonly frames: readonly Uint8Array<ArrayBuffer>[];
}

/**
 * Everything that the store holds as one file, piece by piece: what belongs together is of one moment, rows of rollouts under
 * way, and each training run with its checkpoint. At most one segment, and the rows of one run, are in memory. Rejects with
 * "store/changed" where another tab takes a run apart meanwhile.
 */
export async function* saveWorkspace(access: StoreAccess): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let frames = 1;
  yield headFrame();
  const first = await access.transaction(
    [...new Set([...sharedTables, ...rowTables, "checkpoints" as const])],
    { mode: "readonly" },
    async (transaction) => {
      const books = (await listBooks(transaction)).filter(({ deleted }) => !deleted);
      const shared: Uint8Array<ArrayBuffer>[] = [];
      for (const table of sharedTables) shared.push(...(await tableFrames(transaction, table)));
      // The queue and the rollouts it holds have to be of one moment.
      const named = new Map<string, RunRows>();
      for (const book of books) {
        if (book.named) named.set(book.runId, await rowsOfRun(transaction, book));
      }
      return { books, shared, named };
    },
  );
  for (const frame of first.shared) {
    frames++;
    yield frame;
  }
  for (const { runId } of first.books) {
    const rows =
      first.named.get(runId) ??
      (await access.transaction([...rowTables, "checkpoints"], { mode: "readonly" }, async (transaction) => {
        const book = await readBook(transaction, runId);
        return book && !book.deleted ? rowsOfRun(transaction, book) : null;
      }));
    if (!rows) continue;
    for (const frame of rows.frames) {
      frames++;
      yield frame;
    }
    for (const segment of rows.segments) {
      frames++;
      yield await segmentFrame(access, segment);
    }
  }
  yield endFrame(frames);
}

async function tableFrames(
  transaction: StorageTransaction,
  table: TableName,
  runId?: string,
): Promise<Uint8Array<ArrayBuffer>[]> {
  const rows = await transaction.list(table, runId);
  const frames: Uint8Array<ArrayBuffer>[] = [];
  for (let from = 0; from < rows.length; from += frameRows) {
    const some = rows.slice(from, from + frameRows);
    frames.push(encodeFrame(some.map(({ key, value }): Operation => ({ kind: "put", table, key, value }))));
  }
  return frames;
}

async function rowsOfRun(transaction: StorageTransaction, book: Bookkeeping): Promise<RunRows> {
  const { runId } = book;
  const operations: Operation[] = [rowOperation("bookkeeping", runId, book)];
  const run = await transaction.get("runs", runId);
  if (run) operations.push(rowOperation("runs", runId, run));
  const frames = [encodeFrame(operations)];
  const checkpoint = await transaction.get("checkpoints", runId);
  if (checkpoint) frames.push(encodeFrame([rowOperation("checkpoints", runId, checkpoint)]));
  for (const table of ["tail", "segments", "rollouts"] as const)
    frames.push(...(await tableFrames(transaction, table, runId)));
  const segments = (await transaction.list("segments", runId)).map(({ value }) => value);
  return { segments, frames };
}

/** The blob of a segment and its chunks. What is missing on the disk is missing in the copy, and named there when it is read. */
function segmentFrame(access: StoreAccess, segment: Segment): Promise<Uint8Array<ArrayBuffer>> {
  const { runId, number, tokens, texts } = segment;
  const cold: Key[] = [tokens, texts].flatMap((part): Key[] => {
    if (!part) return [];
    if (!("chunks" in part)) return [[runId, number]];
    return part.chunks.map((chunk): Key => [runId, chunkKey(number, chunk.number)]);
  });
  return access.transaction(["segments", "blobs", "tokens"], { mode: "readonly" }, async (transaction) => {
    if (!(await transaction.get("segments", [runId, number]))) throw changed(runId);
    const operations: Operation[] = [];
    const blob = await transaction.get("blobs", [runId, number]);
    if (blob) operations.push(rowOperation("blobs", [runId, number], blob));
    for (const key of cold) {
      const chunk = await transaction.get("tokens", key);
      if (chunk) operations.push(rowOperation("tokens", key, chunk));
    }
    return encodeFrame(operations);
  });
}

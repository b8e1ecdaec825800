import { FulguriteError } from "../gpu/error.ts";
import { changed } from "./attempts.ts";
import { newBook, readBook } from "./books.ts";
import { ownArrays } from "./owned-arrays.ts";
import type { Commit, Rollout, Span } from "./records.ts";
import { writeWeights } from "./resources.ts";
import { estimateRolloutBytes } from "./rollouts.ts";
import { appendFinished } from "./finished-feed.ts";
import { writeSegments } from "./seal.ts";
import { directRows } from "./segment.ts";
import { estimateBytes } from "./span.ts";
import type { SpanIds } from "./span-ids.ts";
import { checkTransition, rolloutIsFinished, runTransitions } from "./state-machines.ts";
import { addStatistics, noStatistics, statisticsOf } from "./statistics.ts";
import type { Bookkeeping, StorageTransaction, TableName } from "./storage.ts";
import type { TailCache } from "./tail-cache.ts";
import { packGroup } from "./tail-group.ts";

/** Tables that belong to a run. */
export const runTables: readonly TableName[] = [
  "runs",
  "checkpoints",
  "bookkeeping",
  "tail",
  "segments",
  "blobs",
  "rollouts",
  "tokens",
  "meta",
  "finished",
  "resources",
  "resourceHeads",
];

/** One run's part of a write, for the caches of whoever wrote. */
export interface Written {
  readonly before: Bookkeeping | null;
  readonly after: Bookkeeping;
  readonly spans: readonly Span[];
  /** True where they became segments at once, with all of the tail. */
  readonly direct: boolean;
}

/** What a commit holds of one run. */
interface RunPart {
  readonly spans: Span[];
  readonly rollouts: Rollout[];
}

function partsOf({ run, checkpoint, spans = [], rollouts = [] }: Commit): Map<string, RunPart> {
  const parts = new Map<string, RunPart>();
  const part = (runId: string): RunPart => {
    let found = parts.get(runId);
    if (!found) parts.set(runId, (found = { spans: [], rollouts: [] }));
    return found;
  };
  if (run) part(run.id);
  if (checkpoint) part(checkpoint.runId);
  for (const rollout of rollouts) part(rollout.runId).rollouts.push(rollout);
  for (const span of spans) part(span.runId).spans.push(span);
  return parts;
}

/** Writes a commit's run, rollouts, spans and checkpoint; spans that the store has already are left out. */
export async function writeCommit(
  transaction: StorageTransaction,
  commit: Commit,
  ids: SpanIds,
  tails: TailCache,
): Promise<Written[]> {
  const { run, checkpoint } = commit;
  const written: Written[] = [];
  for (const [runId, part] of partsOf(commit)) {
    const before = (await readBook(transaction, runId)) ?? null;
    if (before?.deleted) throw deletedError(runId);
    if (!before && run?.id !== runId) throw unknownError(runId);
    let after = before ?? newBook(runId);
    const fresh = await ids.filter(transaction, after, part.spans);
    // As many as make a segment of their own need no tail: they would be written twice.
    const tail = fresh.spans.length >= directRows ? tails.rows(after) : null;
    if (fresh.spans.length > 0) {
      const { nextTracedRollout, series } = fresh;
      const statistics = addStatistics(after.statistics, { ...noStatistics, spans: fresh.spans.length });
      after = { ...after, version: after.version + 1, nextTracedRollout, series, statistics };
      if (tail) {
        after = writeSegments(transaction, after, [...tail, ...fresh.spans]);
        if (tail.length > 0) transaction.deleteAll("tail", runId);
        after = { ...after, tailRows: 0, tailBytes: 0 };
      } else {
        transaction.put("tail", [runId, after.nextGroup], packGroup(fresh.spans));
        after = {
          ...after,
          nextGroup: after.nextGroup + 1,
          tailRows: after.tailRows + fresh.spans.length,
          tailBytes: fresh.spans.reduce((sum, span) => sum + estimateBytes(span), after.tailBytes),
        };
      }
    }
    if (part.rollouts.length > 0) after = await writeRollouts(transaction, after, part.rollouts);
    if (checkpoint?.runId === runId) {
      const { value, bytes } = ownArrays(checkpoint);
      transaction.put("checkpoints", runId, value);
      await writeWeights(transaction, runId, checkpoint, checkpoint.createdAt);
      after = { ...after, checkpointBytes: bytes };
    }
    if (after !== before) transaction.put("bookkeeping", runId, after);
    written.push({ before, after, spans: fresh.spans, direct: tail !== null });
  }
  if (run) {
    const before = await transaction.get("runs", run.id);
    if (before) checkTransition(runTransitions, `Run ${run.id}`, before.status, run.status);
    transaction.put("runs", run.id, before ? { ...run, ...changed(before) } : run);
  }
  return written;
}

/** Rollouts as they are now; what is finished for the first time joins the feed. */
export async function writeRollouts(
  transaction: StorageTransaction,
  book: Bookkeeping,
  rollouts: readonly Rollout[],
): Promise<Bookkeeping> {
  let { rolloutBytes, nextRollout, statistics } = book;
  const finished: number[] = [];
  for (const rollout of rollouts) {
    const before =
      rollout.number < nextRollout
        ? await transaction.get("rollouts", [book.runId, rollout.number])
        : undefined;
    transaction.put("rollouts", [book.runId, rollout.number], rollout);
    if (before) statistics = addStatistics(statistics, statisticsOf(before, -1));
    // One made again replaces about as many bytes.
    else rolloutBytes += estimateRolloutBytes(rollout);
    statistics = addStatistics(statistics, statisticsOf(rollout));
    nextRollout = Math.max(nextRollout, rollout.number + 1);
    if (rolloutIsFinished(rollout.status) && !(before && rolloutIsFinished(before.status)))
      finished.push(rollout.number);
  }
  if (finished.length > 0) await appendFinished(transaction, book.runId, finished);
  return { ...book, rolloutBytes, nextRollout, statistics };
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

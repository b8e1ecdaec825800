import { FulguriteError } from "../gpu/error.ts";
import { configOf, latestAttempt } from "./attempts.ts";
import { newBook, readBook } from "./books.ts";
import { readCounters } from "./finished-feed.ts";
import type { Rollout, Run } from "./records.ts";
import { rolloutWaits } from "./state-machines.ts";
import { listKey, type Bookkeeping, type RolloutPlace, type StorageTransaction } from "./storage.ts";
import { writeRollouts } from "./write.ts";

/** The run of rollouts that somebody outside asked for. */
export const outsideRunId = "outside";

/** A run whose rollouts others made. */
export const outsideRun = (id: string, name: string, status: Run["status"], now: number): Run => ({
  id,
  kind: "outside",
  name,
  notebook: null,
  cell: null,
  job: null,
  seed: 0,
  engine: null,
  adapter: null,
  status,
  reason: null,
  update: 0,
  updates: 0,
  step: 0,
  steps: 0,
  createdAt: now,
  updatedAt: now,
  activeTime: 0,
  metrics: {},
});

export const unknownRollout = (id: string): FulguriteError =>
  new FulguriteError(
    "store/unknown-rollout",
    `Rollout ${id} not found`,
    "Enqueue or start it first; it may have been deleted with its run.",
  );

export const unknownAttempt = (rolloutId: string, attemptId: string): FulguriteError =>
  new FulguriteError(
    "store/unknown-attempt",
    `Attempt ${attemptId} not found for rollout ${rolloutId}`,
    "Take the rollout from the queue, or start an attempt, first.",
  );

/** Where the rollout's row is, by its id; undefined where the id says nothing and nobody noted it. */
async function placeOf(transaction: StorageTransaction, id: string): Promise<RolloutPlace | undefined> {
  const noted = await transaction.get("rolloutIds", id);
  if (noted) return noted;
  const slash = id.lastIndexOf("/");
  const number = slash < 0 ? Number.NaN : Number(id.slice(slash + 1));
  return Number.isSafeInteger(number) && number >= 0 ? { runId: id.slice(0, slash), number } : undefined;
}

/** Needs the tables "rolloutIds" and "rollouts". */
export async function readRollout(transaction: StorageTransaction, id: string): Promise<Rollout | undefined> {
  const place = await placeOf(transaction, id);
  const rollout = place && (await transaction.get("rollouts", [place.runId, place.number]));
  return rollout?.id === id ? rollout : undefined;
}

/** Writes rollouts that are under way, one by one, in one transaction; what depends on them follows. */
export class RolloutWriter {
  readonly transaction: StorageTransaction;
  readonly now: number;

  constructor(transaction: StorageTransaction, now: number) {
    this.transaction = transaction;
    this.now = now;
  }

  /** Rejects with "store/unknown-rollout". */
  async get(id: string): Promise<Rollout> {
    const rollout = await readRollout(this.transaction, id);
    if (!rollout) throw unknownRollout(id);
    return rollout;
  }

  /** The next number of a run; the run of rollouts from outside is made where it is missing. */
  async nextNumber(runId: string): Promise<number> {
    return (await this.#book(runId)).nextRollout;
  }

  /** A new rollout (`before` null) or a changed one. */
  async save(before: Rollout | null, after: Rollout): Promise<void> {
    const { id, runId, number } = after;
    const place: RolloutPlace = { runId, number };
    let book = await this.#book(runId);
    if (!before) {
      this.transaction.put("rolloutIds", id, place);
      book = { ...book, named: true };
    }
    book = await writeRollouts(this.transaction, book, [after]);
    if (rolloutWaits(after.status) && !(before && rolloutWaits(before.status))) await this.#enqueue(place);
    if (isWatched(after)) {
      this.transaction.put("watched", id, place);
      book = { ...book, named: true };
    } else if (before && isWatched(before)) this.transaction.delete("watched", id);
    this.transaction.put("bookkeeping", runId, book);
  }

  async #enqueue(place: RolloutPlace): Promise<void> {
    const counters = await readCounters(this.transaction);
    const position = counters.queue;
    this.transaction.put("queue", [listKey, position], { ...place, position });
    this.transaction.put("meta", "counters", { ...counters, queue: position + 1 });
  }

  async #book(runId: string): Promise<Bookkeeping> {
    const book = await readBook(this.transaction, runId);
    // Deleting the rollouts from outside empties their run; the next one begins it anew.
    if (book && !book.deleted) return book;
    if (runId === outsideRunId) {
      this.transaction.put(
        "runs",
        runId,
        outsideRun(outsideRunId, "Rollouts from outside", "running", this.now),
      );
      return newBook(runId, book);
    }
    throw new FulguriteError(
      book ? "store/run-deleted" : "store/unknown-run",
      book ? `Run ${runId} was deleted.` : `The store has no run ${runId}.`,
      "Name a run that the store has, or none: then it belongs to the rollouts from outside.",
    );
  }
}

/** Under a time limit, with an attempt that may miss it. */
export function isWatched(rollout: Rollout): boolean {
  const { timeout, unresponsive } = configOf(rollout);
  if (timeout === null && unresponsive === null) return false;
  if (rollout.status !== "preparing" && rollout.status !== "running") return false;
  const status = latestAttempt(rollout)?.status;
  return status === "preparing" || status === "running";
}

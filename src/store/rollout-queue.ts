import type { StoreAccess } from "./access.ts";
import {
  changed,
  findAttempt,
  fullConfig,
  latestAttempt,
  withChangedAttempt,
  withNewAttempt,
  withSign,
} from "./attempts.ts";
import { finishedTables, readFinished, type FinishedPage } from "./finished-feed.ts";
import type { Attempt, AttemptChange, RolloutChange, RolloutRequest } from "./lightning-records.ts";
import type { Rollout, Span } from "./records.ts";
import { latestResourcesId } from "./resources.ts";
import { outsideRunId, readRollout, RolloutWriter, unknownAttempt } from "./rollout-writer.ts";
import { firstSequence } from "./sequences.ts";
import { checkSpan } from "./span.ts";
import { checkTransition, rolloutIsFinished, rolloutTransitions, rolloutWaits } from "./state-machines.ts";
import { listKey, type StorageTransaction, type TableName } from "./storage.ts";
import { waitUntil } from "./wait.ts";
import type { Watchdog } from "./watchdog.ts";
import { workerAsked, workerFollows } from "./workers.ts";
import { runTables, writeCommit } from "./write.ts";

/** Everything that a rollout under way touches. */
export const queueTables: readonly TableName[] = [
  ...runTables,
  "rolloutIds",
  "queue",
  "watched",
  "sequences",
  "workers",
];

/** A rollout and the attempt that was just made for it. */
export interface AttemptedRollout {
  readonly rollout: Rollout;
  readonly attempt: Attempt;
}

/** A span of a rollout that the store knows. */
export interface RolloutSpan extends Omit<Span, "runId" | "sequence" | "rolloutId" | "attemptId"> {
  readonly rolloutId: string;
  readonly attemptId: string;
  /** Null takes the rollout's next; one that is given raises the counter to at least that. */
  readonly sequence: number | null;
}

/** Queue entries read at once. */
const pageRows = 64;

/**
 * Rollouts on their way: asked for, taken, tried, watched, finished. What may follow what is in state-machines.ts. Every
 * method is one transaction; two tabs that take from the queue never get the same rollout.
 */
export class RolloutQueue {
  readonly #access: StoreAccess;
  readonly #watchdog: Watchdog;

  constructor(access: StoreAccess, watchdog: Watchdog) {
    this.#access = access;
    this.#watchdog = watchdog;
  }

  /** Adds rollouts to the queue, in this order. One whose id is known already is given back as it is. */
  async enqueue(requests: readonly RolloutRequest[]): Promise<Rollout[]> {
    const rollouts = await this.#write(async (writer) => {
      const made: Rollout[] = [];
      for (const request of requests) {
        const known =
          request.id === undefined ? undefined : await readRollout(writer.transaction, request.id);
        if (known) made.push(known);
        else made.push(await this.#create(writer, request));
      }
      return made;
    });
    this.#announce(rollouts);
    return rollouts;
  }

  /** A rollout with its first attempt, past the queue. A known id is given back with its latest attempt. */
  async start(request: RolloutRequest, workerId: string | null = null): Promise<AttemptedRollout> {
    const started = await this.#write(async (writer) => {
      const known = request.id === undefined ? undefined : await readRollout(writer.transaction, request.id);
      if (known) {
        const attempt = latestAttempt(known);
        return attempt ? { rollout: known, attempt } : this.#attempt(writer, known, known, workerId);
      }
      return this.#attempt(writer, null, await this.#new(writer, request), workerId);
    });
    this.#announce([started.rollout]);
    return started;
  }

  /**
   * Takes up to `limit` rollouts from the front of the queue and makes an attempt for each; only those of a run where
   * one is named. Notes that the worker asked, also in vain.
   */
  async dequeue(
    options: { readonly limit?: number; readonly workerId?: string | null; readonly runId?: string } = {},
  ): Promise<AttemptedRollout[]> {
    const { limit = 1, workerId = null, runId } = options;
    await this.#watchdog.look();
    if (limit <= 0) return [];
    const taken = await this.#write(async (writer) => {
      const found: AttemptedRollout[] = [];
      const { transaction } = writer;
      let after = -1;
      while (found.length < limit) {
        const entries = await transaction.page("queue", listKey, { after, limit: pageRows });
        for (const entry of entries) {
          if (found.length >= limit) break;
          after = entry.position;
          if (runId !== undefined && entry.runId !== runId) continue;
          transaction.delete("queue", [listKey, entry.position]);
          const rollout = await transaction.get("rollouts", [entry.runId, entry.number]);
          if (!rollout || !rolloutWaits(rollout.status)) continue;
          found.push(await this.#attempt(writer, rollout, rollout, workerId));
        }
        if (entries.length < pageRows) break;
      }
      if (workerId !== null) await workerAsked(transaction, workerId, found.length > 0, writer.now);
      return found;
    });
    this.#announce(taken.map(({ rollout }) => rollout));
    return taken;
  }

  /** One more attempt by hand, however many the rollout may have. */
  async startAttempt(rolloutId: string, workerId: string | null = null): Promise<AttemptedRollout> {
    const started = await this.#write(async (writer) => {
      const rollout = await writer.get(rolloutId);
      return this.#attempt(writer, rollout, rollout, workerId);
    });
    this.#announce([started.rollout]);
    return started;
  }

  /** Undefined where there is none of this id. */
  async get(rolloutId: string): Promise<Rollout | undefined> {
    await this.#watchdog.look();
    return this.#access.transaction(["rolloutIds", "rollouts"], { mode: "readonly" }, (transaction) =>
      readRollout(transaction, rolloutId),
    );
  }

  /** Changes what is given. Rejects with "store/transition" for a status that cannot follow. */
  async update(rolloutId: string, change: RolloutChange): Promise<Rollout> {
    const { config, status, ...fields } = change;
    const updated = await this.#write(async (writer) => {
      const before = await writer.get(rolloutId);
      const next = status ?? before.status;
      checkTransition(rolloutTransitions, `Rollout ${rolloutId}`, before.status, next);
      const moved = next !== before.status;
      const rollout: Rollout = {
        ...before,
        ...fields,
        ...changed(before),
        ...(config ? { config: fullConfig({ ...before.config, ...config }) } : {}),
        status: next,
        endTime: moved ? (rolloutIsFinished(next) ? writer.now : null) : before.endTime,
      };
      await writer.save(before, rollout);
      return rollout;
    });
    this.#announce([updated]);
    return updated;
  }

  /** Changes an attempt; "latest" names the last. Its rollout and its worker follow. */
  async updateAttempt(
    rolloutId: string,
    attemptId: string,
    change: AttemptChange,
  ): Promise<AttemptedRollout> {
    const updated = await this.#write(async (writer) => {
      const before = await writer.get(rolloutId);
      const attempt = findAttempt(before, attemptId);
      if (!attempt) throw unknownAttempt(rolloutId, attemptId);
      const rollout = withChangedAttempt(before, attempt, change, writer.now);
      await writer.save(before, rollout);
      const after = findAttempt(rollout, attempt.id)!;
      await workerFollows(writer.transaction, rolloutId, after, writer.now);
      return { rollout, attempt: after };
    });
    this.#announce([updated.rollout]);
    return updated;
  }

  /**
   * Keeps spans of rollouts under way and notes them as signs of life. Gives each back as it was kept; null for one that
   * the store had. Rejects, with nothing kept, where a rollout or an attempt is not known.
   */
  async addSpans(spans: readonly RolloutSpan[]): Promise<(Span | null)[]> {
    const { ids, tails } = this.#access;
    const now = this.#access.now();
    const { written, kept, rollouts, revived } = await this.#access.transaction(
      queueTables,
      { mode: "readwrite" },
      async (transaction) => {
        const writer = new RolloutWriter(transaction, now);
        const full: Span[] = [];
        for (const span of spans) {
          const rollout = await writer.get(span.rolloutId);
          if (!findAttempt(rollout, span.attemptId) || span.attemptId === "latest")
            throw unknownAttempt(span.rolloutId, span.attemptId);
          const sequence = await this.#sequenceFor(transaction, rollout, span.sequence);
          full.push({ ...span, runId: rollout.runId, sequence });
        }
        full.forEach(checkSpan);
        const commits = await writeCommit(transaction, { spans: full }, ids, tails);
        const fresh = new Set(commits.flatMap((commit) => commit.spans));
        const signed = new Map<string, Rollout>();
        const revived: Rollout[] = [];
        for (const span of fresh) {
          const before = signed.get(span.rolloutId!) ?? (await writer.get(span.rolloutId!));
          const silent = findAttempt(before, span.attemptId!)!;
          const rollout = withSign(before, silent, now);
          await writer.save(before, rollout);
          const heard = findAttempt(rollout, silent.id)!;
          if (silent.status === "unresponsive" && heard.status !== silent.status) {
            await workerFollows(transaction, rollout.id, heard, now);
            revived.push(rollout);
          }
          signed.set(rollout.id, rollout);
        }
        return {
          written: commits,
          kept: full.map((span) => (fresh.has(span) ? span : null)),
          rollouts: [...signed.values()],
          revived,
        };
      },
    );
    await this.#access.written(written);
    this.#announce(rollouts, true);
    this.#announce(revived);
    return kept;
  }

  /**
   * The next span sequence of each rollout named, in order, from 1; the same rollout twice gets two. Counted per rollout,
   * over all of its attempts, also for one that the store does not know.
   */
  nextSequences(rolloutIds: readonly string[]): Promise<number[]> {
    return this.#access.transaction(queueTables, { mode: "readwrite" }, async (transaction) => {
      const sequences: number[] = [];
      for (const id of rolloutIds) {
        const rollout = await readRollout(transaction, id);
        sequences.push(await this.#nextSequence(transaction, id, rollout));
      }
      return sequences;
    });
  }

  /**
   * Resolves with those of the rollouts that are finished, in this order: when all that the store knows are, or after
   * `timeout` milliseconds (default never), or when the signal says so. An id that the store does not know is left out and
   * not waited for: enqueue first. Rollouts deleted meanwhile are such.
   */
  async waitFor(
    rolloutIds: readonly string[],
    options: { readonly timeout?: number | null; readonly signal?: AbortSignal } = {},
  ): Promise<Rollout[]> {
    let finished: Rollout[] = [];
    await waitUntil(
      this.#access,
      async () => {
        await this.#watchdog.look();
        const found = await this.#access.transaction(
          ["rolloutIds", "rollouts"],
          { mode: "readonly" },
          (transaction) => Promise.all(rolloutIds.map((id) => readRollout(transaction, id))),
        );
        const known = found.filter((rollout) => rollout !== undefined);
        finished = known.filter(({ status }) => rolloutIsFinished(status));
        return finished.length === known.length;
      },
      options,
    );
    return finished;
  }

  /** The feed of finished rollouts, oldest first, from a cursor (default 0, the beginning). */
  finished(options: { readonly after?: number; readonly limit?: number } = {}): Promise<FinishedPage> {
    const { after = 0, limit = 1000 } = options;
    return this.#access.transaction(finishedTables, { mode: "readonly" }, (transaction) =>
      readFinished(transaction, after, limit),
    );
  }

  async #create(writer: RolloutWriter, request: RolloutRequest): Promise<Rollout> {
    const rollout = await this.#new(writer, request);
    await writer.save(null, rollout);
    return rollout;
  }

  async #new(writer: RolloutWriter, request: RolloutRequest): Promise<Rollout> {
    const { task, mode = null, metadata = {}, runId = outsideRunId } = request;
    const number = await writer.nextNumber(runId);
    return {
      id: request.id ?? `ro-${this.#access.randomHex(12)}`,
      runId,
      number,
      update: 0,
      mode,
      group: number,
      sample: 0,
      task,
      status: "queuing",
      reason: null,
      message: null,
      result: null,
      reward: null,
      components: {},
      advantage: null,
      attempts: 0,
      attemptList: [],
      calls: 0,
      inputTokens: 0,
      outputTokens: 0,
      policyVersion: 0,
      startTime: writer.now,
      endTime: null,
      config: fullConfig(request.config),
      metadata,
      resourcesId: request.resourcesId ?? (await latestResourcesId(writer.transaction)),
      version: 1,
    };
  }

  async #attempt(
    writer: RolloutWriter,
    before: Rollout | null,
    rollout: Rollout,
    workerId: string | null,
  ): Promise<AttemptedRollout> {
    const attempted = withNewAttempt(rollout, `at-${this.#access.randomHex(8)}`, workerId, writer.now);
    await writer.save(before, attempted);
    const attempt = latestAttempt(attempted)!;
    await workerFollows(writer.transaction, rollout.id, attempt, writer.now);
    return { rollout: attempted, attempt };
  }

  async #sequenceFor(
    transaction: StorageTransaction,
    rollout: Rollout,
    given: number | null,
  ): Promise<number> {
    if (given === null) return this.#nextSequence(transaction, rollout.id, rollout);
    const next = await transaction.get("sequences", rollout.id);
    if (next === undefined) await this.#noteNamed(transaction, rollout.runId);
    if (next === undefined || given >= next) transaction.put("sequences", rollout.id, given + 1);
    return given;
  }

  async #nextSequence(
    transaction: StorageTransaction,
    id: string,
    rollout: Rollout | undefined,
  ): Promise<number> {
    const counted = await transaction.get("sequences", id);
    const next = counted ?? (rollout ? await firstSequence(transaction, rollout, this.#access.catalogue) : 1);
    if (counted === undefined && rollout) await this.#noteNamed(transaction, rollout.runId);
    transaction.put("sequences", id, next + 1);
    return next;
  }

  /** Its counters go with it when the run is deleted. */
  async #noteNamed(transaction: StorageTransaction, runId: string): Promise<void> {
    const book = await transaction.get("bookkeeping", runId);
    if (book && !book.named) transaction.put("bookkeeping", runId, { ...book, named: true });
  }

  #write<Result>(body: (writer: RolloutWriter) => Promise<Result>): Promise<Result> {
    const now = this.#access.now();
    return this.#access.transaction(queueTables, { mode: "readwrite" }, (transaction) =>
      body(new RolloutWriter(transaction, now)),
    );
  }

  #announce(rollouts: readonly Rollout[], spans = false): void {
    for (const runId of new Set(rollouts.map((rollout) => rollout.runId))) {
      this.#access.announce({ runId, kinds: spans ? ["rollouts", "spans"] : ["rollouts", "workers"] });
    }
  }
}

import type { FulguriteError } from "../gpu/error.ts";
import type { StoreAccess, StoreChange } from "./access.ts";
import { latestAttempt } from "./attempts.ts";
import { listBooks, readBook } from "./books.ts";
import { CatalogueCache } from "./catalogue-cache.ts";
import { ChangeFeed } from "./changes.ts";
import { corruptProblems, logProblems, type Damage, type LogDamage } from "./damage.ts";
import {
  attemptTables,
  findAttempts,
  findRollouts,
  findRuns,
  selectFound,
  type FindAttempts,
  type FindRollouts,
  type FindSpans,
  type FoundAttempt,
} from "./find.ts";
import { GroupCommit } from "./group-commit.ts";
import type { RolloutStatistics } from "./lightning-records.ts";
import type { Page, PageQuery } from "./query.ts";
import { inStretches, readStored, readStretch, selectSpans, spanTables } from "./read.ts";
import type { Batch, ColdNeeds, ScannedBatch } from "./read.ts";
import type {
  Checkpoint,
  Commit,
  LightningStore,
  Rollout,
  RolloutQuery,
  Run,
  RunQuery,
  RunStatus,
  Span,
  SpanQuery,
  StoreProblem,
  StoreUsage,
} from "./records.ts";
import { checkRollout, readRollouts } from "./rollouts.ts";
import { sealTail } from "./seal.ts";
import { sealRows } from "./segment.ts";
import { TailColumns, type SpanColumns } from "./span-columns.ts";
import { checkSpan } from "./span.ts";
import { SpanIds } from "./span-ids.ts";
import {
  StorageFailure,
  type Segment,
  type Storage,
  type StorageTransaction,
  type TableName,
  type TransactionOptions,
} from "./storage.ts";
import { runHasEnded } from "./state-machines.ts";
import { addStatistics, noStatistics } from "./statistics.ts";
import { explain } from "./store-errors.ts";
import { unpackGroup } from "./tail-group.ts";
import { TailCache } from "./tail-cache.ts";
import { Room } from "./room.ts";
import { RolloutQueue } from "./rollout-queue.ts";
import { ResourceShelf } from "./resources.ts";
import { Watchdog } from "./watchdog.ts";
import { Workers } from "./workers.ts";
import type { Removed, Retention } from "./retention.ts";
import { Upkeep } from "./upkeep.ts";
import { openWorkspace, type OpenedWorkspace } from "./workspace-open.ts";
import { saveWorkspace } from "./workspace-save.ts";
import { runTables, writeCommit, type Written } from "./write.ts";

export interface StoreOptions {
  /** Milliseconds since the epoch; default the system's clock. */
  readonly now?: () => number;
  /** Fills its argument with random bytes, for ids; default the system's. */
  readonly randomBytes?: (bytes: Uint8Array<ArrayBuffer>) => void;
  /** Under which other tabs are told of changes; default null: there are none. */
  readonly name?: string | null;
  /** Time limits of attempts are looked at no more often than this, milliseconds; default 10,000; 0: every time. */
  readonly watchInterval?: number;
}

/** Segments of a run after which small ones are looked for. */
const tidyEvery = 16;

/** The Lightning store over any `Storage`. All that it keeps in memory are caches: tabs may come and go. */
export class TransactionalStore implements LightningStore {
  readonly #storage: Storage;
  readonly #ids = new SpanIds();
  readonly #tails = new TailCache();
  readonly #catalogue = new CatalogueCache();
  readonly #commits = new GroupCommit((commit) => this.#write(commit));
  /** Last status written or read here: tells which commits change it. */
  readonly #statuses = new Map<string, RunStatus>();
  /** Tail rows from which sealing is tried again, where it failed. */
  readonly #sealAgain = new Map<string, number>();
  readonly #sealProblems = new Map<string, StoreProblem>();
  /** Segments that this tab has written since it last looked for small ones, by run. */
  readonly #untidy = new Map<string, number>();
  #askedToPersist = false;
  readonly #changes: ChangeFeed;
  readonly #room: Room;
  readonly #watchdog: Watchdog;
  readonly #upkeep: Upkeep;
  readonly #shared: StoreAccess;
  readonly queue: RolloutQueue;
  readonly resources: ResourceShelf;
  readonly workers: Workers;

  constructor(storage: Storage, options: StoreOptions = {}) {
    this.#storage = storage;
    this.#changes = new ChangeFeed(options.name ?? null);
    this.#room = new Room(() => {
      this.#changes.tellHere({ runId: null, kinds: ["runs"], removed: true });
    });
    this.#changes.subscribe(({ removed }) => {
      if (removed) this.#room.removed();
    });
    const access = this.#access(options);
    this.#shared = access;
    this.#watchdog = new Watchdog(access, options.watchInterval ?? 10_000);
    this.queue = new RolloutQueue(access, this.#watchdog);
    this.resources = new ResourceShelf(access);
    this.workers = new Workers(access);
    this.#upkeep = new Upkeep(access, (runId) => {
      this.#forget(runId);
    });
  }

  #access(options: StoreOptions): StoreAccess {
    const randomBytes =
      options.randomBytes ?? ((bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes));
    return {
      ids: this.#ids,
      tails: this.#tails,
      catalogue: this.#catalogue,
      now: options.now ?? (() => Date.now()),
      randomHex: (digits) => {
        const bytes = new Uint8Array(Math.ceil(digits / 2));
        randomBytes(bytes);
        return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"))
          .join("")
          .slice(0, digits);
      },
      transaction: (tables, transactionOptions, body) => this.#transaction(tables, transactionOptions, body),
      written: (written) => this.#settle(written, null),
      announce: (change) => {
        this.#changes.announce(change);
      },
      subscribe: (listener) => this.#changes.subscribe(listener),
    };
  }

  subscribe(listener: (change: StoreChange) => void): () => void {
    return this.#changes.subscribe(listener);
  }

  async findRollouts(query: FindRollouts = {}): Promise<Page<Rollout>> {
    await this.#watchdog.look();
    return this.#read(["bookkeeping", "runs", "rollouts"], (transaction) => findRollouts(transaction, query));
  }

  async findSpans(query: FindSpans): Promise<Page<Span>> {
    const { attemptId, rolloutId } = query;
    const rollout = await this.queue.get(rolloutId);
    if (!rollout) return selectFound([], null, query);
    const attempt = attemptId === "latest" ? (latestAttempt(rollout)?.id ?? "") : (attemptId ?? null);
    return selectFound(await this.spans({ runId: rollout.runId, rolloutId: rollout.id }), attempt, query);
  }

  async commit(commit: Commit): Promise<void> {
    const { run, checkpoint } = commit;
    const spans = commit.spans ?? [];
    const rollouts = commit.rollouts ?? [];
    spans.forEach(checkSpan);
    rollouts.forEach(checkRollout);
    if (!run && !checkpoint && spans.length === 0 && rollouts.length === 0) return;
    await this.#commits.submit(commit);
  }

  async #write(commit: Commit): Promise<void> {
    const { run, checkpoint } = commit;
    const changesStatus = run !== undefined && this.#statuses.get(run.id) !== run.status;
    const durability = checkpoint || changesStatus ? "strict" : "relaxed";
    const written = await this.#transaction(runTables, { mode: "readwrite", durability }, (transaction) =>
      writeCommit(transaction, commit, this.#ids, this.#tails),
    );
    if (run) this.#statuses.set(run.id, run.status);
    await this.#settle(written, run ?? null);
    if (run?.status === "succeeded") this.#askToPersist();
    const kinds: StoreChange["kinds"] = [
      ...(run ? (["runs"] as const) : []),
      ...(commit.rollouts?.length ? (["rollouts"] as const) : []),
      ...(commit.spans?.length ? (["spans"] as const) : []),
      ...(checkpoint ? (["checkpoints"] as const) : []),
    ];
    for (const { after } of written) this.#changes.announce({ runId: after.runId, kinds });
  }

  /**
   * After a commit: remembers what is known of the runs, seals tails that are full or will not grow, and joins small segments
   * now and then, and in the end.
   */
  async #settle(written: readonly Written[], run: Run | null): Promise<void> {
    this.#remember(written);
    for (const { after } of written) {
      const last = run?.id === after.runId && runHasEnded(run.status);
      const full = after.tailRows >= (this.#sealAgain.get(after.runId) ?? sealRows);
      if (after.tailRows > 0 && (last || full)) await this.#sealSoftly(after.runId, after.tailRows);
      if (last || (this.#untidy.get(after.runId) ?? 0) >= tidyEvery) {
        this.#untidy.delete(after.runId);
        // What could not be joined is readable as it is.
        await this.#upkeep.tidy(after.runId, last).catch(() => null);
      }
      if (last) {
        this.#ids.forget(after.runId);
        this.#tails.forget(after.runId);
      }
    }
  }

  run(id: string): Promise<Run | undefined> {
    return this.#read(["runs"], (transaction) => transaction.get("runs", id));
  }

  async runs(query: RunQuery = {}): Promise<Run[]> {
    const filter = Object.fromEntries(Object.entries(query).map(([field, exact]) => [field, { exact }]));
    return (await this.findRuns({ filter, sortOrder: "desc" })).items;
  }

  findRuns(query: PageQuery<Run> = {}): Promise<Page<Run>> {
    return this.#read(["runs"], (transaction) => findRuns(transaction, query));
  }

  async findAttempts(query: FindAttempts = {}): Promise<Page<FoundAttempt>> {
    await this.#watchdog.look();
    return this.#read(attemptTables, (transaction) => findAttempts(transaction, query));
  }

  async spans(query: SpanQuery): Promise<Span[]> {
    return selectSpans(await this.#batches(query), query);
  }

  async columns(query: SpanQuery): Promise<SpanColumns[]> {
    const batches = await this.#batches(query, { tokens: false, texts: false });
    return batches.map(({ columns }) => columns);
  }

  async *scan(query: SpanQuery): AsyncGenerator<ScannedBatch> {
    const ended = this.#upkeep.scanning(query.runId);
    try {
      yield* this.#scan(query);
    } finally {
      ended();
    }
  }

  async *#scan(query: SpanQuery): AsyncGenerator<ScannedBatch> {
    const { runId } = query;
    const withTokens = query.tokens !== false;
    const [segments, groups] = await this.#read(spanTables, (transaction) =>
      Promise.all([this.#catalogue.segments(transaction, runId), transaction.list("tail", runId)]),
    );
    const read = async (stretch: readonly Segment[]): Promise<readonly ScannedBatch[]> => {
      const { batches, damaged } = await this.#read(spanTables, (transaction) =>
        readStretch(transaction, stretch, query, withTokens, this.#catalogue),
      );
      for (const damage of damaged) await this.#setAside(damage);
      return batches;
    };
    const stretches = inStretches(segments, query, withTokens);
    // The disk reads the next stretch while this one is looked at.
    let next = stretches[0] ? read(stretches[0]) : null;
    for (let i = 0; next; i++) {
      const batches = await next;
      next = stretches[i + 1] ? read(stretches[i + 1]!) : null;
      // Whoever stops early must not leave a failure behind that nobody handles.
      next?.catch(() => null);
      yield* batches;
    }
    const rows = groups.flatMap(({ value }) => unpackGroup(value));
    if (rows.length > 0) yield { columns: new TailColumns(rows), tokens: [] };
  }

  async #batches(query: SpanQuery, needs?: ColdNeeds): Promise<readonly Batch[]> {
    const stored = await this.#read(spanTables, (transaction) =>
      readStored(transaction, query, this.#catalogue, needs),
    );
    for (const damage of stored.damaged) await this.#setAside(damage);
    return stored.batches;
  }

  checkpoint(runId: string): Promise<Checkpoint | undefined> {
    return this.#read(["checkpoints"], (transaction) => transaction.get("checkpoints", runId));
  }

  rollouts(query: RolloutQuery): Promise<Rollout[]> {
    return this.#read(["rollouts"], (transaction) => readRollouts(transaction, query));
  }

  async seal(runId: string): Promise<void> {
    const written = await this.#transaction(
      runTables,
      { mode: "readwrite", durability: "strict" },
      (transaction) => sealTail(transaction, runId, this.#tails),
    );
    if (written) this.#remember([written]);
    this.#sealAgain.delete(runId);
    this.#sealProblems.delete(runId);
  }

  deleteRun(id: string): Promise<void> {
    return this.#upkeep.deleteRun(id);
  }

  deleteRollouts(runId: string, numbers: readonly number[]): Promise<number> {
    return this.#upkeep.deleteRollouts(runId, numbers);
  }

  compact(runId: string): Promise<void> {
    return this.#upkeep.compact(runId);
  }

  retain(retention: Retention): Promise<Removed> {
    return this.#upkeep.retain(retention);
  }

  async *saveWorkspace(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const books = await this.#read(["bookkeeping", "runs"], listBooks);
    const ended = books.map(({ runId }) => this.#upkeep.scanning(runId));
    try {
      yield* saveWorkspace(this.#shared);
    } finally {
      for (const end of ended) end();
    }
  }

  openWorkspace(file: Blob): Promise<OpenedWorkspace> {
    return openWorkspace(this.#shared, file);
  }

  #forget(runId: string): void {
    this.#ids.forget(runId);
    this.#tails.forget(runId);
    this.#catalogue.forget(runId);
    this.#statuses.delete(runId);
    this.#sealAgain.delete(runId);
    this.#sealProblems.delete(runId);
    this.#untidy.delete(runId);
  }

  setting(key: string): Promise<unknown> {
    return this.#read(["settings"], (transaction) => transaction.get("settings", key));
  }

  setSetting(key: string, value: unknown): Promise<void> {
    return this.#transaction(["settings"], { mode: "readwrite" }, (transaction) => {
      if (value === undefined) transaction.delete("settings", key);
      else transaction.put("settings", key, value);
      return Promise.resolve();
    });
  }

  async statistics(runId?: string): Promise<RolloutStatistics> {
    const books = await this.#read(["bookkeeping", "runs"], async (transaction) =>
      runId === undefined ? listBooks(transaction) : [await readBook(transaction, runId)],
    );
    return books.reduce((sum, book) => (book ? addStatistics(sum, book.statistics) : sum), noStatistics);
  }

  async usage(): Promise<StoreUsage> {
    const [books, runs] = await this.#read(["bookkeeping", "runs"], (transaction) =>
      Promise.all([listBooks(transaction), transaction.list("runs")]),
    );
    const names = new Map(runs.map(({ value }) => [value.id, value.name]));
    const sizes = books
      .filter(({ deleted }) => !deleted)
      .map(({ runId, tailBytes, segmentBytes, checkpointBytes, rolloutBytes }) => ({
        runId,
        name: names.get(runId) ?? runId,
        bytes: tailBytes + segmentBytes + checkpointBytes + rolloutBytes,
      }))
      .sort((a, b) => b.bytes - a.bytes);
    const estimate = await this.#storage.estimate();
    return {
      bytes: estimate?.bytes ?? sizes.reduce((sum, { bytes }) => sum + bytes, 0),
      quota: estimate?.quota ?? null,
      persisted: estimate?.persisted ?? false,
      runs: sizes,
    };
  }

  async problems(): Promise<StoreProblem[]> {
    const [segments, damage] = await this.#read(["segments", "meta"], (transaction) =>
      Promise.all([transaction.list("segments"), transaction.get("meta", "damage")]),
    );
    return [
      ...logProblems((damage ?? []) as readonly LogDamage[]),
      ...segments.flatMap(({ value }) => corruptProblems(value)),
      ...this.#sealProblems.values(),
    ];
  }

  close(): void {
    this.#room.close();
    this.#changes.close();
    this.#storage.close();
  }

  /** The commit is acknowledged already; what goes wrong now is a problem to show, not the commit's failure. */
  async #sealSoftly(runId: string, tailRows: number): Promise<void> {
    try {
      await this.seal(runId);
    } catch (error) {
      this.#sealAgain.set(runId, tailRows + sealRows);
      this.#sealProblems.set(runId, { ...(error as FulguriteError).toData(), runId, segment: null });
      this.#changes.announce({ runId, kinds: ["problems"] });
    }
  }

  /** Kept and flagged; readers pass over it from now on. */
  async #setAside({ segment: { runId, number }, part, reason }: Damage): Promise<void> {
    await this.#transaction(["segments"], { mode: "readwrite" }, async (transaction) => {
      const segment = await transaction.get("segments", [runId, number]);
      if (segment?.damage !== null) return;
      const cold = part === "segment" ? null : segment[part];
      if (cold?.damage === null)
        transaction.put("segments", [runId, number], { ...segment, [part]: { ...cold, damage: reason } });
      else if (part === "segment")
        transaction.put("segments", [runId, number], { ...segment, damage: reason });
    });
    this.#catalogue.forget(runId);
    this.#changes.announce({ runId, kinds: ["problems"] });
  }

  #remember(written: readonly Written[]): void {
    for (const { before, after, spans, direct } of written) {
      const added = after.nextSegment - (before?.nextSegment ?? 0);
      if (added > 0) this.#untidy.set(after.runId, (this.#untidy.get(after.runId) ?? 0) + added);
      this.#ids.committed(before, after, spans);
      if (direct || after.tailRows === 0) this.#tails.forget(after.runId);
      else if (spans.length > 0) this.#tails.added(before, after, spans);
    }
  }

  /** Once, after the first run worth keeping. */
  #askToPersist(): void {
    if (this.#askedToPersist) return;
    this.#askedToPersist = true;
    this.#storage.persist().catch(() => null);
  }

  #read<Result>(
    tables: readonly TableName[],
    body: (transaction: StorageTransaction) => Promise<Result>,
  ): Promise<Result> {
    return this.#transaction(tables, { mode: "readonly" }, body);
  }

  /**
   * One transaction; where the connection was lost, once more on a new one, and where the disk was full, once more with its
   * size counted anew. Every body here may run twice: spans have ids, all else replaces.
   */
  async #transaction<Result>(
    tables: readonly TableName[],
    options: TransactionOptions,
    body: (transaction: StorageTransaction) => Promise<Result>,
  ): Promise<Result> {
    const attempt = (): Promise<Result> => this.#storage.transaction(tables, options, body);
    try {
      return await attempt().catch(async (error: unknown) => {
        if (!(error instanceof StorageFailure) || (error.kind !== "lost" && error.kind !== "full"))
          throw error;
        if (error.kind === "full") await this.#countAnew();
        return attempt();
      });
    } catch (error) {
      if (error instanceof StorageFailure && error.kind === "full") this.#room.refused();
      // Asking for the largest runs reads, so a failed read must not ask.
      throw await explain(error, options.mode === "readwrite" ? () => this.usage() : null);
    }
  }

  /**
   * Chromium keeps the figure that it had when the last transaction was committed, and files of what that one deleted are gone
   * only later. One that deletes is committed on a full disk, too.
   */
  async #countAnew(): Promise<void> {
    const settings: readonly TableName[] = ["settings"];
    await this.#storage
      .transaction(settings, { mode: "readwrite" }, (transaction) => {
        transaction.delete("settings", "");
        return Promise.resolve();
      })
      .catch(() => null);
  }
}

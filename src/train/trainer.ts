import type { HostStepper } from "../env/host-environment.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { LightningStore, Run, RunQuery } from "../store/records.ts";
import { runHasEnded } from "../store/state-machines.ts";
import { isFull } from "../store/store-errors.ts";
import { runId } from "../trace/ids.ts";
import { complete, type Completion, type CompletionRequest } from "./complete.ts";
import type { RunEvent } from "./events.ts";
import type { Job, RunProgress, TrainResult } from "./job.ts";
import { jobResources, jobResourcesId } from "./job-resources.ts";
import { jobFromFile } from "./load-checkpoint.ts";
import { keepStart } from "./start-weights.ts";
import type { RunController } from "./run-controller.ts";
import { checkJob, createController, jobSize, storedEvents, type RunKindOptions } from "./run-kinds.ts";
import { without } from "./without.ts";

export type RunListener = (event: RunEvent) => void;

export interface TrainerOptions extends RunKindOptions {
  /** Fills its argument with random bytes, for run ids. */
  readonly randomBytes: (bytes: Uint8Array<ArrayBuffer>) => void;
  /** The Web Locks of this origin; null where there is one process only. One lock a run says whose it is. */
  readonly locks: LockManager | null;
  /** Called when the last run has ended; what it does must not matter to anybody. */
  readonly onIdle?: () => Promise<void>;
}

interface LiveRun {
  readonly controller: RunController;
  readonly result: Promise<TrainResult>;
}

/** Starts, resumes and watches runs over one store. One per trainer worker, or per process. */
export class Trainer {
  readonly #options: TrainerOptions;
  readonly #live = new Map<string, LiveRun>();
  readonly #listeners = new Map<string, Set<RunListener>>();

  constructor(options: TrainerOptions) {
    this.#options = options;
  }

  get store(): LightningStore {
    return this.#options.store;
  }

  /**
   * Validates the job, writes the run and starts it. Resolves with its id at once. `host` steps the job's host environment
   * where it is in another realm.
   */
  async start(
    job: Job,
    owner: { readonly notebook: string | null; readonly cell: string | null },
    host: HostStepper | null = null,
  ): Promise<string> {
    checkJob(job);
    const run = await this.#create(job, owner);
    await this.#options.store.commit({ run });
    await this.#launch(run, false, host);
    return run.id;
  }

  /**
   * A new run from a checkpoint file, of the cell and with the reward of run `id`, with the file's algorithm and seed:
   * paused where the file was saved, or, where that was the end, ended. Resolves with its id.
   */
  async load(id: string, file: Uint8Array): Promise<string> {
    const like = await this.#stored(id);
    const { job, state } = jobFromFile(like, file);
    checkJob(job);
    const { store, now } = this.#options;
    const run = await this.#create(job, like);
    const { update } = state;
    const step = update * (run.steps / run.updates);
    const status = update < run.updates ? "paused" : "succeeded";
    const reason = `Loaded from a file, as it was after ${update} updates.`;
    const checkpoint = { runId: run.id, update, step, createdAt: now(), state };
    await store.commit({ run: { ...run, status, reason, update, step }, checkpoint });
    return run.id;
  }

  async #create(
    given: Job,
    owner: { readonly notebook: string | null; readonly cell: string | null },
  ): Promise<Run> {
    const { now, randomBytes, store } = this.#options;
    const bytes = new Uint8Array(10);
    randomBytes(bytes);
    const { updates, steps } = jobSize(given);
    const createdAt = now();
    const id = runId(createdAt, bytes);
    const job = await keepStart(given, id, store);
    const resources = await store.resources.keep(jobResourcesId(owner, job), jobResources(job), id);
    return {
      id,
      kind: job.kind,
      name: job.name,
      notebook: owner.notebook,
      cell: owner.cell,
      job,
      seed: job.seed,
      engine: null,
      adapter: null,
      status: "queued",
      reason: null,
      update: 0,
      updates,
      step: 0,
      steps,
      createdAt,
      updatedAt: createdAt,
      activeTime: 0,
      metrics: {},
      resources: { id: resources.id, version: resources.version },
    };
  }

  /** Resolves when the run has ended; rejects with why it failed. Only for runs live in this trainer. */
  result(id: string): Promise<TrainResult> {
    const live = this.#live.get(id);
    if (!live) throw notRunning(id);
    return live.result;
  }

  async pause(id: string): Promise<void> {
    const live = this.#live.get(id);
    if (!live) throw (await this.#isLocked(id)) ? elsewhere() : notRunning(id);
    live.controller.pause();
  }

  /** Goes on with a run paused here, or one that an earlier page left behind. */
  async resume(id: string, host: HostStepper | null = null): Promise<void> {
    const live = this.#live.get(id);
    if (live) live.controller.resume();
    else await this.#launch(await this.#stored(id), false, host);
  }

  /** One update, then paused. */
  async step(id: string, host: HostStepper | null = null): Promise<void> {
    if (!this.#live.has(id)) await this.#launch(await this.#stored(id), true, host);
    this.#controller(id).step();
  }

  /** Whether the run is trained by this trainer now, or paused in it. */
  isLive(id: string): boolean {
    return this.#live.has(id);
  }

  /** Ends the run as cancelled; what it learned stays. */
  async stop(id: string): Promise<void> {
    const live = this.#live.get(id);
    if (live) {
      live.controller.stop();
      await live.result.catch(() => undefined);
      return;
    }
    if (ended(await this.#stored(id))) return;
    // Only whoever holds the lock may write: another tab may be training it.
    const release = await this.#lock(id);
    try {
      const run = await this.#stored(id);
      if (ended(run)) return;
      await this.#options.store.commit({
        run: { ...run, status: "cancelled", updatedAt: this.#options.now() },
      });
      await this.#options.store.seal(id);
    } finally {
      release();
    }
    await this.#replay(id, (event) => this.#tell(id, event));
  }

  /**
   * Takes a failed run back to its last checkpoint, from before the fault: it is paused there, and can be watched,
   * exported and resumed. Rejects with "train/not-failed" for any other run.
   */
  async goBack(id: string): Promise<void> {
    const release = await this.#lock(id);
    try {
      const run = await this.#stored(id);
      if (run.status !== "failed") {
        throw new FulguriteError(
          "train/not-failed",
          `Run ${run.name} has not failed (${run.status}).`,
          "Only a failed run goes back to its last checkpoint.",
        );
      }
      await this.#options.store.commit({
        run: { ...without(run, "failure"), status: "paused", reason: null, updatedAt: this.#options.now() },
      });
    } finally {
      release();
    }
    await this.#replay(id, (event) => this.#tell(id, event));
  }

  /** Stops it where it is live. Rejects with "train/elsewhere" where it is in another tab. */
  async deleteRun(id: string): Promise<void> {
    const live = this.#live.has(id);
    if (live) await this.stop(id);
    // A full disk may refuse to say of any other that it was stopped.
    const release = live ? null : await this.#lock(id);
    try {
      await this.#options.store.deleteRun(id);
    } finally {
      release?.();
    }
  }

  /** Newest first; a running run that nobody holds is shown, and kept, as paused. */
  async runs(query: RunQuery): Promise<Run[]> {
    const runs = await this.#options.store.runs(query);
    return Promise.all(runs.map((run) => this.#settled(run)));
  }

  /** Tells `listener` all that is known of the run, then follows it. Returns the way to stop. */
  async watch(id: string, listener: RunListener): Promise<() => void> {
    await this.#replay(id, listener);
    const listeners = this.#listeners.get(id) ?? new Set();
    this.#listeners.set(id, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Answers of a run's policy, or of one that no run has trained; see `complete`. */
  complete(request: CompletionRequest): Promise<Completion[]> {
    return complete(request, this.#options);
  }

  async #replay(id: string, listener: RunListener): Promise<void> {
    const live = this.#live.get(id);
    if (live) {
      listener({ kind: "progress", progress: live.controller.progress() });
      listener({ kind: "curve", curve: live.controller.sentCurve(), replace: true });
      const episode = live.controller.lastEpisode;
      if (episode) listener({ kind: "episode", episode });
      return;
    }
    const run = await this.#settled(await this.#stored(id));
    // A run that is still running, and not here, runs in another tab.
    const reason = run.status === "running" ? elsewhere().message : run.reason;
    listener({ kind: "progress", progress: storedProgress({ ...run, reason }) });
    for (const event of await storedEvents(run, this.#options.store)) listener(event);
    if (run.status === "failed" && run.failure) listener({ kind: "failed", error: run.failure });
  }

  #tell(id: string, event: RunEvent): void {
    for (const listener of this.#listeners.get(id) ?? []) listener(event);
  }

  #controller(id: string): RunController {
    const live = this.#live.get(id);
    if (!live) throw notRunning(id);
    return live.controller;
  }

  async #stored(id: string): Promise<Run> {
    const run = await this.#options.store.run(id);
    if (run) return run;
    throw new FulguriteError(
      "train/no-such-run",
      `There is no run ${id}.`,
      "It may have been deleted; start a new one.",
    );
  }

  async #launch(run: Run, paused: boolean, host: HostStepper | null): Promise<void> {
    if (run.kind === "outside") throw notRunning(run.id);
    if (ended(run)) {
      throw new FulguriteError(
        "train/ended",
        `Run ${run.name} has ended (${run.status}).`,
        "Start a new run.",
      );
    }
    const release = await this.#lock(run.id);
    const onEvent = (event: RunEvent): void => {
      this.#tell(run.id, event);
    };
    const controller = createController(run, { ...this.#options, onEvent, host });
    const result = controller.start({ paused }).finally(() => {
      this.#live.delete(run.id);
      release();
      if (this.#live.size === 0) void this.#options.onIdle?.().catch(() => undefined);
    });
    // Whoever wants the outcome asks `result`; without anybody a failure is told to listeners only.
    result.catch(() => undefined);
    this.#live.set(run.id, { controller, result });
  }

  /** Takes the run's lock for as long as it is live; rejects if another tab has it. */
  #lock(id: string): Promise<() => void> {
    const { locks } = this.#options;
    if (!locks) return Promise.resolve(() => undefined);
    return new Promise((resolve, reject) => {
      locks
        .request(lockName(id), { ifAvailable: true }, (lock) => {
          if (!lock) {
            reject(elsewhere());
            return undefined;
          }
          return new Promise<void>((release) => {
            resolve(release);
          });
        })
        .catch(reject);
    });
  }

  /** A run whose owner is gone is paused. */
  async #settled(run: Run): Promise<Run> {
    if (run.kind === "outside") return run;
    if (run.status !== "running" && run.status !== "queued") return run;
    if (this.#live.has(run.id) || (await this.#isLocked(run.id))) return run;
    // Its owner may have ended it between the first reading and the look at its lock.
    const now = (await this.#options.store.run(run.id)) ?? run;
    if (now.status !== "running" && now.status !== "queued") return now;
    const paused: Run = {
      ...now,
      status: "paused",
      reason: "The page was closed while it ran; nothing before the last second is lost.",
    };
    try {
      await this.#options.store.commit({ run: paused });
      return paused;
    } catch (error) {
      if (!isFull(error)) throw error;
      return { ...paused, reason: `${paused.reason!} ${error.message} ${error.fix}` };
    }
  }

  async #isLocked(id: string): Promise<boolean> {
    const state = await this.#options.locks?.query();
    return state?.held?.some((lock) => lock.name === lockName(id)) ?? false;
  }
}

const lockName = (id: string): string => `fulgurite-run-${id}`;

const ended = (run: Run): boolean => runHasEnded(run.status);

const elsewhere = (): FulguriteError =>
  new FulguriteError(
    "train/elsewhere",
    "This run is being trained in another tab.",
    "Pause or stop it there; or close that tab, and resume it here.",
  );

const notRunning = (id: string): FulguriteError =>
  new FulguriteError("train/not-running", `Run ${id} is not running here.`, "Resume it first.");

function storedProgress(run: Run): RunProgress {
  const { id, status, reason, update, updates, step, steps, engine, adapter, metrics } = run;
  return {
    runId: id,
    status,
    reason,
    phase: ended(run) ? "finished" : "paused",
    update,
    updates,
    step,
    steps,
    stepsPerSecond: run.activeTime > 0 ? (step / run.activeTime) * 1000 : null,
    timeLeft: null,
    engine,
    adapter,
    metrics,
  };
}

import { asFulguriteError, FulguriteError } from "../gpu/error.ts";
import type { Commit, LightningStore, Run } from "../store/records.ts";
import { isFull } from "../store/store-errors.ts";
import type { Curve, EpisodeReplay, RunEvent } from "./events.ts";
import type { RunProgress, TrainResult } from "./job.ts";

/** Acknowledged work is at most this old, or one update, whichever is longer. */
const COMMIT_INTERVAL_MS = 700;
const EVENT_INTERVAL_MS = 200;
/** Updates whose time makes the rate. */
const RATE_UPDATES = 40;
/** A device that is lost this often in one run is not coming back. */
const MAX_DEVICE_LOSSES = 3;

export interface RunControllerOptions {
  readonly store: LightningStore;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly onEvent: (event: RunEvent) => void;
  /** Milliseconds, so far, for which the machine slept or the tab was frozen; default never. */
  readonly slept?: () => number;
  /** Browser, or Node, with its version: the same bits are promised on the same one. Default: nobody asks. */
  readonly platform?: string;
}

/** What a run wants of its engine beside the job. */
export interface EngineTerms {
  /** Kernel variant that the run started with; null for a run that starts. */
  readonly variant: string | null;
  /** Rollouts or examples that a language policy works on at once; default 256. */
  readonly rows?: number;
  /** Whether a language policy's training keeps less and computes it again; default false. */
  readonly checkpointing?: boolean;
  /** Called before anything is allocated on the GPU, with the bytes that it will be. */
  readonly onMemory: (bytes: number) => void;
  /** Milliseconds, by which runs that share a device measure it; without it estimates are believed. */
  readonly now?: () => number;
  /** What the store keeps under a name: which kernels were measured to be the fastest. */
  readonly setting?: (key: string) => Promise<unknown>;
}

/** Said by an engine that was taken in place of WebGPU. */
export interface PassedOver {
  /** Why, a sentence for the run. */
  readonly passedOver: string;
}

/** Anything that trains on a device that may be lost. */
export interface Device extends Partial<PassedOver> {
  readonly engine: "webgpu" | "cpu";
  readonly adapter: string;
  /** Of the kernels, where there are several to choose from; pinned on resume. */
  readonly variant?: string;
  /** Resolves with the reason when the device is lost. */
  readonly lost: Promise<string>;
  dispose(): void;
}

/** A growing curve: what listeners have not been told yet can be cut from it. */
export interface RunCurve {
  readonly updates: number;
  readonly evaluations: number;
  since(updates: number, evaluations: number, endUpdates?: number, endEvaluations?: number): Curve;
  /** Forgets everything after `update`. */
  truncate(update: number): void;
  /** Figures for lists, under the names the page and the command line use. */
  summary(): Record<string, number>;
}

/**
 * The life of a training run, whatever trains: start or resume, update by update with pause, step and stop between
 * them, durable every 0.7 s, on a new device from the last state where one was lost, to its end. Whoever owns it
 * holds the run's lock.
 */
export abstract class RunController {
  protected readonly options: RunControllerOptions;
  protected current: Run;
  #paused = false;
  #stepping = false;
  #stopping = false;
  #wake: (() => void) | null = null;
  #phase: RunProgress["phase"] = "starting";
  #losses = 0;
  #lastCommitAt = 0;
  #lastEventAt = 0;
  #sentUpdates = 0;
  #sentEvaluations = 0;
  /** When updates were finished lately, for the rate; empty after a pause. */
  #marks: { readonly time: number; readonly update: number }[] = [];
  #activeSince: number | null = null;
  #slept = 0;
  #lastEpisode: EpisodeReplay | null = null;
  #memory: number | null = null;

  constructor(run: Run, options: RunControllerOptions) {
    this.current = run;
    this.options = options;
    this.#slept = options.slept?.() ?? 0;
  }

  /** Opens a device on the last saved state, or a fresh one; null before and after. */
  protected abstract open(pinned: "webgpu" | "cpu" | null, terms: EngineTerms): Promise<void>;
  /** What the run leaves out of what it was given, for people. */
  protected leftOut: string | null = null;
  protected abstract readonly device: Device | null;
  protected abstract readonly curve: RunCurve;
  /** Updates that the device has been given. */
  protected abstract readonly update: number;
  /** Environment steps or rollouts of one update. */
  protected abstract readonly stepsPerUpdate: number;
  /** Reads what the store has of the run, before the device is opened. */
  protected abstract restore(): Promise<void>;
  /** One update, and the evaluation that follows it. Rejects with what went wrong. */
  protected abstract advance(): Promise<void>;
  /**
   * Waits for the device and takes everything measured since the last snapshot, with the state it belongs to.
   * Rejects with the fault where the last updates must not be kept.
   */
  protected abstract snapshot(): Promise<
    Pick<Commit, "spans" | "rollouts"> & { readonly checkpoint: NonNullable<Commit["checkpoint"]> }
  >;
  /** The snapshot is durable. */
  protected abstract committed(): void;
  /** Stop was asked for: `advance` need not wait for what may never come. It then rejects with "train/interrupted". */
  protected interrupt(): void {
    // Most of what an update waits for comes by itself.
  }
  /** Goes back to the last durable state after a loss; returns its update. */
  protected abstract rewind(): number;

  get run(): Run {
    return this.current;
  }

  /** The latest greedy episode, for whoever begins to watch. */
  get lastEpisode(): EpisodeReplay | null {
    return this.#lastEpisode;
  }

  /** What listeners have been told so far; the next event continues from here. */
  sentCurve(): Curve {
    return this.curve.since(0, 0, Math.max(0, this.#sentUpdates), this.#sentEvaluations);
  }

  pause(): void {
    this.#paused = true;
    this.#wakeUp();
  }

  resume(): void {
    this.#paused = false;
    this.#wakeUp();
  }

  /** One update, then paused. */
  step(): void {
    this.#paused = true;
    this.#stepping = true;
    this.#wakeUp();
  }

  stop(): void {
    this.#stopping = true;
    this.interrupt();
    this.#wakeUp();
  }

  progress(): RunProgress {
    const { id, status, reason, updates, steps, engine, adapter } = this.current;
    const rate = this.#millisecondsPerUpdate();
    // What came after the last checkpoint of a failed run is gone.
    const update = this.device && status !== "failed" ? this.update : this.current.update;
    return {
      runId: id,
      status,
      reason,
      phase: this.#phase,
      update,
      updates,
      step: update * this.stepsPerUpdate,
      steps,
      stepsPerSecond: rate === null ? null : (steps / updates / rate) * 1000,
      timeLeft: rate === null ? null : Math.max(0, updates - update) * rate,
      engine,
      adapter,
      ...(this.#memory === null ? {} : { memoryBytes: this.#memory }),
      metrics: { ...this.current.metrics, ...this.curve.summary() },
    };
  }

  /** Runs to the end. `paused` starts it waiting. Resolves with the result; rejects with what went wrong. */
  async start(options: { readonly paused?: boolean } = {}): Promise<TrainResult> {
    this.#paused = options.paused ?? false;
    try {
      await this.restore();
      this.enter("compiling");
      await this.#open();
      return await this.#train();
    } catch (error) {
      const failure = asFulguriteError(error);
      await this.#fail(failure);
      throw failure;
    } finally {
      this.device?.dispose();
    }
  }

  protected get stopping(): boolean {
    return this.#stopping;
  }

  protected emitEpisode(episode: EpisodeReplay): void {
    this.#lastEpisode = episode;
    this.options.onEvent({ kind: "episode", episode });
  }

  protected enter(phase: RunProgress["phase"]): void {
    const changed = this.#phase !== phase;
    this.#phase = phase;
    if (changed && (phase === "compiling" || phase === "paused")) this.emit(true);
  }

  /** Tells listeners where the run is, a few times a second at most. */
  protected emit(now = false): void {
    const time = this.options.now();
    if (!now && time - this.#lastEventAt < EVENT_INTERVAL_MS) return;
    this.#lastEventAt = time;
    this.options.onEvent({ kind: "progress", progress: this.progress() });
    const replace = this.#sentUpdates <= 0;
    if (replace) this.#sentUpdates = this.#sentEvaluations = 0;
    const { updates, evaluations } = this.curve;
    if (updates === this.#sentUpdates && evaluations === this.#sentEvaluations) return;
    const curve = this.curve.since(this.#sentUpdates, this.#sentEvaluations);
    this.options.onEvent({ kind: "curve", curve, replace });
    this.#sentUpdates = updates;
    this.#sentEvaluations = evaluations;
  }

  /** The engine the run started with; a run that has none yet takes what "auto" gives. */
  async #open(): Promise<void> {
    const { engine } = this.current;
    const pinned = engine === "webgpu" || engine === "cpu" ? engine : null;
    const { platform } = this.options;
    this.#memory = null;
    await this.open(pinned, {
      variant: pinned === null ? null : (this.current.variant ?? null),
      now: this.options.now,
      setting: (key) => this.options.store.setting(key),
      onMemory: (bytes) => {
        // A reference policy comes on top.
        this.#memory = (this.#memory ?? 0) + bytes;
        this.emit(true);
      },
    });
    const device = this.device!;
    let reason: string | null = device.passedOver ?? null;
    if (pinned !== null && this.current.adapter !== device.adapter) {
      reason = `Continues on ${device.adapter}, not on ${String(this.current.adapter)}: from here on no longer bit for bit.`;
    }
    const changed = (name: string, before: string | undefined, now: string | undefined): void => {
      if (pinned === null || before === undefined || now === undefined || before === now) return;
      reason ??= `Continues ${name} ${now}, not ${before}: from here on no longer bit for bit.`;
    };
    changed("with kernels of variant", this.current.variant, device.variant);
    changed("in", this.current.platform, platform);
    this.current = {
      ...{ ...this.current, engine: device.engine, adapter: device.adapter },
      reason: [reason, this.leftOut].filter((words) => words !== null).join(" ") || null,
      ...(device.variant === undefined ? {} : { variant: device.variant }),
      ...(platform === undefined ? {} : { platform }),
    };
  }

  async #train(): Promise<TrainResult> {
    const { now } = this.options;
    this.#lastCommitAt = now();
    // The first update is kept at once, so that a run that breaks in its first second has something to go back to.
    let interval = 0;
    for (;;) {
      if (this.#stopping || this.update >= this.current.updates) {
        const result = await this.#finish();
        if (result) return result;
        continue;
      }
      if (this.#paused && !this.#stepping) {
        await this.#rest();
        continue;
      }
      this.#stepping = false;
      this.#activeSince ??= now();
      if (this.current.status !== "running" && (await this.#keep("running"))) continue;
      this.enter("training");
      if (await this.#survive(this.advance())) continue;
      this.#leaveOutSleep();
      if (now() - this.#lastCommitAt > interval) {
        interval = Math.min(COMMIT_INTERVAL_MS, 2 * interval + 20);
        this.enter("saving");
        if (await this.#keep("running")) continue;
      }
      this.#mark();
      this.emit();
    }
  }

  /** What nobody computed in counts neither for the rate nor for the time that training took, and the run says so. */
  #leaveOutSleep(): void {
    const slept = this.options.slept?.() ?? 0;
    const gap = slept - this.#slept;
    if (gap <= 0) return;
    this.#slept = slept;
    if (this.#activeSince !== null) this.#activeSince += gap;
    this.#marks = [];
    this.current = {
      ...this.current,
      reason: `The machine slept for ${duration(gap)}, or the browser froze the tab: the run went on where it was.`,
    };
  }

  /** Awaits `work`; on a lost device opens a new one at the last saved state and returns true. */
  async #survive(work: Promise<void>): Promise<boolean> {
    const lost = await Promise.race([
      work.then(
        () => null,
        (error: unknown) => asFulguriteError(error),
      ),
      this.device!.lost,
    ]);
    if (lost === null) return false;
    if (this.#stopping && lost instanceof FulguriteError && lost.code === "train/interrupted") return true;
    if (lost instanceof FulguriteError && lost.code !== "gpu/lost") throw lost;
    if (++this.#losses > MAX_DEVICE_LOSSES) {
      throw new FulguriteError(
        "train/device-lost",
        `The GPU was lost ${this.#losses} times (${lost instanceof FulguriteError ? lost.message : lost}).`,
        "Resume the run later, or train on the CPU engine.",
      );
    }
    this.device!.dispose();
    this.curve.truncate(this.rewind());
    this.#sentUpdates = -1;
    await this.#open();
    return true;
  }

  /** Makes everything measured so far durable, with the state it belongs to. */
  async #commit(status: Run["status"]): Promise<void> {
    const { checkpoint, ...measured } = await this.snapshot();
    const now = this.options.now();
    const active = this.#activeSince === null ? 0 : now - this.#activeSince;
    const run: Run = {
      ...this.current,
      status,
      update: checkpoint.update,
      step: checkpoint.step,
      activeTime: this.current.activeTime + active,
      updatedAt: now,
      metrics: this.curve.summary(),
    };
    await this.options.store.commit({ run, checkpoint, ...measured });
    this.committed();
    this.current = run;
    this.#lastCommitAt = now;
    if (this.#activeSince !== null) this.#activeSince = now;
  }

  /**
   * Commits. On a full disk the run pauses instead, with everything measured in memory, until it is resumed or stopped or
   * something was deleted. True where there is more to do before the commit is made.
   */
  async #keep(status: Run["status"]): Promise<boolean> {
    try {
      return await this.#survive(this.#commit(status));
    } catch (error) {
      unlessFull(error);
      if (this.#stopping) await this.#endWithoutRoom(status);
      else await this.#waitForRoom(error as FulguriteError);
      return !this.#stopping;
    }
  }

  async #waitForRoom({ message, fix }: FulguriteError): Promise<void> {
    const awake = new Promise<void>((resolve) => (this.#wake = resolve));
    const unsubscribe = this.options.store.subscribe(({ removed }) => {
      if (removed) this.resume();
    });
    this.#activeSince = null;
    this.#marks = [];
    this.current = { ...this.current, status: "paused", reason: `${message} ${fix}` };
    this.#phase = "paused";
    this.emit(true);
    await awake;
    unsubscribe();
    this.#wake = null;
    this.current = { ...this.current, reason: null };
  }

  /** Whoever stops a run, perhaps to delete it, is not kept waiting for room; it ends with what was durable before. */
  async #endWithoutRoom(status: Run["status"]): Promise<void> {
    this.current = { ...this.current, status, updatedAt: this.options.now() };
    await this.options.store.commit({ run: this.current }).catch(unlessFull);
  }

  async #rest(): Promise<void> {
    this.enter("paused");
    const awake = new Promise<void>((resolve) => (this.#wake = resolve));
    let full = false;
    try {
      if (await this.#survive(this.#commit("paused"))) return;
    } catch (error) {
      unlessFull(error);
      const { message, fix } = error as FulguriteError;
      this.current = { ...this.current, status: "paused", reason: `${message} ${fix}` };
      full = true;
    }
    this.#activeSince = null;
    this.#marks = [];
    this.emit(true);
    if (this.#paused && !this.#stepping && !this.#stopping) await awake;
    this.#wake = null;
    if (full) this.current = { ...this.current, reason: null };
  }

  #wakeUp(): void {
    this.#wake?.();
  }

  /** Null where the device was lost and there is more to do. */
  async #finish(): Promise<TrainResult | null> {
    const status = this.#stopping ? "cancelled" : "succeeded";
    this.enter("saving");
    if (await this.#keep(status)) return null;
    // What could not be sealed lies in the tail, as durable.
    await this.options.store.seal(this.current.id).catch(unlessFull);
    this.enter("finished");
    this.emit(true);
    const { id, update, step, activeTime, metrics } = this.current;
    const { engine, adapter } = this.device!;
    const result: TrainResult = { runId: id, status, engine, adapter, update, step, activeTime, metrics };
    this.options.onEvent({ kind: "finished", result });
    return result;
  }

  async #fail(error: FulguriteError): Promise<void> {
    this.#phase = "finished";
    this.current = {
      ...this.current,
      status: "failed",
      reason: error.message,
      failure: error.toData(),
      updatedAt: this.options.now(),
    };
    // A full or broken store must not hide why the run failed.
    await this.options.store.commit({ run: this.current }).catch(() => undefined);
    this.emit(true);
    this.options.onEvent({ kind: "failed", error: error.toData() });
  }

  #mark(): void {
    this.#marks.push({ time: this.options.now(), update: this.update });
    if (this.#marks.length > RATE_UPDATES) this.#marks.shift();
  }

  /**
   * Over the last updates, commits and evaluations included; null until it means something. Wall time between
   * updates, not of a submit: those return before the GPU is done.
   */
  #millisecondsPerUpdate(): number | null {
    const first = this.#marks[0];
    const last = this.#marks.at(-1);
    if (!first || !last || last.update - first.update < 3) return null;
    return (last.time - first.time) / (last.update - first.update);
  }
}

function duration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}

/** Throws everything but that the disk is full. */
function unlessFull(error: unknown): void {
  if (!isFull(error)) throw error;
}

import type { ErrorData } from "../gpu/error.ts";
import type { Run } from "../store/records.ts";
import type { Job, RunProgress, TrainResult } from "../train/job.ts";

/** Column-wise curve of one run, one entry per update (or evaluation); NaN where nothing was measured. */
export interface Curve {
  readonly runId: string;
  readonly step: Float64Array;
  /** By metric name: environmentReturn, episodeReturn, entropy, approximateKl, ... */
  readonly columns: Readonly<Record<string, Float64Array>>;
  /** Greedy evaluation episodes on held-out start states: step, mean environment return, lowest, highest. */
  readonly evaluations: {
    readonly step: Float64Array;
    readonly mean: Float64Array;
    readonly low: Float64Array;
    readonly high: Float64Array;
  };
}

/** One greedy episode of the current policy, for the canvas. */
export interface EpisodeReplay {
  readonly runId: string;
  readonly environment: string;
  readonly update: number;
  readonly step: number;
  /** [length x stateSize] */
  readonly states: Float32Array;
  readonly actions: Uint8Array;
  readonly rewards: Float32Array;
  readonly environmentReturn: number;
  readonly terminated: boolean;
}

export type RunEvent =
  | { readonly kind: "progress"; readonly progress: RunProgress }
  /** New curve points since the last event; the first one after `watch` is the whole curve. */
  | { readonly kind: "curve"; readonly curve: Curve; readonly replace: boolean }
  | { readonly kind: "episode"; readonly episode: EpisodeReplay }
  | { readonly kind: "finished"; readonly result: TrainResult }
  | { readonly kind: "failed"; readonly error: ErrorData };

export interface StartOptions {
  readonly notebook: string | null;
  readonly cell: string | null;
}

/**
 * The trainer worker's Comlink surface. Rejections carry `ErrorData` (Comlink clones errors poorly):
 * every method resolves to `{ ok: true, value }` or `{ ok: false, error }`.
 */
export interface TrainerApi {
  /** Validates the job, creates the run and starts it; resolves with its id at once. */
  start(job: Job, options: StartOptions): Promise<Reply<string>>;
  pause(runId: string): Promise<Reply<void>>;
  /** Resumes a paused run, also one from before a reload. */
  resume(runId: string): Promise<Reply<void>>;
  /** One update, then paused again. */
  step(runId: string): Promise<Reply<void>>;
  /** Ends the run as cancelled; its curve and checkpoint stay. */
  stop(runId: string): Promise<Reply<void>>;
  deleteRun(runId: string): Promise<Reply<void>>;
  /** Newest first. */
  runs(query: { readonly notebook?: string; readonly cell?: string }): Promise<Reply<Run[]>>;
  /** Replays what is stored, then follows live. `listener` is a Comlink proxy. Returns an id for `unwatch`. */
  watch(runId: string, listener: (event: RunEvent) => void): Promise<Reply<number>>;
  unwatch(watchId: number): Promise<void>;
  /** The engine that "auto" would take, for the page's footer. */
  device(): Promise<Reply<{ readonly engine: "webgpu" | "cpu"; readonly adapter: string }>>;
  setting(key: string): Promise<Reply<unknown>>;
  setSetting(key: string, value: unknown): Promise<Reply<void>>;
}

export type Reply<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: ErrorData };

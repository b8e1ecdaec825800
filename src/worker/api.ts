import type { ErrorData } from "../gpu/error.ts";
import type { CodeSource, LoadPackage } from "../runner/index.ts";
import type { StoreChange } from "../store/access.ts";
import type { Resources, Worker } from "../store/lightning-records.ts";
import type {
  Rollout,
  RolloutQuery,
  Run,
  Span,
  SpanQuery,
  StoreProblem,
  StoreUsage,
} from "../store/records.ts";
import type { Removed, Retention } from "../store/retention.ts";
import type { OpenedWorkspace } from "../store/workspace-open.ts";
import type { Reached } from "./reach.ts";
import type { Completion, CompletionRequest } from "../train/complete.ts";
import type { Definition, GpuVerdict } from "../train/check-definition.ts";
import type { RescoreResult } from "../train/rescore.ts";
import type { RunEvent } from "../train/events.ts";
import type { CellOwner } from "../train/equal-run.ts";
import type { Job, TrainResult } from "../train/job.ts";
import type { ExportedFile, ExportRequest } from "./export-run.ts";
import type { ImportReport } from "./import-run.ts";
import type { RolloutPage, RolloutPageQuery } from "./rollout-index.ts";

export type { Reached, RescoreResult };
export type { Curve, EpisodeReplay, RunEvent } from "../train/events.ts";

export interface StartOptions {
  readonly notebook: string | null;
  readonly cell: string | null;
}

/**
 * The trainer worker's Comlink surface. Rejections carry `ErrorData` (Comlink clones errors poorly):
 * every method resolves to `{ ok: true, value }` or `{ ok: false, error }`.
 */
export interface TrainerApi {
  /**
   * Validates the job, creates the run and starts it; resolves with its id at once. `environments` is a port to the job's
   * host environment, where it has one; transfer it.
   */
  start(job: Job, options: StartOptions, environments: MessagePort | null): Promise<Reply<string>>;
  /** What the cell's newest run came to that trained an equal job to its end; null for none. */
  trained(job: Job, owner: CellOwner): Promise<Reply<TrainResult | null>>;
  pause(runId: string): Promise<Reply<void>>;
  /** Resumes a paused run, also one from before a reload; `environments` as for `start`. */
  resume(runId: string, environments: MessagePort | null): Promise<Reply<void>>;
  /** One update, then paused again. */
  step(runId: string, environments: MessagePort | null): Promise<Reply<void>>;
  /** Ends the run as cancelled; its curve and checkpoint stay. */
  stop(runId: string): Promise<Reply<void>>;
  /** Takes a failed run back to its last checkpoint; it is paused there. */
  goBack(runId: string): Promise<Reply<void>>;
  /** A new, paused run from a checkpoint file, of the cell of this one; resolves with its id. */
  loadCheckpoint(runId: string, file: Uint8Array): Promise<Reply<string>>;
  deleteRun(runId: string): Promise<Reply<void>>;
  /** Newest first. */
  runs(query: { readonly notebook?: string; readonly cell?: string }): Promise<Reply<Run[]>>;
  /** Replays what is stored, then follows live. `listener` is a Comlink proxy. Returns an id for `unwatch`. */
  watch(runId: string, listener: (event: RunEvent) => void): Promise<Reply<number>>;
  unwatch(watchId: number): Promise<void>;
  rollouts(query: RolloutQuery): Promise<Reply<Rollout[]>>;
  spans(query: SpanQuery): Promise<Reply<Span[]>>;
  /** A page of rollouts, filtered and sorted. */
  rolloutPage(query: RolloutPageQuery): Promise<Reply<RolloutPage>>;
  /** A run, or some of its rollouts, as a file. */
  exportRun(request: ExportRequest): Promise<Reply<ExportedFile>>;
  usage(): Promise<Reply<StoreUsage>>;
  /** Keeps what a file of any kind holds as a new run. */
  importRun(file: { readonly name: string; readonly bytes: Uint8Array }): Promise<Reply<ImportReport>>;
  /** All versions of one set of resources, oldest first; without an id the latest version of each set. */
  resources(id: string | null): Promise<Reply<Resources[]>>;
  /** By id. */
  workers(): Promise<Reply<Worker[]>>;
  /** Follows every change of the store, in this tab or another; `listener` is a Comlink proxy. An id for `unwatch`. */
  follow(listener: (change: StoreChange) => void): Promise<Reply<number>>;
  /** What went wrong without stopping anybody: segments set aside, tails that could not be sealed. */
  problems(): Promise<Reply<StoreProblem[]>>;
  /** Deletes ended runs, and finished rollouts from outside, that are not to be kept. */
  retain(retention: Retention): Promise<Reply<Removed>>;
  /** Deletes finished rollouts of a run, by number; resolves with how many there were. */
  deleteRollouts(runId: string, numbers: readonly number[]): Promise<Reply<number>>;
  /** Everything that the store holds, as one file. */
  saveWorkspace(): Promise<Reply<Blob>>;
  /** Takes over what a saved workspace holds and this store does not. */
  openWorkspace(file: Blob): Promise<Reply<OpenedWorkspace>>;
  /** What another reward would have said of the run's newest stored rollouts. */
  rescore(runId: string, source: CodeSource): Promise<Reply<RescoreResult>>;
  /** Runs what a cell defined on the GPU and compares it with the CPU. */
  checkDefinition(definition: Definition): Promise<Reply<GpuVerdict>>;
  /** Answers of a run's policy, or of one that no run has trained. */
  complete(request: CompletionRequest): Promise<Reply<Completion[]>>;
  /** Lends the trainer the page's end of `supplyFrames`; transfer the port. Before any agentic run. */
  provideFrames(port: MessagePort): Promise<void>;
  /** Lends the trainer the packages that agents and rewards import; `load` is a Comlink proxy. */
  providePackages(load: LoadPackage): Promise<void>;
  /** The engine that "auto" would take, for the page's footer. */
  device(): Promise<Reply<{ readonly engine: "webgpu" | "cpu"; readonly adapter: string }>>;
  /** Whether the browser keeps what is stored; where it gives the page no storage, that goes with the page. */
  keeps(): Promise<Reply<boolean>>;
  /** Reads an address that the person named; see `reach`. */
  reach(url: string): Promise<Reply<Reached>>;
  setting(key: string): Promise<Reply<unknown>>;
  setSetting(key: string, value: unknown): Promise<Reply<void>>;
}

export type Reply<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: ErrorData };

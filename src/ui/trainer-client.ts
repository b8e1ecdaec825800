import * as Comlink from "comlink";
import { FulguriteError } from "../gpu/error.ts";
import type { CodeSource } from "../runner/agent-source.ts";
import type { LoadPackage } from "../runner/packages.ts";
import type { StoreChange } from "../store/access.ts";
import type { Resources, Worker } from "../store/lightning-records.ts";
import type { Completion, CompletionRequest } from "../train/complete.ts";
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
import type { Definition, GpuVerdict } from "../train/check-definition.ts";
import type { RescoreResult } from "../train/rescore.ts";
import type { Reached, Reply, RunEvent, StartOptions, TrainerApi } from "../worker/api.ts";
import type { CellOwner } from "../train/equal-run.ts";
import type { Job, TrainResult } from "../train/job.ts";
import type { ExportedFile, ExportRequest } from "../worker/export-run.ts";
import type { ImportReport } from "../worker/import-run.ts";
import type { RolloutPage, RolloutPageQuery } from "../worker/rollout-index.ts";
import type { RolloutSource } from "./rollout-source.ts";

/** What the page's elements ask of the trainer. Rejections are `FulguriteError`. */
export class TrainerClient implements RolloutSource {
  readonly #api: TrainerApi;

  /** `api` is the worker's Comlink surface, or an object of the same shape. */
  constructor(api: TrainerApi) {
    this.#api = api;
  }

  /** `environments`: a port to the host environment of the job, where it has one. */
  async start(job: Job, options: StartOptions, environments: MessagePort | null = null): Promise<string> {
    return value(await this.#api.start(job, options, transferred(environments)));
  }

  /** What the cell's newest run came to that trained an equal job; null for none. */
  async trained(job: Job, owner: CellOwner): Promise<TrainResult | null> {
    return value(await this.#api.trained(job, owner));
  }

  async pause(runId: string): Promise<void> {
    value(await this.#api.pause(runId));
  }

  async resume(runId: string, environments: MessagePort | null = null): Promise<void> {
    value(await this.#api.resume(runId, transferred(environments)));
  }

  async step(runId: string, environments: MessagePort | null = null): Promise<void> {
    value(await this.#api.step(runId, transferred(environments)));
  }

  async stop(runId: string): Promise<void> {
    value(await this.#api.stop(runId));
  }

  /** Takes a failed run back to its last checkpoint; it is paused there. */
  async goBack(runId: string): Promise<void> {
    value(await this.#api.goBack(runId));
  }

  /** A new, paused run from a checkpoint file, of the cell of this one. */
  async loadCheckpoint(runId: string, file: Uint8Array): Promise<string> {
    return value(await this.#api.loadCheckpoint(runId, file));
  }

  async deleteRun(runId: string): Promise<void> {
    value(await this.#api.deleteRun(runId));
  }

  /** Newest first. */
  async runs(query: { readonly notebook?: string; readonly cell?: string }): Promise<Run[]> {
    return value(await this.#api.runs(query));
  }

  async rollouts(query: RolloutQuery): Promise<Rollout[]> {
    return value(await this.#api.rollouts(query));
  }

  async spans(query: SpanQuery): Promise<Span[]> {
    return value(await this.#api.spans(query));
  }

  async rolloutPage(query: RolloutPageQuery): Promise<RolloutPage> {
    return value(await this.#api.rolloutPage(query));
  }

  async exportRun(request: ExportRequest): Promise<ExportedFile> {
    return value(await this.#api.exportRun(request));
  }

  /** Keeps what a file of any kind holds as a new run. */
  async importRun(file: { readonly name: string; readonly bytes: Uint8Array }): Promise<ImportReport> {
    return value(await this.#api.importRun(file));
  }

  /** All versions of one set, oldest first; without an id the latest version of each set. */
  async resources(id: string | null): Promise<Resources[]> {
    return value(await this.#api.resources(id));
  }

  async workers(): Promise<Worker[]> {
    return value(await this.#api.workers());
  }

  /** Calls the listener after every change of the store, in this tab or another, until `signal` aborts. */
  follow(signal: AbortSignal, listener: (change: StoreChange) => void): void {
    const heard = Comlink.proxy((change: StoreChange) => {
      if (!signal.aborted) listener(change);
    });
    this.#api
      .follow(heard)
      .then((reply) => {
        this.#stopOn(signal, value(reply));
      })
      // What is on the page stays as it was read.
      .catch(() => null);
  }

  #stopOn(signal: AbortSignal, watch: number): void {
    const stop = (): void => void this.#api.unwatch(watch);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  }

  async usage(): Promise<StoreUsage> {
    return value(await this.#api.usage());
  }

  async problems(): Promise<StoreProblem[]> {
    return value(await this.#api.problems());
  }

  async deleteRollouts(runId: string, numbers: readonly number[]): Promise<number> {
    return value(await this.#api.deleteRollouts(runId, numbers));
  }

  /** Deletes ended runs, and finished rollouts of the queue, that are not to be kept. */
  async retain(retention: Retention): Promise<Removed> {
    return value(await this.#api.retain(retention));
  }

  /** Everything that the store holds, as one file. */
  async saveWorkspace(): Promise<Blob> {
    return value(await this.#api.saveWorkspace());
  }

  async openWorkspace(file: Blob): Promise<OpenedWorkspace> {
    return value(await this.#api.openWorkspace(file));
  }

  /** What another reward would have said of the run's stored rollouts. */
  async rescore(runId: string, source: CodeSource): Promise<RescoreResult> {
    return value(await this.#api.rescore(runId, source));
  }

  /** Runs what a cell defined on the GPU and compares it with the CPU. */
  async checkDefinition(definition: Definition): Promise<GpuVerdict> {
    return value(await this.#api.checkDefinition(definition));
  }

  /** Answers of a run's policy, or of one that no run has trained. */
  async complete(request: CompletionRequest): Promise<Completion[]> {
    return value(await this.#api.complete(request));
  }

  /** Lends the trainer the frames that agents run in: the other end of `port` is `supplyFrames`'. */
  async provideFrames(port: MessagePort): Promise<void> {
    await this.#api.provideFrames(Comlink.transfer(port, [port]));
  }

  /** Lends the trainer the packages that agents and rewards import. */
  async providePackages(load: LoadPackage): Promise<void> {
    await this.#api.providePackages(Comlink.proxy(load));
  }

  async device(): Promise<{ readonly engine: "webgpu" | "cpu"; readonly adapter: string }> {
    return value(await this.#api.device());
  }

  /** Whether what is stored outlives the page. */
  async keeps(): Promise<boolean> {
    return value(await this.#api.keeps());
  }

  /** Reads an address that the person named. */
  async reach(url: string): Promise<Reached> {
    return value(await this.#api.reach(url));
  }

  async setting(key: string): Promise<unknown> {
    return value(await this.#api.setting(key));
  }

  async setSetting(key: string, setting: unknown): Promise<void> {
    value(await this.#api.setSetting(key, setting));
  }

  /**
   * Replays what is stored of a run, then follows it. Stops when `signal` aborts. `onError` hears why the run
   * could not be watched at all.
   */
  watch(
    runId: string,
    signal: AbortSignal,
    listener: (event: RunEvent) => void,
    onError: (error: FulguriteError) => void,
  ): void {
    const heard = Comlink.proxy((event: RunEvent) => {
      if (!signal.aborted) listener(event);
    });
    this.#api
      .watch(runId, heard)
      .then((reply) => {
        this.#stopOn(signal, value(reply));
      })
      .catch((error: unknown) => {
        if (!signal.aborted) onError(asError(error));
      });
  }
}

const transferred = (port: MessagePort | null): MessagePort | null => port && Comlink.transfer(port, [port]);

function value<T>(reply: Reply<T>): T {
  if (reply.ok) return reply.value;
  throw FulguriteError.fromData(reply.error);
}

/** Whatever was thrown, as an error that the page can show. */
export function asError(error: unknown): FulguriteError {
  if (error instanceof FulguriteError) return error;
  return new FulguriteError(
    "page/unexpected",
    error instanceof Error ? error.message : String(error),
    "Reload the page; what was trained is kept.",
    { cause: error },
  );
}

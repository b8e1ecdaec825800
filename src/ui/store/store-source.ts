import type { StoreChange } from "../../store/access.ts";
import type { Resources, Worker } from "../../store/lightning-records.ts";
import type { Run, StoreProblem, StoreUsage } from "../../store/records.ts";
import type { Removed, Retention } from "../../store/retention.ts";
import type { OpenedWorkspace } from "../../store/workspace-open.ts";
import type { ExportedFile, ExportRequest } from "../../worker/export-run.ts";
import type { ImportReport } from "../../worker/import-run.ts";
import type { RolloutPage, RolloutPageQuery } from "../../worker/rollout-index.ts";
import type { RolloutSource } from "../rollout-source.ts";

/** What the store page asks of the trainer; rejections are `FulguriteError`. */
export interface StoreSource extends RolloutSource {
  /** Newest first. */
  runs(query: object): Promise<readonly Run[]>;
  rolloutPage(query: RolloutPageQuery): Promise<RolloutPage>;
  exportRun(request: ExportRequest): Promise<ExportedFile>;
  importRun(file: { readonly name: string; readonly bytes: Uint8Array }): Promise<ImportReport>;
  /** All versions of one set, oldest first; without an id the latest version of each set. */
  resources(id: string | null): Promise<readonly Resources[]>;
  workers(): Promise<readonly Worker[]>;
  usage(): Promise<StoreUsage>;
  deleteRun(runId: string): Promise<void>;
  /** Deletes finished rollouts of a run, by number; resolves with how many there were. */
  deleteRollouts(runId: string, numbers: readonly number[]): Promise<number>;
  retain(retention: Retention): Promise<Removed>;
  /** What went wrong without stopping anybody. */
  problems(): Promise<readonly StoreProblem[]>;
  saveWorkspace(): Promise<Blob>;
  openWorkspace(file: Blob): Promise<OpenedWorkspace>;
  /** Calls the listener after every change, here or in another tab, until the signal aborts. */
  follow(signal: AbortSignal, listener: (change: StoreChange) => void): void;
}

import type { Run, StoreUsage } from "../../store/records.ts";
import type { ExportedFile, ExportRequest } from "../../worker/export-run.ts";
import type { RolloutPage, RolloutPageQuery } from "../../worker/rollout-index.ts";
import type { RolloutSource } from "../rollout-source.ts";

/** What the store page asks of the trainer; rejections are `FulguriteError`. */
export interface StoreSource extends RolloutSource {
  /** Newest first. */
  runs(query: object): Promise<readonly Run[]>;
  rolloutPage(query: RolloutPageQuery): Promise<RolloutPage>;
  exportRun(request: ExportRequest): Promise<ExportedFile>;
  usage(): Promise<StoreUsage>;
  deleteRun(runId: string): Promise<void>;
}

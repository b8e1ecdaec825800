import type { Run } from "../store/records.ts";
import type { TrainResult } from "../train/job.ts";
import type { JobOverrides } from "../train/override-job.ts";
import type { OpenNotebook } from "./session-types.ts";

/** For the command line, which drives this page in a headless browser. */
export interface Standalone {
  readonly session: OpenNotebook;
  readonly trainer: { runs(query: { readonly notebook: string }): Promise<readonly Run[]> };
  /** What every training is to be run with instead. */
  overrides: JobOverrides;
  /** Trainings that ended here, in order. */
  readonly results: {
    readonly cell: string;
    readonly seed: number;
    readonly kind: Run["kind"];
    readonly result: TrainResult;
  }[];
}

/** A response as it crosses to a page from the program that opened it; the body is base64. */
export interface ForwardedResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

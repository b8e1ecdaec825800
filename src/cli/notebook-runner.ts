import type { CellView } from "../notebook/session-types.ts";
import type { Run } from "../store/records.ts";
import type { RunProgress, TrainResult } from "../train/job.ts";
import type { JobOverrides } from "../train/override-job.ts";
import type { NotebookSource } from "./notebook-file.ts";

/** A training that ended. */
export interface EndedTraining {
  readonly cell: string;
  readonly seed: number;
  readonly kind: Run["kind"];
  readonly result: TrainResult;
}

/** A notebook open somewhere, in headless Chromium or in this process, to be run from a terminal. */
export interface NotebookRunner {
  cells(): Promise<readonly CellView[]>;
  /** Runs eager cells, and waits for them. */
  runEager(): Promise<void>;
  /** Runs a cell, what it needs first; resolves when it is done, failed or stopped. */
  run(cell: string): Promise<void>;
  /** Resolves with the cells that still publish values: none once all have ended, or those of `OpenNotebook.settled`. */
  settled(milliseconds: number): Promise<readonly string[]>;
  /** Stops what runs; `run` then resolves. */
  interrupt(): Promise<void>;
  results(): Promise<readonly EndedTraining[]>;
  close(): Promise<void>;
}

export interface RunnerOptions {
  readonly notebook: NotebookSource;
  readonly overrides: JobOverrides;
  /** Hosts that cells may reach. */
  readonly hosts: readonly string[];
  /** Folder that keeps runs and traces, in this process only; default: they go with it. */
  readonly store?: string | undefined;
  /** Goes on with what a killed process left in that folder; default false. */
  readonly resume?: boolean;
  readonly onProgress: (cell: string, progress: RunProgress, kind: Run["kind"]) => void;
}

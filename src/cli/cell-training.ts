import { FulguriteError } from "../gpu/error.ts";
import type { Run } from "../store/records.ts";
import { runHasEnded } from "../store/state-machines.ts";
import type { Job, RunProgress, TrainResult } from "../train/job.ts";
import { overrideJob, type JobOverrides } from "../train/override-job.ts";
import type { Trainer } from "../train/trainer.ts";
import { installNodeGpu } from "./node-gpu.ts";

export interface CellTraining {
  readonly notebook: string;
  readonly cell: string;
  /** What the cell asks for. */
  readonly asked: Job;
  readonly overrides: JobOverrides;
  /**
   * Goes on with the newest run of the cell that has not ended, as it was started, instead of with `asked`. Then it
   * looks for a GPU itself.
   */
  readonly resume: boolean;
  /** Each ends the run with what it has learned. */
  readonly signals: readonly AbortSignal[];
  readonly onStarted: (runId: string) => void;
  readonly onProgress: (progress: RunProgress, kind: Run["kind"]) => void;
  /** A sentence for whoever sits at the terminal. */
  readonly note: (text: string) => void;
}

/** Trains what a cell asks for, in this process. Rejects with "cli/nothing-to-resume" where all of its runs have ended. */
export async function trainCell(
  trainer: Trainer,
  training: CellTraining,
): Promise<{ readonly job: Job; readonly result: TrainResult }> {
  const { notebook, cell, resume, signals, note } = training;
  const runs = await trainer.runs({ notebook, cell });
  const left = runs.find(({ status }) => !runHasEnded(status));
  if (resume && !left) throw nothingToResume(training, runs[0]);
  let job: Job;
  let runId: string;
  if (resume && left) {
    ({ id: runId } = left);
    job = left.job as Job;
    if (job.engine !== "cpu") await installNodeGpu();
    note(`Goes on with run ${runId} after update ${left.update} of ${left.updates}.`);
    await trainer.resume(runId);
  } else {
    if (left)
      note(`Run ${left.id} stopped at update ${left.update} of ${left.updates}: --resume goes on with it.`);
    job = overrideJob(training.asked, training.overrides);
    runId = await trainer.start(job, { notebook, cell });
  }
  training.onStarted(runId);
  const stop = (): void => void trainer.stop(runId);
  for (const signal of signals) signal.addEventListener("abort", stop);
  const result = trainer.result(runId);
  await trainer.watch(runId, (event) => {
    if (event.kind === "progress") training.onProgress(event.progress, job.kind);
  });
  return { job, result: await result };
}

function nothingToResume({ notebook, cell }: CellTraining, last: Run | undefined): FulguriteError {
  return new FulguriteError(
    "cli/nothing-to-resume",
    last
      ? `The last run of cell "${cell}" of ${notebook} has ended (${last.status}, ${last.update} of ${last.updates} updates).`
      : `The folder has no run of cell "${cell}" of ${notebook}.`,
    "Leave out --resume to start one.",
  );
}

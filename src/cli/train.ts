import { FulguriteError } from "../gpu/error.ts";
import { parseDocument } from "../notebook/document.ts";
import { createInProcessKernel } from "../notebook/in-process-kernel.ts";
import { notebookRequests } from "../notebook/requests.ts";
import { createNotebookSession } from "../notebook/session.ts";
import type { NotebookServices } from "../notebook/session-types.ts";
import { nodeTrainer } from "../train/node-trainer.ts";
import type { Job, TrainResult } from "../train/job.ts";
import type { JobOverrides } from "../train/override-job.ts";
import { openCommandStore } from "./command-store.ts";
import { trainCell } from "./cell-training.ts";
import { installNodeGpu } from "./node-gpu.ts";
import { onInterruption } from "./interruption.ts";
import { neededCells } from "./needed-cells.ts";
import { readNotebook } from "./notebook-file.ts";
import { endLines, nested, progressLine, reporter } from "./progress.ts";
import { addRecord, recordedRun } from "./record.ts";

export interface TrainCommand {
  readonly notebook: string;
  readonly cell: string | undefined;
  readonly overrides: JobOverrides;
  readonly json: boolean;
  /** Writes the run's results beside the notebook, for pages that open it before anything ran. */
  readonly record: boolean;
  /** Folder that keeps runs and traces; undefined: they go with the process. */
  readonly store: string | undefined;
  /** Goes on with what a killed process left in that folder. */
  readonly resume: boolean;
}

/** `fulgurite train`: runs the cells in this process and trains as the page would. Returns the exit code. */
export async function trainNotebook(command: TrainCommand): Promise<number> {
  const { id, text, path } = await readNotebook(command.notebook);
  if (command.overrides.engine !== "cpu" && !command.resume) await installNodeGpu();
  const store = await openCommandStore(command.store);
  const trainer = nodeTrainer(store);
  const report = reporter();
  let outcome: { readonly job: Job; readonly result: TrainResult } | null = null;
  const interrupted = new AbortController();
  const endListening = onInterruption(() => {
    interrupted.abort();
  });

  const services: NotebookServices = {
    fetch: (url, init) => fetch(url, init),
    complete: (request) => trainer.complete(request),
    async train(asked, cell, onStarted, signal) {
      try {
        outcome = await trainCell(trainer, {
          ...{ notebook: id, cell, asked, onStarted },
          overrides: command.overrides,
          resume: command.resume,
          signals: [signal, interrupted.signal],
          onProgress: (progress, kind) => {
            report.show(progressLine(progress, kind));
          },
          note: (text) => {
            console.error(text);
          },
        });
        return outcome.result;
      } finally {
        report.end();
      }
    },
  };

  const session = createNotebookSession({ id, text, services, createKernel: createInProcessKernel });
  await session.allow(notebookRequests(parseDocument(text)).hosts);
  try {
    const cell =
      command.cell === undefined
        ? (session.cells.find((it) => it.id === "training") ?? session.cells.findLast((it) => it.lazy))
        : session.cells.find((it) => it.id === command.cell);
    if (!cell) {
      throw new FulguriteError(
        "cli/no-cell",
        command.cell === undefined ? `${id} has no training cell.` : `${id} has no cell "${command.cell}".`,
        `Its cells are ${session.cells.map((it) => it.id).join(", ")}.`,
      );
    }
    await session.run(cell.id);
    const failed = neededCells(session.cells, [cell.id]).find((it) => it.state.kind === "error");
    if (failed?.state.kind === "error") {
      const { error } = failed.state;
      const place = error.line === null ? failed.id : `${failed.id}, line ${error.line}`;
      throw FulguriteError.fromData({ ...error, message: `${place}: ${error.message}` });
    }
    const done = outcome as { job: Job; result: TrainResult } | null;
    if (!done) {
      throw new FulguriteError(
        "cli/no-run",
        `Cell ${cell.id} trained nothing.`,
        "Name a cell that calls train().",
      );
    }
    const { job, result } = done;
    const { metrics, ...rest } = result;
    if (command.record) {
      const file = path.replace(/\.nb\.ts$/, ".results.json");
      await addRecord(file, await recordedRun(store, trainer, result.runId));
      console.error(`recorded in ${file}`);
    }
    if (command.json) {
      console.log(JSON.stringify({ notebook: id, seed: job.seed, ...rest, metrics: nested(metrics) }));
    } else {
      console.log(endLines(result, job.kind).join("\n"));
    }
    return interrupted.signal.aborted ? 130 : 0;
  } finally {
    endListening();
    session.dispose();
    store.close();
  }
}

import { FulguriteError } from "../gpu/error.ts";
import type { LoadPackage } from "../runner/packages.ts";
import type { NotebookServices } from "../notebook/session-types.ts";
import type { TrainResult } from "../train/job.ts";
import type { TrainerClient } from "./trainer-client.ts";
import { askToPersist } from "../store/persistence.ts";

/** Lends a notebook the page's trainer: its cells start runs, wait for them, and stop them. */
export const notebookServices = (
  trainer: TrainerClient,
  notebook: string,
  loadPackage: LoadPackage,
): NotebookServices => ({
  loadPackage,
  // Behind the session's gate: only hosts that the person granted arrive here.
  fetch: (url, init) => fetch(url, init),
  check: (definition) => trainer.checkDefinition(definition),
  complete: (request) => trainer.complete(request),
  trained: (job, cell) => trainer.trained(job, { notebook, cell }),
  async train(job, cell, onStarted, signal, environments) {
    signal.throwIfAborted();
    const runId = await trainer.start(job, { notebook, cell }, environments);
    onStarted(runId);
    const watching = new AbortController();
    const stop = (): void => {
      // The run ends as cancelled and says so itself; a run that has ended meanwhile need not be stopped.
      trainer.stop(runId).catch(() => undefined);
    };
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
    try {
      return await new Promise<TrainResult>((resolve, reject) => {
        trainer.watch(
          runId,
          watching.signal,
          (event) => {
            if (event.kind === "finished") {
              // The first run worth keeping; browsers let only a page ask, and remember the answer.
              if (event.result.status === "succeeded") askToPersist().catch(() => null);
              resolve(event.result);
            }
            if (event.kind === "failed") reject(FulguriteError.fromData(event.error));
          },
          reject,
        );
      });
    } finally {
      signal.removeEventListener("abort", stop);
      watching.abort();
    }
  },
});

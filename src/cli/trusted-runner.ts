import { parseDocument } from "../notebook/document.ts";
import { createInProcessKernel, type InProcessKernel } from "../notebook/in-process-kernel.ts";
import { notebookRequests } from "../notebook/requests.ts";
import { createNotebookSession } from "../notebook/session.ts";
import { checkDefinition } from "../train/check-definition.ts";
import { sharedDevice } from "../train/create-engine.ts";
import { nodeTrainer } from "../train/node-trainer.ts";
import { overrideCompletion } from "../train/override-job.ts";
import { openCommandStore } from "./command-store.ts";
import { trainCell } from "./cell-training.ts";
import { installNodeGpu } from "./node-gpu.ts";
import type { EndedTraining, NotebookRunner, RunnerOptions } from "./notebook-runner.ts";

/** Opens a notebook in this very process, with its rights: only for one that the person trusts. */
export async function openTrusted(options: RunnerOptions): Promise<NotebookRunner> {
  const { notebook, overrides, onProgress } = options;
  if (overrides.engine !== "cpu" && !options.resume) await installNodeGpu();
  const store = await openCommandStore(options.store);
  const trainer = nodeTrainer(store);
  const results: EndedTraining[] = [];
  const interrupted = new AbortController();
  let kernel: InProcessKernel | null = null;
  const stray = (thrown: unknown): void => {
    if (kernel?.stray(thrown)) return;
    console.error(thrown);
    process.exit(1);
  };
  process.on("unhandledRejection", stray);
  process.on("uncaughtException", stray);
  const session = createNotebookSession({
    id: notebook.id,
    text: notebook.text,
    createKernel: async () => (kernel = await createInProcessKernel()),
    services: {
      fetch: (url, init) => fetch(url, init),
      check: async (definition) => checkDefinition(await sharedDevice(), definition),
      complete: (asked) => trainer.complete(overrideCompletion(asked, overrides)),
      async train(asked, cell, onStarted, signal) {
        const { job, result } = await trainCell(trainer, {
          ...{ notebook: notebook.id, cell, asked, overrides, onStarted },
          resume: options.resume ?? false,
          signals: [signal, interrupted.signal],
          onProgress: (progress, kind) => {
            onProgress(cell, progress, kind);
          },
          note: (text) => {
            console.error(text);
          },
        });
        results.push({ cell, seed: job.seed, kind: job.kind, result });
        return result;
      },
    },
  });
  await session.allow([...options.hosts, ...notebookRequests(parseDocument(notebook.text)).hosts]);
  return {
    cells: async () => {
      await session.checked();
      return session.cells;
    },
    runEager: () => session.runEager(),
    run: (cell) => session.run(cell),
    settled: (milliseconds) => session.settled(milliseconds),
    interrupt: async () => {
      interrupted.abort();
      await Promise.all(session.cells.map(({ id }) => session.stop(id)));
    },
    results: () => Promise.resolve(results),
    close: () => {
      process.off("unhandledRejection", stray);
      process.off("uncaughtException", stray);
      session.dispose();
      store.close();
      return Promise.resolve();
    },
  };
}

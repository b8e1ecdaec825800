import { readFileSync } from "node:fs";
import { createCpuLanguageEngine } from "../../src/lm/cpu-language-engine.ts";
import { createInProcessKernel } from "../../src/notebook/in-process-kernel.ts";
import { createNotebookSession } from "../../src/notebook/session.ts";
import { createCpuEngine } from "../../src/rl/cpu-engine.ts";
import { openStore } from "../../src/store/open.ts";
import type { LightningStore } from "../../src/store/records.ts";
import type { Curve } from "../../src/train/events.ts";
import type { AgenticJob, Job, TrainResult } from "../../src/train/job.ts";
import type { Trainer, TrainerOptions } from "../../src/train/trainer.ts";
import { nodeTrainer } from "../../src/train/node-trainer.ts";

export interface NotebookRun {
  readonly job: AgenticJob;
  readonly result: TrainResult;
  readonly curve: Curve;
  readonly store: LightningStore;
  readonly trainer: Trainer;
}

/** The engines that every machine has. */
export const cpuEngines: Pick<TrainerOptions, "createEngine" | "createLanguageEngine"> = {
  createEngine: (request) => createCpuEngine(request),
  createLanguageEngine: (shape, seed) => createCpuLanguageEngine(shape, { seed }),
};

/** Runs one training cell of a shipped notebook on the CPU engine, with the person's edits to text and job. */
export async function runNotebook(
  notebook: string,
  cell: string,
  edit: { readonly text?: (text: string) => string; readonly job?: (job: AgenticJob) => AgenticJob },
): Promise<NotebookRun> {
  const shipped = readFileSync(new URL(`../../notebooks/${notebook}.nb.ts`, import.meta.url), "utf8");
  const store = await openStore({ backend: "memory" });
  const trainer = nodeTrainer(store, cpuEngines);
  let run: NotebookRun | null = null;
  const session = createNotebookSession({
    id: notebook,
    text: edit.text?.(shipped) ?? shipped,
    createKernel: createInProcessKernel,
    services: {
      complete: (request) => trainer.complete(request),
      async train(asked: Job, _cell, onStarted) {
        const job = edit.job?.(asked as AgenticJob) ?? (asked as AgenticJob);
        const id = await trainer.start(job, { notebook, cell });
        onStarted(id);
        const result = await trainer.result(id);
        let curve: Curve | null = null;
        await trainer.watch(id, (event) => {
          if (event.kind === "curve") curve = event.curve;
        });
        run = { job, result, curve: curve!, store, trainer };
        return result;
      },
    },
  });
  await session.run(cell);
  const failed = session.cells.find((it) => it.state.kind === "error");
  session.dispose();
  if (failed?.state.kind === "error") throw new Error(`${failed.id}: ${failed.state.error.message}`);
  return run!;
}

/** First rollouts at which an evaluation reached `success`, or null. */
export function rolloutsTo({ evaluations }: Curve, success: number): number | null {
  const at = evaluations.mean.findIndex((mean) => mean >= success);
  return at < 0 ? null : evaluations.step[at]!;
}

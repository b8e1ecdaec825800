import { openStore } from "../store/open.ts";
import type { LightningStore } from "../store/records.ts";
import type { AgenticJobOptions } from "./agentic-job.ts";
import { nodeTrainer } from "./node-trainer.ts";
import type { RunEvent } from "./events.ts";
import type { TrainResult } from "./job.ts";
import { jobOf } from "./job-of.ts";
import type { JobOptions } from "./simulated-job.ts";
import type { SupervisedJobOptions } from "./supervised-job.ts";

export interface TrainSettings {
  /** Where the run is kept; default a store in memory that goes with the call. */
  readonly store?: LightningStore;
  /** Progress a few times a second, curve points, episodes. */
  readonly onEvent?: (event: RunEvent) => void;
  /** Aborting ends the run as cancelled; the promise then resolves with what was learned so far. */
  readonly signal?: AbortSignal;
}

/** An environment with a step reward; an agent with tasks, a policy and a reward over rollouts; or a policy and examples. */
export type TrainOptions = TrainSettings & (JobOptions | AgenticJobOptions | SupervisedJobOptions);

/**
 * Trains a policy by reinforcement learning, or on examples, in this process: on WebGPU where there is a GPU, else on the
 * CPU engine. Resolves when the run has ended or was cancelled; rejects with a `FulguriteError` where the job
 * is invalid or training failed.
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const store = options.store ?? (await openStore({ backend: "memory" }));
  const trainer = nodeTrainer(store);
  const id = await trainer.start(jobOf(options), {
    notebook: null,
    cell: null,
  });
  const stop = (): void => void trainer.stop(id);
  options.signal?.addEventListener("abort", stop);
  if (options.signal?.aborted) stop();
  try {
    const result = trainer.result(id);
    if (options.onEvent) await trainer.watch(id, options.onEvent);
    return await result;
  } finally {
    options.signal?.removeEventListener("abort", stop);
    if (!options.store) store.close();
  }
}

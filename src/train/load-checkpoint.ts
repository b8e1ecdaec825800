import { environmentByName } from "../env/registry.ts";
import { FulguriteError } from "../gpu/error.ts";
import { decodeCheckpoint, encodeCheckpoint, readCheckpointHeader } from "../rl/checkpoint-file.ts";
import type { TrainingState } from "../rl/engine.ts";
import { exportPolicy } from "../rl/export-policy.ts";
import { completeConfig } from "../rl/resolve-config.ts";
import type { LightningStore, Run } from "../store/records.ts";
import type { Job, SimulatedJob } from "./job.ts";

/** A run's job and state as they can be taken to another machine. Throws "train/no-checkpoint". */
async function trainedState(
  store: LightningStore,
  run: Run,
): Promise<{ readonly job: SimulatedJob; readonly state: TrainingState }> {
  const job = run.job as Job;
  const checkpoint = await store.checkpoint(run.id);
  if (job.kind !== "simulated" || !checkpoint) {
    throw new FulguriteError(
      "train/no-checkpoint",
      `There is no checkpoint of ${run.name} that could be saved.`,
      "Let it train for a moment; only runs in simulated environments have such files.",
    );
  }
  return { job, state: checkpoint.state as TrainingState };
}

/** The run's last checkpoint as a safetensors file. Throws "train/no-checkpoint". */
export async function checkpointFile(store: LightningStore, run: Run): Promise<Uint8Array<ArrayBuffer>> {
  const { job, state } = await trainedState(store, run);
  const algorithm = completeConfig(job.algorithm);
  return encodeCheckpoint(environmentByName(job.environment), { algorithm, seed: job.seed }, state);
}

/** The run's policy, as of its last checkpoint, as the text of one ES module. Throws "train/no-checkpoint". */
export async function policyFile(store: LightningStore, run: Run): Promise<string> {
  const { job, state } = await trainedState(store, run);
  const environment = environmentByName(job.environment);
  return exportPolicy({ environment, algorithm: completeConfig(job.algorithm), state });
}

/**
 * What a run needs to go on from a checkpoint file: the job of a run of the same cell, for reward, cost and loss, with
 * the file's own algorithm and seed, and the state. Throws "rl/checkpoint-file" and "nn/safetensors".
 */
export function jobFromFile(
  like: Run,
  file: Uint8Array,
): { readonly job: SimulatedJob; readonly state: TrainingState } {
  const job = like.job as Job;
  if (job.kind !== "simulated") {
    throw new FulguriteError(
      "rl/checkpoint-file",
      "This checkpoint cannot be loaded: the cell trains no policy in a simulated environment.",
      "Load it in a cell that does.",
    );
  }
  const { algorithm, seed } = readCheckpointHeader(file);
  const state = decodeCheckpoint(environmentByName(job.environment), file);
  return { job: { ...job, algorithm, seed }, state };
}

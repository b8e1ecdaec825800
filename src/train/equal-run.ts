import { isHostReference } from "../env/host-environment.ts";
import { isSameValue } from "../store/frame.ts";
import type { LightningStore, Run } from "../store/records.ts";
import type { Job, PolicyConfig, TrainResult } from "./job.ts";
import { startWeights, withoutStart } from "./start-weights.ts";

/** Whose runs are compared. */
export interface CellOwner {
  readonly notebook: string;
  readonly cell: string;
}

/**
 * What the newest run of a cell came to that succeeded with an equal job: the same code, captured values, tasks, settings,
 * seed and first weights. Null where there is none, and for host environments, whose code is no part of a job.
 */
export async function equalRun(
  job: Job,
  owner: CellOwner,
  store: LightningStore,
): Promise<TrainResult | null> {
  if (job.kind === "simulated" && isHostReference(job.environment)) return null;
  for (const run of await store.runs(owner)) {
    // What was loaded from a file was trained elsewhere, and says so.
    const isTrained = run.kind !== "outside" && run.status === "succeeded" && run.reason === null;
    if (isTrained && (await isEqual(job, run.job as Job, store))) return resultOf(run);
  }
  return null;
}

async function isEqual(job: Job, stored: Job, store: LightningStore): Promise<boolean> {
  if (job.kind === "simulated" || stored.kind === "simulated") return isSameValue(job, stored);
  return (
    isSameValue(withoutStart(job), withoutStart(stored)) &&
    (await isSameStart(job.policy, stored.policy, store))
  );
}

/** A run's own job names its first weights, or keeps them beside it; those asked for may be a file, or another run's. */
async function isSameStart(
  asked: PolicyConfig,
  stored: PolicyConfig,
  store: LightningStore,
): Promise<boolean> {
  if (stored.start === undefined || typeof stored.start === "string")
    return asked.start === stored.start && !(asked.adapters?.start ?? asked.softPrompt?.start);
  if (asked.start === undefined) return false;
  // Weights that are not to be had are for the run that is then started to refuse.
  const [ours, theirs] = await Promise.all(
    [asked, stored].map((policy) => startWeights(policy, store)),
  ).catch(() => []);
  return (
    !!ours && !!theirs && ours.length === theirs.length && ours.every((weight, i) => weight === theirs[i])
  );
}

function resultOf({ id, engine, adapter, update, step, activeTime, metrics }: Run): TrainResult {
  return {
    runId: id,
    status: "succeeded",
    engine: engine as TrainResult["engine"],
    adapter: adapter ?? "",
    update,
    step,
    activeTime,
    metrics,
  };
}

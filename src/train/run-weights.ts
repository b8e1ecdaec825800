import { FulguriteError } from "../gpu/error.ts";
import type { LanguageEngine, LanguageState } from "../lm/language-engine.ts";
import { transformerLayout, type TransformerShape } from "../nn/transformer-layout.ts";
import type { AgenticState, LightningStore, SupervisedState } from "../store/records.ts";
import { baseId } from "../store/resources.ts";
import { policyShape } from "./character-policy.ts";
import type { Job, LanguageJob } from "./job.ts";

/** A state as checkpoints hold it: of a policy with adapters what learns alone; `keepBase` keeps the frozen weights, once. */
export function apart(state: LanguageState, shape: TransformerShape): LanguageState {
  const { trainable } = transformerLayout(shape);
  return trainable > 0 ? { ...state, parameters: state.parameters.slice(trainable) } : state;
}

/** Keeps beside the run what of its policy never changes, where there is such. */
export async function keepBase(
  store: Pick<LightningStore, "resources">,
  runId: string,
  engine: LanguageEngine,
): Promise<void> {
  const { trainable } = transformerLayout(engine.shape);
  if (trainable === 0) return;
  const parameters = (await engine.save()).parameters.slice(0, trainable);
  const policy = { type: "weights", runId, update: 0, step: 0, parameters } as const;
  await store.resources.keep(baseId(runId), { policy }, runId);
}

/** A state that was kept apart, with the weights that it belongs to. Rejects with "train/no-weights" where they are gone. */
export async function whole(
  state: LanguageState,
  shape: TransformerShape,
  runId: string,
  store: Pick<LightningStore, "resources">,
): Promise<LanguageState> {
  const { length, trainable } = transformerLayout(shape);
  if (state.parameters.length === length) return state;
  const base = (await store.resources.get(baseId(runId)))?.resources["policy"];
  const frozen = base?.type === "weights" ? base.parameters : undefined;
  if (frozen?.length !== trainable || state.parameters.length !== length - trainable) {
    throw new FulguriteError(
      "train/no-weights",
      "The weights that this run's adapters change are no longer kept.",
      "Import the run again from a file that has them.",
    );
  }
  const parameters = new Float32Array(length);
  parameters.set(frozen);
  parameters.set(state.parameters, trainable);
  return { ...state, parameters };
}

/** A language policy as of a run's last checkpoint: its job, its shape, and all of its weights. */
export interface RunWeights {
  readonly job: LanguageJob;
  readonly shape: TransformerShape;
  readonly parameters: Float32Array;
}

/** Null where the run is gone, trains no language policy, or has no checkpoint yet. */
export async function runWeights(
  runId: string,
  store: Pick<LightningStore, "run" | "checkpoint" | "resources">,
): Promise<RunWeights | null> {
  const job = (await store.run(runId))?.job as Job | null | undefined;
  const state = (await store.checkpoint(runId))?.state as AgenticState | SupervisedState | undefined;
  if (!job || job.kind === "simulated" || !state) return null;
  const shape = policyShape(job.policy);
  const { parameters } = await whole(state.language, shape, runId, store);
  return { job, shape, parameters };
}

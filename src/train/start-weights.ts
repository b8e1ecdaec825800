import { FulguriteError } from "../gpu/error.ts";
import { readCheckpoint } from "../nn/hugging-face.ts";
import { decodeTensors } from "../nn/safetensors.ts";
import { transformerLayout, type TransformerShape } from "../nn/transformer-layout.ts";
import { startId } from "../store/resources.ts";
import type { LightningStore } from "../store/records.ts";
import { policyShape } from "./character-policy.ts";
import type { Job, PolicyConfig } from "./job.ts";
import { placeWeights, shippedWeights } from "./shipped-weights.ts";

/** The safetensors file's weights at the places of a network: under our names, or under Hugging Face's. */
export function weightsOfFile(file: Uint8Array, shape: TransformerShape): Float32Array {
  const { tensors } = decodeTensors(file);
  if (tensors.has("emb")) return placeWeights("of the file", file, shape);
  const parameters = new Float32Array(transformerLayout(shape).length);
  readCheckpoint(shape, tensors, parameters);
  return parameters;
}

/**
 * The weights that a policy begins with; null for random ones. Rejects with "train/no-weights", "nn/safetensors" and
 * "nn/checkpoint-mismatch".
 */
export async function startWeights(
  policy: PolicyConfig,
  store: Pick<LightningStore, "checkpoint" | "resources">,
): Promise<Float32Array | null> {
  const { start } = policy;
  if (start === undefined) return null;
  const shape = policyShape(policy);
  if (typeof start === "string") return shippedWeights(start, shape);
  if (start instanceof Uint8Array) return weightsOfFile(start, shape);
  let parameters: Float32Array | undefined;
  if ("runId" in start) {
    const state = (await store.checkpoint(start.runId))?.state;
    if (state && "language" in state) parameters = state.language.parameters;
  } else {
    const resource = (await store.resources.get(start.resources))?.resources["policy"];
    if (resource?.type === "weights") parameters = resource.parameters;
  }
  if (parameters?.length === transformerLayout(shape).length) return parameters;
  throw new FulguriteError(
    "train/no-weights",
    parameters
      ? "The run that this policy begins with trained another network."
      : "What this policy begins with is no longer kept.",
    "Begin with a run of a policy of the same shape and tokens, or with a file.",
  );
}

/**
 * The job with its policy's first weights kept beside run `runId`, where they came with it or belong to another run: what
 * the run needs to make its start again is then its own, and is removed with it.
 */
export async function keepStart(job: Job, runId: string, store: LightningStore): Promise<Job> {
  if (job.kind === "simulated") return job;
  const { start } = job.policy;
  if (start === undefined || typeof start === "string") return job;
  const parameters = (await startWeights(job.policy, store))!;
  const resources = startId(runId);
  await store.resources.update(
    resources,
    { policy: { type: "weights", runId, update: 0, step: 0, parameters } },
    runId,
  );
  return { ...job, policy: { ...job.policy, start: { resources } } };
}

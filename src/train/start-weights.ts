import { FulguriteError } from "../gpu/error.ts";
import { readCheckpoint } from "../nn/hugging-face.ts";
import { mergeAdapter } from "../nn/merge-adapter.ts";
import { decodeTensors } from "../nn/safetensors.ts";
import { transformerLayout, type TransformerShape } from "../nn/transformer-layout.ts";
import { startId } from "../store/resources.ts";
import type { LightningStore } from "../store/records.ts";
import { policyShape } from "./character-policy.ts";
import type { Job, LanguageJob, PolicyConfig, PolicyStartWeights } from "./job.ts";
import { savedPolicy } from "./policy-files.ts";
import { runWeights } from "./run-weights.ts";
import { without } from "./without.ts";
import { placeWeights, shippedWeights } from "./shipped-weights.ts";

const isAdapterTensor = (name: string): boolean => /lora_|(^|\.)prompt_embeddings$/.test(name);

/**
 * The safetensors file's weights at the places of a network: under our names, or under Hugging Face's. Of a network with
 * adapters all parameters where the file has these too, else those that they change.
 */
export function weightsOfFile(file: Uint8Array, shape: TransformerShape): Float32Array {
  const { tensors } = decodeTensors(file);
  const plain = without(shape, "adapter");
  if (tensors.has("emb")) return placeWeights("of the file", file, plain);
  const from = [...tensors.keys()].some(isAdapterTensor) ? shape : plain;
  const parameters = new Float32Array(transformerLayout(from).length);
  readCheckpoint(from, tensors, parameters);
  return parameters;
}

/** `base`, and behind it the adapters of a file. Throws "train/no-weights" where they are of another scale. */
function withAdapters(base: Float32Array, file: Uint8Array, shape: TransformerShape): Float32Array {
  const { tensors, metadata } = decodeTensors(file);
  const saved = savedPolicy(metadata)?.adapters;
  if (saved && saved.alpha / saved.rank !== shape.adapter!.alpha / shape.adapter!.rank) {
    throw new FulguriteError(
      "train/no-weights",
      `The adapters were saved with alpha ${saved.alpha} at rank ${saved.rank}, not ${shape.adapter!.alpha} at ${shape.adapter!.rank}.`,
      "Give the policy the rank and alpha that they were saved with.",
    );
  }
  const { length, trainable } = transformerLayout(shape);
  const parameters = new Float32Array(length);
  parameters.set(base.subarray(0, trainable));
  readCheckpoint(shape, new Map([...tensors].filter(([name]) => isAdapterTensor(name))), parameters);
  return parameters;
}

/**
 * Throws "train/no-weights" where weights of policy `from` would mean something else in `policy`, as many as they are: heads
 * and tokens leave no trace in a tensor's shape.
 */
function checkSame(from: PolicyConfig, policy: PolicyConfig, whose: string): void {
  const network = (it: PolicyConfig): string =>
    JSON.stringify(without(policyShape(it), "adapter", "maxLength"));
  const tokens = ({ alphabet, words, pairs }: PolicyConfig): string =>
    JSON.stringify([alphabet, words?.words, pairs?.merges]);
  const other =
    network(from) !== network(policy) ? "network" : tokens(from) !== tokens(policy) ? "tokens" : null;
  if (other === null) return;
  throw new FulguriteError(
    "train/no-weights",
    `${whose} that this policy begins with ${other === "network" ? "is of another network" : "has other tokens, or in another order"}.`,
    "Begin with one of a policy of the same shape and tokens.",
  );
}

/** Weights of another run's policy, as one of this shape begins with them: its adapters merged where ours are others. */
async function weightsOfRun(
  runId: string,
  policy: PolicyConfig,
  shape: TransformerShape,
  store: StartStore,
): Promise<Float32Array | undefined> {
  const from = await runWeights(runId, store);
  if (!from) return undefined;
  checkSame(from.job.policy, policy, "The run");
  const { promptTokens = 0, ...changes } = from.shape.adapter ?? {};
  if (JSON.stringify(from.shape.adapter) === JSON.stringify(shape.adapter)) return from.parameters;
  if (promptTokens > 0) {
    throw new FulguriteError(
      "train/no-weights",
      "The run that this policy begins with learned a soft prompt, which cannot be merged into weights.",
      "Give the policy the same adapters and softPrompt, or begin with another run.",
    );
  }
  return "rank" in changes ? mergeAdapter(from.shape, from.parameters).parameters : from.parameters;
}

type StartStore = Pick<LightningStore, "run" | "checkpoint" | "resources">;

/**
 * The weights that a policy begins with; null for random ones. Of one with adapters: all parameters where these begin with
 * something too, else the weights alone. Rejects with "train/no-weights", "nn/safetensors" and "nn/checkpoint-mismatch".
 */
export async function startWeights(policy: PolicyConfig, store: StartStore): Promise<Float32Array | null> {
  const { start, adapters, softPrompt } = policy;
  if (start === undefined) return null;
  const shape = policyShape(policy);
  const { length, trainable } = transformerLayout(shape);
  const parameters = await parametersOf(start, policy, shape, store);
  if (parameters && (parameters.length === length || parameters.length === trainable)) {
    const file = adapters?.start ?? softPrompt?.start;
    return file ? withAdapters(parameters, file, shape) : parameters;
  }
  throw new FulguriteError(
    "train/no-weights",
    parameters
      ? "The run that this policy begins with trained another network."
      : "What this policy begins with is no longer kept.",
    "Begin with a run of a policy of the same shape and tokens, or with a file.",
  );
}

async function parametersOf(
  start: PolicyStartWeights,
  policy: PolicyConfig,
  shape: TransformerShape,
  store: StartStore,
): Promise<Float32Array | undefined> {
  if (typeof start === "string") {
    return shippedWeights(start, without(shape, "adapter"));
  }
  if (start instanceof Uint8Array) {
    const saved = savedPolicy(decodeTensors(start).metadata);
    // A model's own config says what its tensors are.
    if (saved && !policy.model) checkSame(saved, policy, "The file");
    return weightsOfFile(start, shape);
  }
  if ("runId" in start) return weightsOfRun(start.runId, policy, shape, store);
  const resource = (await store.resources.get(start.resources))?.resources["policy"];
  return resource?.type === "weights" ? resource.parameters : undefined;
}

/**
 * The job with its policy's first weights kept beside run `runId`, where they came with it or belong to another run: what
 * the run needs to make its start again is then its own, and is removed with it.
 */
export async function keepStart(job: Job, runId: string, store: LightningStore): Promise<Job> {
  if (job.kind === "simulated") return job;
  const { start, adapters, softPrompt } = job.policy;
  const file = adapters?.start ?? softPrompt?.start;
  if (start === undefined || (typeof start === "string" && !file)) return job;
  const parameters = (await startWeights(job.policy, store))!;
  const resources = startId(runId);
  await store.resources.update(
    resources,
    { policy: { type: "weights", runId, update: 0, step: 0, parameters } },
    runId,
  );
  const own = withoutStart(job);
  return { ...own, policy: { ...own.policy, start: { resources } } } as Job;
}

/** The job without the weights that its policy begins with. */
export function withoutStart<J extends LanguageJob>(job: J): J {
  const { adapters, softPrompt } = job.policy;
  const policy: PolicyConfig = {
    ...without(job.policy, "start"),
    ...(adapters ? { adapters: without(adapters, "start") } : {}),
    ...(softPrompt ? { softPrompt: without(softPrompt, "start") } : {}),
  };
  return { ...job, policy };
}

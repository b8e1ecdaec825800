import { FulguriteError } from "../gpu/error.ts";
import { writeCheckpoint } from "../nn/hugging-face.ts";
import { mergeAdapter } from "../nn/merge-adapter.ts";
import { decodeTensors, encodeTensors, type FloatType } from "../nn/safetensors.ts";
import type { LightningStore } from "../store/records.ts";
import { checkPolicy, policyFrom, type CharacterPolicy } from "./character-policy.ts";
import type { PolicyConfig } from "./job.ts";
import { learningOf, plainPolicy, type LearningOptions } from "./policy-adapters.ts";
import { runWeights } from "./run-weights.ts";
import { without } from "./without.ts";

/** Metadata of a file that says what policy its weights are of, as JSON. */
const POLICY = "fulgurite.policy";

export interface PolicyWeightsOptions {
  /**
   * "model" (default): all weights, adapters merged into them: W + alpha / rank · B A. "adapters": these alone, and the soft
   * prompt, under PEFT's names.
   */
  readonly part?: "model" | "adapters";
  /** How numbers are stored; default "F32". */
  readonly type?: FloatType;
}

/**
 * The policy of a run, as of its last checkpoint, as a safetensors file: under Hugging Face's names, with the network and the
 * tokens in its metadata, for `policyFromFile`. Rejects with "train/no-weights".
 */
export async function policyWeights(
  runId: string,
  store: Pick<LightningStore, "run" | "checkpoint" | "resources">,
  { part = "model", type = "F32" }: PolicyWeightsOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const trained = await runWeights(runId, store);
  if (!trained) {
    throw new FulguriteError(
      "train/no-weights",
      `Run ${runId} has no language policy that could be saved.`,
      "Let it train for a second; only runs of policies that write text have such files.",
    );
  }
  const { job, shape, parameters } = trained;
  const policy = without(job.policy, "start");
  if (part === "adapters") {
    if (!shape.adapter) {
      throw new FulguriteError(
        "train/no-weights",
        "All weights of this policy learned: there are no adapters to save apart.",
        "Save the whole model.",
      );
    }
    const tensors = writeCheckpoint(shape, parameters, { part: "adapter", type });
    return encodeTensors({ tensors, metadata: { format: "pt", [POLICY]: JSON.stringify(policy) } });
  }
  if (policy.softPrompt) {
    throw new FulguriteError(
      "train/no-weights",
      "A soft prompt cannot be merged into weights.",
      "Save the adapters apart: the soft prompt is in their file.",
    );
  }
  const merged = mergeAdapter(shape, parameters);
  const metadata = { format: "pt", [POLICY]: JSON.stringify(plainPolicy(policy)) };
  return encodeTensors({ tensors: writeCheckpoint(merged.shape, merged.parameters, { type }), metadata });
}

/** What a file of ours says of its policy; null in any other file. */
export function savedPolicy(metadata: Readonly<Record<string, string>>): PolicyConfig | null {
  const text = metadata[POLICY];
  if (text === undefined) return null;
  const policy = JSON.parse(text) as PolicyConfig;
  checkPolicy(policy);
  return policy;
}

/** Options that begin with files, with what these say of themselves. */
function withSaved(options: LearningOptions): LearningOptions {
  const { adapters, softPrompt } = options;
  const file = adapters?.start ?? softPrompt?.start;
  const saved = file && savedPolicy(decodeTensors(file).metadata);
  if (!saved) return options;
  return {
    ...options,
    ...(saved.adapters ? { adapters: { ...saved.adapters, ...adapters, start: file } } : {}),
    ...(saved.softPrompt ? { softPrompt: { ...saved.softPrompt, ...softPrompt, start: file } } : {}),
  };
}

/**
 * The policy of a file that `policyWeights` or the page's "Save weights" made: its network, its tokens, and its weights to
 * begin with. With `adapters: { start: bytes }` those of a file saved apart. Throws "train/no-weights" for any other file.
 */
export function policyFromFile(file: Uint8Array, options: LearningOptions = {}): CharacterPolicy {
  const policy = savedPolicy(decodeTensors(file).metadata);
  if (!policy || policy.adapters || policy.softPrompt) {
    throw new FulguriteError(
      "train/no-weights",
      policy
        ? "The file has adapters, and not the weights that they change."
        : "The file does not say what policy its weights are of.",
      policy
        ? "Pass the file of the whole model, and this one as adapters: { start }."
        : "Make a policy of the same shape, and pass the file as its `start`.",
    );
  }
  return policyFrom({ ...policy, ...learningOf(withSaved(options)), start: file });
}

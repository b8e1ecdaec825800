import { FulguriteError } from "../gpu/error.ts";
import { isPolicy, policyConfig, type CharacterPolicy } from "./character-policy.ts";
import type { CompletionRequest } from "./complete.ts";
import type { TrainResult } from "./job.ts";

export interface CompletionOptions {
  /** What `train` gave of an agent's run, also of one that still goes on; or a policy, as it begins. */
  readonly from: TrainResult | CharacterPolicy;
  /** What the user says, one conversation each. */
  readonly prompts: readonly string[];
  /** Default 0: the likeliest token each time. */
  readonly temperature?: number;
  /** Most tokens of an answer; default 32. */
  readonly maxTokens?: number;
  /** Unsigned 32-bit; default 1. */
  readonly seed?: number;
}

/** What `complete` sends to the trainer. Throws "train/invalid". */
export function completionRequestOf(options: CompletionOptions): CompletionRequest {
  const { from, prompts, temperature = 0, maxTokens = 32, seed = 1 } = options;
  const runId = (from as Partial<TrainResult> | undefined)?.runId;
  if (!isPolicy(from) && typeof runId !== "string") {
    throw new FulguriteError(
      "train/invalid",
      "`from` is neither a run nor a policy.",
      "Pass what `await train(...)` gave, or a policy.",
    );
  }
  return {
    from: isPolicy(from) ? { kind: "policy", policy: policyConfig(from) } : { kind: "run", runId: runId! },
    ...{ prompts, temperature, maxTokens, seed },
  };
}

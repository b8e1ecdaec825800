import { FulguriteError } from "../gpu/error.ts";
import type { LightningStore } from "../store/records.ts";
import { checkPolicy, policyShape } from "./character-policy.ts";
import type { PolicyConfig } from "./job.ts";
import type { LanguageEngineMaker } from "./language-engine-maker.ts";
import { policyTokenizer } from "./policy-tokenizer.ts";
import { runWeights } from "./run-weights.ts";
import { startWeights } from "./start-weights.ts";

/** What to ask a language policy outside of training. Cloneable. */
export interface CompletionRequest {
  /** The policy of a run, as of its last checkpoint; or one that no run has trained, as it begins. */
  readonly from:
    | { readonly kind: "run"; readonly runId: string }
    | { readonly kind: "policy"; readonly policy: PolicyConfig };
  /** What the user says, one conversation each. */
  readonly prompts: readonly string[];
  /** 0 takes the likeliest token each time. */
  readonly temperature: number;
  /** Most tokens of an answer, its end included. */
  readonly maxTokens: number;
  /** Unsigned 32-bit. */
  readonly seed: number;
}

export interface Completion {
  readonly text: string;
  /** Whether it came to its end, and was not cut at `maxTokens`. */
  readonly finished: boolean;
}

const MAX_PROMPTS = 10_000;

export interface CompletionServices {
  readonly store: LightningStore;
  readonly createLanguageEngine: LanguageEngineMaker;
}

/**
 * Answers of a policy, in the order of the prompts: functions of its weights, the prompt, the settings and the prompt's
 * number. Rejects with "train/no-such-run", "train/invalid", or what the tokenizer says of a prompt.
 */
export async function complete(
  request: CompletionRequest,
  { store, createLanguageEngine }: CompletionServices,
): Promise<Completion[]> {
  const { prompts, temperature, maxTokens, seed } = request;
  if (prompts.length > MAX_PROMPTS || !(temperature >= 0) || !Number.isInteger(maxTokens) || maxTokens < 1) {
    throw new FulguriteError(
      "train/invalid",
      "These completions cannot be made.",
      `Pass up to ${MAX_PROMPTS.toLocaleString("en")} prompts, a temperature from 0 and maxTokens from 1.`,
    );
  }
  const { policy, parameters, start } = await weightsOf(request.from, store);
  checkPolicy(policy);
  const tokenizer = await policyTokenizer(policy);
  const requests = prompts.map((content, i) => ({
    prompt: tokenizer.renderChat([{ role: "user", content }]),
    ...{ maxTokens, temperature },
    stopTokens: [tokenizer.eos],
    allowed: tokenizer.answerIds,
    seed: (seed + Math.imul(i, 0x9e3779b1)) >>> 0,
  }));
  const shape = policyShape(policy);
  const engine = await createLanguageEngine(shape, start, "auto", {
    variant: null,
    rows: prompts.length,
    onMemory: () => undefined,
  });
  try {
    const saved = await engine.save();
    const all = saved.parameters.slice();
    const weights = parameters ?? (await startWeights(policy, store));
    if (weights) all.set(weights);
    engine.load({ ...saved, parameters: all });
    const made = await engine.generate(requests);
    return made.map(({ tokens, finishReason }) => ({
      text: tokenizer.decode(tokens),
      finished: finishReason === "stop",
    }));
  } finally {
    engine.dispose();
  }
}

async function weightsOf(
  from: CompletionRequest["from"],
  store: LightningStore,
): Promise<{
  readonly policy: PolicyConfig;
  readonly parameters: Float32Array | null;
  readonly start: number;
}> {
  if (from.kind === "policy") return { policy: from.policy, parameters: null, start: 1 };
  const trained = await runWeights(from.runId, store);
  if (!trained) {
    throw new FulguriteError(
      "train/no-such-run",
      `Run ${from.runId} has no language policy to ask.`,
      "Pass a run whose policy writes text and that has trained for a second; or the policy itself.",
    );
  }
  const { job, parameters } = trained;
  return { policy: job.policy, parameters, start: job.seed };
}

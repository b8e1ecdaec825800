import { FulguriteError } from "../gpu/error.ts";
import { characterTokenizer } from "../lm/tokenizer.ts";
import { transformerLayout, type TransformerShape } from "../nn/transformer-layout.ts";
import type { PolicyConfig, WarmStart } from "./job.ts";

/** A transformer over characters, trained from scratch, and how it starts. Plain data. */
export interface CharacterPolicy extends PolicyConfig {
  readonly kind: "character-policy";
  readonly warmStart: WarmStart | null;
}

export interface WarmStartOptions extends Partial<Omit<WarmStart, "demonstrations">> {
  readonly demonstrations: WarmStart["demonstrations"];
}

export interface CharacterPolicyOptions extends Partial<Omit<PolicyConfig, "alphabet">> {
  /** Every character that prompts and answers may have, once. */
  readonly alphabet: string;
  /** A short supervised start: 150 steps of 64 demonstrations at 1e-3 unless said otherwise. */
  readonly warmStart?: WarmStartOptions | null;
}

/** Largest network that is accepted, in parameters: 64 MB of weights, four times that while training. */
const MAX_PARAMETERS = 16_000_000;

const invalid = (message: string, fix: string): FulguriteError =>
  new FulguriteError("train/invalid", message, fix);

/**
 * A decoder transformer over an alphabet, to be trained from scratch: width 64, 2 layers, 4 heads and conversations of
 * up to 64 tokens unless said otherwise. Throws "train/invalid" and "lm/duplicate-character".
 */
export function characterPolicy(options: CharacterPolicyOptions): CharacterPolicy {
  const { alphabet, width = 64, layers = 2, heads = 4, maxLength = 64, warmStart = null } = options;
  const policy = {
    kind: "character-policy",
    ...{ alphabet, width, layers, heads, maxLength },
    feedForward: options.feedForward ?? 2 * width,
    warmStart: warmStart && {
      demonstrations: warmStart.demonstrations,
      steps: warmStart.steps ?? 150,
      batchSize: warmStart.batchSize ?? 64,
      learningRate: warmStart.learningRate ?? 1e-3,
    },
  } as const;
  checkPolicy(policy);
  if (policy.warmStart) checkWarmStart(policy.warmStart, policy);
  return Object.freeze(policy);
}

/** The network of a policy: Llama-style, untied head, over the alphabet and the four special ids. */
export function policyShape(policy: PolicyConfig): TransformerShape {
  const { alphabet, width, layers, heads, feedForward, maxLength } = policy;
  return {
    vocabularySize: characterTokenizer(alphabet).vocabularySize,
    ...{ width, layers, heads, feedForward, maxLength },
    keyValueHeads: heads,
    headSize: width / heads,
    ropeBase: 10_000,
    normEpsilon: 1e-5,
    tiedHead: false,
  };
}

/** Numbers that the policy learns. */
export const policyParameters = (policy: PolicyConfig): number =>
  transformerLayout(policyShape(policy)).tensors.reduce((sum, { length }) => sum + length, 0);

/** Throws where a policy cannot be made. */
export function checkPolicy(policy: PolicyConfig): void {
  if (typeof policy.alphabet !== "string" || policy.alphabet === "" || policy.alphabet.length > 2_000) {
    throw invalid(
      "The policy's alphabet is not a text of 1 to 2,000 characters.",
      'Pass one: characterPolicy({ alphabet: "abc" }).',
    );
  }
  const most = { width: 1024, layers: 16, heads: 64, feedForward: 4096, maxLength: 1024 } as const;
  for (const [name, limit] of Object.entries(most) as [keyof typeof most, number][]) {
    const value = policy[name];
    if (Number.isInteger(value) && value >= 1 && value <= limit) continue;
    throw invalid(
      `The policy's ${name} is ${String(value)}, not a whole number from 1 to ${limit}.`,
      "Leave it out for the default.",
    );
  }
  const { width, heads, feedForward } = policy;
  if (width % heads !== 0 || (width / heads) % 4 !== 0) {
    throw invalid(
      `${heads} heads do not share a width of ${width} in multiples of 4.`,
      `Choose a width that is a multiple of ${4 * heads}.`,
    );
  }
  if (feedForward % 4 !== 0) {
    throw invalid(`feedForward is ${feedForward}, which is no multiple of 4.`, "Choose one that is.");
  }
  const parameters = policyParameters(policy);
  if (parameters > MAX_PARAMETERS) {
    throw invalid(
      `The policy would have ${parameters.toLocaleString("en")} parameters; ${MAX_PARAMETERS.toLocaleString("en")} is the most.`,
      "Choose a smaller width or fewer layers.",
    );
  }
}

/** Throws where a policy cannot learn from these demonstrations. */
export function checkWarmStart(warmStart: WarmStart, policy: PolicyConfig): void {
  const { demonstrations, steps, batchSize, learningRate } = warmStart;
  const whole = (value: number, most: number): boolean =>
    Number.isInteger(value) && value >= 1 && value <= most;
  if (!whole(steps, 100_000) || !whole(batchSize, 4_096) || !(learningRate > 0 && learningRate < 1)) {
    throw invalid(
      "The warm start's steps, batchSize or learningRate cannot be used.",
      "Pass for example { steps: 150, batchSize: 64, learningRate: 1e-3 }.",
    );
  }
  if (!Array.isArray(demonstrations) || demonstrations.length === 0) {
    throw invalid("The warm start has no demonstrations.", "Pass { demonstrations: [{ prompt, answer }] }.");
  }
  const known = new Set(policy.alphabet);
  demonstrations.forEach(({ prompt, answer }: { prompt?: unknown; answer?: unknown }, i) => {
    if (typeof prompt !== "string" || typeof answer !== "string") {
      throw invalid(`Demonstration ${i} is not { prompt, answer } of texts.`, "Write both as texts.");
    }
    const strange = [...prompt, ...answer].find((character) => !known.has(character));
    if (strange !== undefined) {
      throw invalid(
        `Demonstration ${i} has ${JSON.stringify(strange)}, which is not in the policy's alphabet.`,
        "Add it to the alphabet.",
      );
    }
    // Beginning, separator and end come on top.
    if ([...prompt].length + [...answer].length + 3 > policy.maxLength) {
      throw invalid(
        `Demonstration ${i} is longer than the policy's ${policy.maxLength} tokens.`,
        "Raise maxLength, or shorten it.",
      );
    }
  });
}

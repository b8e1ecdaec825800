import { asFulguriteError, FulguriteError } from "../gpu/error.ts";
import { bytePairTokenizer, MAX_PAIRS, trainBytePairs, type BytePairs } from "../lm/byte-pair-tokenizer.ts";
import type { HuggingFaceTokenizerFiles } from "../lm/hugging-face-tokenizer.ts";
import type { WordVocabulary } from "../lm/word-tokenizer.ts";
import { checkShape } from "../lm/requests.ts";
import { shapeFromConfig } from "../nn/hugging-face.ts";
import { transformerLayout, type TransformerShape } from "../nn/transformer-layout.ts";
import { checkNames } from "../rl/option-names.ts";
import type { PolicyConfig, WarmStart } from "./job.ts";
import { adaptedShape, checkLearning, learningOf, type LearningOptions } from "./policy-adapters.ts";
import { checkAnswer, plainTokenizer } from "./plain-tokenizer.ts";

/** A transformer over characters, words, byte pairs or a model's own tokens, and how it starts. Plain data. */
export interface CharacterPolicy extends PolicyConfig {
  readonly kind: (typeof kinds)[number];
  readonly warmStart: WarmStart | null;
}

export interface WarmStartOptions extends Partial<Omit<WarmStart, "demonstrations">> {
  readonly demonstrations: WarmStart["demonstrations"];
}

type Network = Pick<PolicyConfig, "width" | "layers" | "heads" | "feedForward" | "maxLength">;

export interface CharacterPolicyOptions extends Partial<Network>, LearningOptions {
  /**
   * Weights to begin with: bytes of a safetensors file, what `await train(...)` gave of a run of the same policy, or the
   * name of weights that ship with Fulgurite. Default random ones.
   */
  readonly start?: string | Uint8Array | { readonly runId: string };
  /** Every character that prompts and answers may have, once. */
  readonly alphabet: string;
  /** A short supervised start: 150 steps of 64 demonstrations at 1e-3 unless said otherwise. */
  readonly warmStart?: WarmStartOptions | null;
}

const kinds = ["character-policy", "word-policy", "byte-pair-policy", "model-policy"] as const;

const learningOptions = ["warmStart", "adapters", "softPrompt", "checkpointing"];
const networkOptions = ["start", "width", "layers", "heads", "feedForward", "maxLength", ...learningOptions];

const MAX_WORDS = 20_000;

/** Largest network that is accepted, in parameters: 64 MB of weights, four times that while training. */
const MAX_PARAMETERS = 16_000_000;

const invalid = (message: string, fix: string): FulguriteError =>
  new FulguriteError("train/invalid", message, fix);

/**
 * A decoder transformer over an alphabet, to be trained from scratch: width 64, 2 layers, 4 heads and conversations of
 * up to 64 tokens unless said otherwise. Throws "train/invalid" and "lm/duplicate-character".
 */
export function characterPolicy(options: CharacterPolicyOptions): CharacterPolicy {
  checkNames("characterPolicy", options, ["alphabet", ...networkOptions], "train/invalid");
  return policyOf({ kind: "character-policy", alphabet: options.alphabet }, options);
}

export interface WordPolicyOptions extends Omit<CharacterPolicyOptions, "alphabet"> {
  /** Words that an answer may consist of, each a token. */
  readonly answers: readonly string[];
  /** The others, which only prompts have. */
  readonly words: readonly string[];
}

/**
 * The same over words: a token is what stands between white space, and an answer consists of `answers` only. Throws
 * "train/invalid" and "lm/duplicate-word".
 */
export function wordPolicy(options: WordPolicyOptions): CharacterPolicy {
  checkNames("wordPolicy", options, ["answers", "words", ...networkOptions], "train/invalid");
  const { answers, words } = options;
  const vocabulary = { words: [...answers, ...words], answers: answers.length };
  return policyOf({ kind: "word-policy", alphabet: "", words: vocabulary }, options);
}

export interface BytePairPolicyOptions extends Omit<CharacterPolicyOptions, "alphabet"> {
  /** Texts like those that the policy will read and write: pairs are learned from them. Default none: a token is a byte. */
  readonly texts?: readonly string[];
  /** Most pairs to learn from `texts`; default 256. The vocabulary has 260 ids and one a pair. */
  readonly merges?: number;
  /** What `trainBytePairs(texts, merges)` gave, in place of `texts`. */
  readonly pairs?: BytePairs;
}

/**
 * The same over byte pairs (byte-level BPE: Sennrich et al. 2016, arXiv 1508.07909): the pair of tokens that stands side by
 * side most often in `texts` becomes a token, again and again. No text is unknown to it, and frequent words are one token.
 * Throws "train/invalid" and "lm/bad-vocabulary".
 */
export function bytePairPolicy(options: BytePairPolicyOptions): CharacterPolicy {
  const { texts, merges, pairs, ...network } = options;
  checkNames("bytePairPolicy", network, ["texts", "merges", "pairs", ...networkOptions], "train/invalid");
  if (pairs !== undefined && (texts !== undefined || merges !== undefined)) {
    throw invalid("Byte pairs are given and asked for at once.", "Pass `pairs`, or `texts` and `merges`.");
  }
  if (texts !== undefined && !(Array.isArray(texts) && texts.every((text) => typeof text === "string"))) {
    throw invalid("`texts` is no list of texts.", 'Pass some: bytePairPolicy({ texts: ["one", "two"] }).');
  }
  const learned = pairs ?? trainBytePairs(texts ?? [], merges ?? 256);
  return policyOf({ kind: "byte-pair-policy", alphabet: "", pairs: { merges: learned.merges } }, network);
}

export interface ModelPolicyOptions extends LearningOptions {
  /** `config.json` of a Llama, Qwen2 or Qwen3, parsed or as text. */
  readonly config: Readonly<Record<string, unknown>> | string;
  /** Bytes of `model.safetensors` (f32, f16 or bf16), under Hugging Face's names or ours. */
  readonly weights: Uint8Array;
  /** `tokenizer.json` and `tokenizer_config.json`, parsed; default one token a byte. */
  readonly tokenizer?: HuggingFaceTokenizerFiles;
  /** Most tokens of a conversation; default 256, or the model's own where that is less. */
  readonly maxLength?: number;
  /** As of `characterPolicy`. */
  readonly warmStart?: WarmStartOptions | null;
}

/**
 * A model from a checkpoint, to be trained further: all of its weights learn, so 16 million are the most. Throws
 * "train/invalid", "nn/unsupported-model"; what the file lacks is said when a run begins with it.
 */
export function modelPolicy(options: ModelPolicyOptions): CharacterPolicy {
  const known = ["config", "weights", "tokenizer", "maxLength", ...learningOptions];
  checkNames("modelPolicy", options, known, "train/invalid");
  const { weights, tokenizer = null } = options;
  const config = parsed(options.config);
  const shape = shapeFromConfig(config, options.maxLength ?? 256);
  const { width, layers, heads, feedForward, maxLength } = shape;
  return policyOf(
    { kind: "model-policy", alphabet: "", model: { config, tokenizer } },
    {
      ...options,
      ...{ width, layers, heads, feedForward, maxLength, start: weights },
    },
  );
}

function parsed(config: ModelPolicyOptions["config"]): Readonly<Record<string, unknown>> {
  if (typeof config !== "string") return config;
  try {
    return JSON.parse(config) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw new FulguriteError("train/invalid", "The model's config is no JSON.", "Pass its config.json.", {
      cause,
    });
  }
}

function policyOf(
  tokens: Pick<CharacterPolicy, "kind" | "alphabet" | "words" | "pairs" | "model">,
  options: Omit<CharacterPolicyOptions, "alphabet">,
): CharacterPolicy {
  const { width = 64, layers = 2, heads = 4, maxLength = 64, warmStart = null, start } = options;
  const policy: CharacterPolicy = {
    ...tokens,
    ...{ width, layers, heads, maxLength },
    ...(start === undefined ? {} : { start: startOf(start) }),
    feedForward: options.feedForward ?? 2 * width,
    ...learningOf(options),
    warmStart: warmStart && {
      demonstrations: warmStart.demonstrations,
      steps: warmStart.steps ?? 150,
      batchSize: warmStart.batchSize ?? 64,
      learningRate: warmStart.learningRate ?? 1e-3,
    },
  };
  checkPolicy(policy);
  if (policy.warmStart) checkWarmStart(policy.warmStart, policy);
  return Object.freeze(policy);
}

/** A policy of a whole configuration, as files have it. Throws as the others do. */
export function policyFrom(config: PolicyConfig): CharacterPolicy {
  const { model, pairs, words } = config;
  const kind = model
    ? "model-policy"
    : pairs
      ? "byte-pair-policy"
      : words
        ? "word-policy"
        : "character-policy";
  checkPolicy(config);
  return Object.freeze({ ...policyConfig({ ...config, kind, warmStart: null }), kind, warmStart: null });
}

/** Of a run only its id: its figures are no part of the policy. */
const startOf = (start: NonNullable<CharacterPolicyOptions["start"]>): NonNullable<PolicyConfig["start"]> =>
  typeof start === "string" || start instanceof Uint8Array ? start : { runId: start.runId };

/** Frozen and of a kind that we make. */
export const isPolicy = (value: unknown): value is CharacterPolicy =>
  typeof value === "object" &&
  value !== null &&
  Object.isFrozen(value) &&
  (kinds as readonly unknown[]).includes((value as { kind?: unknown }).kind);

/** What of a policy is its network and its tokens: all but how it starts to learn. */
export function policyConfig(policy: CharacterPolicy): PolicyConfig {
  const { alphabet, words, pairs, model, start, width, layers, heads, feedForward, maxLength } = policy;
  const { adapters, softPrompt, checkpointing } = policy;
  return {
    ...{ alphabet, width, layers, heads, feedForward, maxLength },
    ...(words ? { words } : {}),
    ...(pairs ? { pairs } : {}),
    ...(model ? { model } : {}),
    ...(start === undefined ? {} : { start }),
    ...(adapters ? { adapters } : {}),
    ...(softPrompt ? { softPrompt } : {}),
    ...(checkpointing === undefined ? {} : { checkpointing }),
  };
}

/** The network of a policy: a model's own, or Llama-style, untied head, over its tokens and the four special ids; adapted. */
export function policyShape(policy: PolicyConfig): TransformerShape {
  const { width, layers, heads, feedForward, maxLength, model } = policy;
  if (model) return adaptedShape(shapeFromConfig(model.config, maxLength), policy);
  const shape: TransformerShape = {
    vocabularySize: plainTokenizer(policy)!.vocabularySize,
    ...{ width, layers, heads, feedForward, maxLength },
    keyValueHeads: heads,
    headSize: width / heads,
    ropeBase: 10_000,
    normEpsilon: 1e-5,
    tiedHead: false,
  };
  return adaptedShape(shape, policy);
}

/** Numbers that the policy consists of. */
export const policyParameters = (policy: PolicyConfig): number =>
  transformerLayout(policyShape(policy)).tensors.reduce((sum, { length }) => sum + length, 0);

/** Throws where a policy cannot be made. */
export function checkPolicy(policy: PolicyConfig): void {
  checkStart(policy.start);
  checkLearning(policy);
  if (policy.model) {
    checkModel(policy);
    return;
  }
  if (policy.pairs) checkPairs(policy.pairs);
  else if (policy.words) checkWords(policy.words);
  else if (typeof policy.alphabet !== "string" || policy.alphabet === "" || policy.alphabet.length > 2_000) {
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
  checkSize(policy, "Choose a smaller width or fewer layers.");
}

function checkSize(policy: PolicyConfig, fix: string): void {
  const parameters = policyParameters(policy);
  if (parameters <= MAX_PARAMETERS) return;
  throw invalid(
    `The policy would have ${parameters.toLocaleString("en")} parameters; ${MAX_PARAMETERS.toLocaleString("en")} is the most.`,
    fix,
  );
}

function checkStart(start: unknown): void {
  const { runId, resources } = (start ?? {}) as { readonly runId?: unknown; readonly resources?: unknown };
  const known = start === undefined || typeof start === "string" || start instanceof Uint8Array;
  if (known || typeof runId === "string" || typeof resources === "string") return;
  throw invalid(
    "The policy's `start` is no weights.",
    "Pass the bytes of a safetensors file, what `await train(...)` gave, or the name of weights that ship.",
  );
}

function checkModel(policy: PolicyConfig): void {
  const shape = policyShape(policy);
  checkShape(shape);
  const tokens = plainTokenizer(policy)?.vocabularySize ?? 0;
  if (tokens > shape.vocabularySize) {
    throw invalid(
      `The model has ${shape.vocabularySize} tokens, and bytes need ${tokens}.`,
      "Pass the model's own tokenizer.",
    );
  }
  checkSize(policy, "Choose a smaller model.");
}

function checkPairs({ merges }: BytePairs): void {
  if (!Array.isArray(merges) || merges.length > MAX_PAIRS) {
    throw invalid(
      `The policy's byte pairs are no list of at most ${MAX_PAIRS.toLocaleString("en")}.`,
      "Pass what `trainBytePairs(texts, 256)` gave.",
    );
  }
  bytePairTokenizer({ merges });
}

function checkWords({ words, answers }: WordVocabulary): void {
  if (!Array.isArray(words) || words.length === 0 || words.length > MAX_WORDS) {
    throw invalid(
      `The policy's words are no list of 1 to ${MAX_WORDS.toLocaleString("en")}.`,
      'Pass some: wordPolicy({ answers: ["yes", "no"], words: ["is", "it"] }).',
    );
  }
  if (!Number.isInteger(answers) || answers < 1 || answers > words.length) {
    throw invalid("The policy has no words to answer with.", "Pass answers: a list of words.");
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
  // A tokenizer that takes loading knows every text.
  const tokenizer = plainTokenizer(policy);
  demonstrations.forEach(({ prompt, answer }: { prompt?: unknown; answer?: unknown }, i) => {
    if (typeof prompt !== "string" || typeof answer !== "string") {
      throw invalid(`Demonstration ${i} is not { prompt, answer } of texts.`, "Write both as texts.");
    }
    if (!tokenizer) return;
    let tokens: number;
    try {
      tokens = tokenizer.encode(prompt).length + tokenizer.encode(answer).length;
      checkAnswer(answer, policy);
    } catch (error) {
      const { message, fix } = asFulguriteError(error);
      throw invalid(`Demonstration ${i}: ${message}`, fix);
    }
    // Beginning, separator and end come on top.
    if (tokens + 3 > policy.maxLength) {
      throw invalid(
        `Demonstration ${i} is longer than the policy's ${policy.maxLength} tokens.`,
        "Raise maxLength, or shorten it.",
      );
    }
  });
}

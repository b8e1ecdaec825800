import type { FunctionText } from "../compile/index.ts";
import { MAX_PAIRS } from "../lm/byte-pair-tokenizer.ts";
import type { TokenLossConfig } from "../lm/language-engine.ts";
import type { AdaptiveKl } from "../rl/adaptive-kl.ts";
import type { AlgorithmConfig, CostLimit, EpisodeGroups, UpdateSchedule } from "../rl/config.ts";
import type { FilteredCloningConfig, GrpoConfig, LanguageAlgorithm, RolloutPlan } from "../rl/grpo.ts";
import type { GroupAdvantage } from "../rl/group-advantages.ts";
import type { DpoConfig } from "../rl/dpo.ts";
import type { PreferenceLoss } from "../rl/preference-losses.ts";
import type { RolloutCorrection } from "../rl/rollout-correction.ts";
import type { SftConfig, SupervisedPlan } from "../rl/sft.ts";
import type { CodeSource } from "../runner/agent-source.ts";
import type { CompletionRequest } from "../train/complete.ts";
import type {
  AgenticJob,
  Job,
  ModelFiles,
  PolicyAdapters,
  PolicyConfig,
  RewardSource,
  SimulatedJob,
  SupervisedJob,
  WarmStart,
} from "../train/job.ts";
import type { PreferenceExample, SupervisedMessage } from "../train/examples.ts";
import { projections } from "../kernels/transformer-places.ts";
import { copyPlainData } from "./plain-data.ts";
import { FulguriteError } from "../gpu/error.ts";
import * as read from "./validate.ts";

const MAX_NUMBER = 2 ** 53 - 1;
const MAX_LIBRARY = 8_000_000;
const MAX_CODE = 1_000_000;
const MAX_VALUE_BYTES = 16_000_000;
const MAX_TASK_BYTES = 64_000_000;
const MAX_TASKS = 200_000;
const MAX_DEMONSTRATIONS = 100_000;
const MAX_EXAMPLE = 1_000_000;
const MAX_MODEL_BYTES = 32_000_000;
const MAX_WEIGHT_BYTES = 256_000_000;

const counter = read.whole(MAX_NUMBER);
const engine = read.oneOf("auto", "webgpu", "cpu");

const two =
  (item: read.Reader<number>): read.Reader<readonly [number, number]> =>
  (value) => {
    const [first, second] = read.list(item, 2)(value);
    if (first === undefined || second === undefined) throw new read.Invalid("two numbers");
    return [first, second];
  };

const constant: read.Reader<number | readonly number[]> = (value) =>
  Array.isArray(value) ? read.list(read.finite, 4_096)(value) : read.finite(value);
const functionText = read.object<FunctionText>({ source: read.text(32_768), line: read.whole(1_000_000) });

/** The text of a step reward or a loss. */
export const rewardSource = read.object<RewardSource>({
  source: read.text(20_000),
  constants: read.dictionary(constant, 100),
  functions: (value) => (value === undefined ? {} : read.dictionary(functionText, 100)(value)),
  line: read.whole(1_000_000),
});

const schedule: read.Reader<UpdateSchedule> = (value) => {
  const ends = read.object<UpdateSchedule>({ start: read.finite, end: read.finite })(value);
  const { shape, warmup } = value as { readonly shape?: unknown; readonly warmup?: unknown };
  return {
    ...ends,
    ...(shape === undefined ? {} : { shape: read.oneOf("linear", "cosine")(shape) }),
    ...(warmup === undefined ? {} : { warmup: counter(warmup) }),
  };
};

type KlStop = NonNullable<AlgorithmConfig["klStop"]>;
type Control = CostLimit["control"];

const control = read.union<"kind", Control>("kind", {
  ascent: read.object<Extract<Control, { kind: "ascent" }>>({
    kind: read.oneOf("ascent"),
    rate: read.finite,
  }),
  pid: read.object<Extract<Control, { kind: "pid" }>>({
    kind: read.oneOf("pid"),
    proportional: read.finite,
    integral: read.finite,
    derivative: read.finite,
  }),
});

// Shape only, here and below: the trainer validates the values, and it is the one that refuses.
const simulatedAlgorithm: read.Reader<AlgorithmConfig> = read.object<AlgorithmConfig>({
  kind: read.oneOf("ppo", "a2c", "reinforce", "ppo-lagrangian", "episode-grpo", "behaviour-cloning"),
  envs: counter,
  steps: counter,
  minibatchSize: counter,
  epochs: counter,
  totalSteps: counter,
  episodes: read.oneOf("continued", "whole"),
  learningRate: schedule,
  gamma: read.finite,
  lambda: read.finite,
  surrogate: read.oneOf("clip", "score"),
  clip: schedule,
  clipHigh: read.nullable(read.finite),
  dualClip: read.nullable(read.finite),
  klStop: read.nullable(read.object<KlStop>({ limit: read.finite, when: read.oneOf("epoch", "step") })),
  valueClip: read.nullable(read.finite),
  entropyCoefficient: read.finite,
  valueCoefficient: read.finite,
  maxGradientNorm: read.finite,
  normalizeAdvantages: read.boolean,
  normalizeObservations: read.boolean,
  normalizeRewards: read.boolean,
  optimizer: read.oneOf("adamw", "rmsprop", "rmsprop-tensorflow"),
  adamEpsilon: read.finite,
  rmspropDecay: read.finite,
  weightDecay: read.finite,
  truncationBootstrap: read.boolean,
  groups: read.nullable(
    read.object<EpisodeGroups>({
      size: counter,
      advantage: read.oneOf("standardized", "mean", "leave-one-out"),
      aggregation: read.oneOf("episode-mean", "step-mean", "constant-length"),
    }),
  ),
  demonstrations: read.nullable(
    read.object<NonNullable<AlgorithmConfig["demonstrations"]>>({
      observations: read.list(read.finite, 4_000_000),
      actions: read.list(read.finite, 1_000_000),
    }),
  ),
  costLimit: read.nullable(read.object<CostLimit>({ limit: read.finite, initial: read.finite, control })),
  hidden: read.list(counter, 16),
  separateTowers: read.boolean,
});

/** Code with its captured values, and the modules that its cell imported. */
export const codeSource: read.Reader<CodeSource> = (value) => {
  const { code, entry, values } = read.object<Pick<CodeSource, "code" | "entry" | "values">>({
    code: read.text(MAX_CODE),
    entry: read.text(MAX_CODE),
    values: (given) => copyPlainData(given, MAX_VALUE_BYTES) as Record<string, unknown>,
  })(value);
  const { library, packages } = value as { readonly library?: unknown; readonly packages?: unknown };
  return {
    code,
    entry,
    // The names become parameters of a script in the worker.
    values: read.dictionary((item) => item, 1_000)(values),
    ...(library === undefined ? {} : { library: read.text(MAX_LIBRARY)(library) }),
    ...(packages === undefined ? {} : { packages: read.list(read.text(200), 50)(packages) }),
  };
};

const network = read.object<
  Pick<PolicyConfig, "alphabet" | "width" | "layers" | "heads" | "feedForward" | "maxLength">
>({
  alphabet: read.text(2_000),
  width: counter,
  layers: counter,
  heads: counter,
  feedForward: counter,
  maxLength: counter,
});
const vocabulary = read.object<NonNullable<PolicyConfig["words"]>>({
  words: read.list(read.text(200), 20_000),
  answers: counter,
});

const bytePairs = read.object<NonNullable<PolicyConfig["pairs"]>>({
  merges: read.list(two(counter), MAX_PAIRS),
});

const modelFiles: read.Reader<ModelFiles> = (value) =>
  copyPlainData(
    read.object<ModelFiles>({
      config: read.dictionary((item) => item, 1_000),
      tokenizer: read.nullable((files) => files as ModelFiles["tokenizer"]),
    })(value),
    MAX_MODEL_BYTES,
  ) as ModelFiles;

const weightFile: read.Reader<Uint8Array> = (value) => {
  if (!(value instanceof Uint8Array) || value.byteLength > MAX_WEIGHT_BYTES) throw new read.Invalid("start");
  return value.slice();
};

const withFile =
  <T extends object>(settings: read.Reader<T>): read.Reader<T & { readonly start?: Uint8Array }> =>
  (value) => {
    const { start } = (value ?? {}) as { readonly start?: unknown };
    return { ...settings(value), ...(start === undefined ? {} : { start: weightFile(start) }) };
  };
const adapters = withFile<Omit<PolicyAdapters, "start">>(
  read.object({
    ...{ rank: counter, alpha: read.finite },
    projections: read.list(read.oneOf(...projections), projections.length),
  }),
);
const softPrompt = withFile(read.object<{ readonly tokens: number }>({ tokens: counter }));

const startWeights: read.Reader<NonNullable<PolicyConfig["start"]>> = (value) => {
  if (typeof value === "string") return read.text(200)(value);
  if (value instanceof Uint8Array) return weightFile(value);
  return read.object<{ readonly runId: string }>({ runId: read.text(200) })(value);
};

export const policy: read.Reader<PolicyConfig> = (value) => {
  const config = network(value);
  const given = value as Partial<Record<keyof PolicyConfig, unknown>>;
  const { words, pairs, start, model, adapters: low, softPrompt: prompt, checkpointing } = given;
  return {
    ...config,
    ...(words === undefined ? {} : { words: vocabulary(words) }),
    ...(pairs === undefined ? {} : { pairs: bytePairs(pairs) }),
    ...(model === undefined ? {} : { model: modelFiles(model) }),
    ...(start === undefined ? {} : { start: startWeights(start) }),
    ...(low === undefined ? {} : { adapters: adapters(low) }),
    ...(prompt === undefined ? {} : { softPrompt: softPrompt(prompt) }),
    ...(checkpointing === undefined ? {} : { checkpointing: read.boolean(checkpointing) }),
  };
};

/** What a cell asks of a language policy. */
export const completionRequest = read.object<CompletionRequest>({
  from: read.union<"kind", CompletionRequest["from"]>("kind", {
    run: read.object({ kind: read.oneOf("run"), runId: read.text(200) }),
    policy: read.object({ kind: read.oneOf("policy"), policy }),
  }),
  prompts: read.list(read.text(100_000), 10_000),
  temperature: read.finite,
  maxTokens: counter,
  seed: read.whole(0xffffffff),
});

const warmStart = read.object<WarmStart>({
  demonstrations: read.list(
    read.object<WarmStart["demonstrations"][number]>({ prompt: read.text(2_000), answer: read.text(2_000) }),
    MAX_DEMONSTRATIONS,
  ),
  steps: counter,
  batchSize: counter,
  learningRate: read.finite,
});

const lossFields = read.object<Omit<TokenLossConfig, "gate" | "kl">>({
  kind: read.oneOf("policy", "likelihood", "cispo", "sapo"),
  clipLow: read.finite,
  clipHigh: read.finite,
  dualClip: read.nullable(read.finite),
  entropyCoefficient: read.finite,
  learningRate: read.finite,
  betas: two(read.finite),
  adamEpsilon: read.finite,
  weightDecay: read.finite,
  maxGradientNorm: read.finite,
});

const gate = read.object<NonNullable<TokenLossConfig["gate"]>>({
  positive: read.finite,
  negative: read.finite,
});
const kl = read.object<NonNullable<TokenLossConfig["kl"]>>({
  coefficient: read.finite,
  estimator: read.oneOf("k1", "k2", "k3", "k3+"),
});
const loss: read.Reader<TokenLossConfig> = (value) => ({
  ...lossFields(value),
  ...present(value, { gate, kl, labelSmoothing: read.finite }),
});

/** Those of the fields that are there, read. */
function present<T extends object>(
  value: unknown,
  readers: { readonly [K in keyof T]: read.Reader<T[K]> },
): Partial<T> {
  const given = value as Partial<Record<keyof T, unknown>>;
  const names = Object.keys(readers) as (keyof T)[];
  return Object.fromEntries(
    names.flatMap((name) => (given[name] == null ? [] : [[name, readers[name](given[name])]])),
  ) as Partial<T>;
}

const named = <Name extends GroupAdvantage["name"]>(name: Name) =>
  read.object<{ readonly name: Name }>({ name: read.oneOf(name) });

const advantage = read.union<"name", GroupAdvantage>("name", {
  mean: named("mean"),
  "leave-one-out": named("leave-one-out"),
  whitened: named("whitened"),
  "length-weighted": named("length-weighted"),
  "mean-normalized": named("mean-normalized"),
  "batch-standardized": read.object({ name: read.oneOf("batch-standardized"), epsilon: read.finite }),
  "separately-standardized": read.object({
    name: read.oneOf("separately-standardized"),
    epsilon: read.finite,
  }),
  standardized: (value) => ({
    ...read.object<{ readonly name: "standardized"; readonly epsilon: number }>({
      name: read.oneOf("standardized"),
      epsilon: read.finite,
    })(value),
    population: (value as { population?: unknown }).population === true,
  }),
});

/** Optimizer steps of an update; 1 where they are left out. */
const stepsOfUpdate = { epochs: counter, minibatches: counter };

type WholePlan = Omit<RolloutPlan, keyof typeof stepsOfUpdate>;
const plan: { readonly [K in keyof WholePlan]: read.Reader<WholePlan[K]> } = {
  groupSize: counter,
  groups: counter,
  updates: counter,
  temperature: read.finite,
  maxTokens: counter,
  promptLength: counter,
  responseLength: counter,
  evaluateEvery: counter,
  evaluationTasks: counter,
  successAt: read.finite,
  finalLearningRate: read.finite,
};

const aggregation = read.oneOf(
  "token-mean",
  "sequence-mean-token-mean",
  "sequence-mean-token-sum",
  "constant-length",
  "per-rollout-mean",
);

const range = { low: read.finite, high: read.finite };
const grpoExtras = {
  ...stepsOfUpdate,
  ratio: read.oneOf("token", "sequence"),
  generationBatches: counter,
  overlong: read.object<{ readonly buffer: number; readonly factor: number }>({
    buffer: counter,
    factor: read.finite,
  }),
  rewardKl: read.object<{ readonly coefficient: number }>({ coefficient: read.finite }),
  adaptiveKl: read.object<AdaptiveKl>({ target: read.finite, horizon: read.finite }),
  correction: read.union<"name", RolloutCorrection>("name", {
    token: read.object({ name: read.oneOf("token"), cap: read.finite }),
    sequence: read.object({ name: read.oneOf("sequence"), cap: read.finite }),
    "token-mask": read.object({ name: read.oneOf("token-mask"), ...range }),
    "sequence-mask": read.object({ name: read.oneOf("sequence-mask"), ...range }),
    "geometric-mean": read.object({ name: read.oneOf("geometric-mean"), ...range }),
    k3: read.object({ name: read.oneOf("k3"), limit: read.finite }),
  }),
  oldPolicy: read.oneOf("sampled", "scored"),
};

const cloningExtras = { ...stepsOfUpdate, sampledFrom: read.oneOf("current", "start") };

const languageAlgorithm = read.union<"kind", LanguageAlgorithm>("kind", {
  grpo: (value) => ({
    ...read.object<Omit<GrpoConfig, keyof typeof grpoExtras>>({
      ...{ kind: read.oneOf("grpo"), ...plan, advantage, aggregation, loss },
    })(value),
    ...present(value, grpoExtras),
  }),
  "filtered-cloning": (value) => ({
    ...read.object<Omit<FilteredCloningConfig, keyof typeof cloningExtras>>({
      ...{ kind: read.oneOf("filtered-cloning"), ...plan, aggregation, loss },
    })(value),
    ...present(value, cloningExtras),
  }),
});

const tasks: read.Reader<AgenticJob["tasks"]> = (value) => {
  const lists = read.object<AgenticJob["tasks"]>({
    train: read.list((task) => task, MAX_TASKS),
    heldOut: read.list((task) => task, MAX_TASKS),
  })(value);
  return copyPlainData(lists, MAX_TASK_BYTES) as AgenticJob["tasks"];
};

const supervisedPlan: { readonly [K in keyof SupervisedPlan]: read.Reader<SupervisedPlan[K]> } = {
  updates: counter,
  batchSize: counter,
  batchTokens: read.nullable(counter),
  evaluateEvery: counter,
  evaluationExamples: counter,
  warmup: counter,
  finalLearningRate: read.finite,
  schedule: read.oneOf("linear", "cosine"),
};

const supervisedAlgorithm = read.union<"kind", SupervisedJob["algorithm"]>("kind", {
  sft: read.object<SftConfig>({
    ...{ kind: read.oneOf("sft"), ...supervisedPlan, learn: read.oneOf("completion", "everything"), loss },
  }),
  dpo: read.object<DpoConfig>({
    ...{ kind: read.oneOf("dpo"), ...supervisedPlan, loss },
    preference: read.union<"name", PreferenceLoss>("name", {
      dpo: read.object({ name: read.oneOf("dpo"), beta: read.finite, labelSmoothing: read.finite }),
      ipo: read.object({ name: read.oneOf("ipo"), beta: read.finite }),
    }),
  }),
});

const message: read.Reader<SupervisedMessage> = (value) => {
  const fields = { role: read.text(100), content: read.text(MAX_EXAMPLE) };
  const { role, content } = read.object<Pick<SupervisedMessage, "role" | "content">>(fields)(value);
  return (value as { readonly weight?: unknown }).weight === 0
    ? { role, content, weight: 0 }
    : { role, content };
};
const conversation = read.object<{ readonly messages: readonly SupervisedMessage[] }>({
  messages: read.list(message, 1_000),
});
const texts = { prompt: read.text(MAX_EXAMPLE) };
const completion = read.object<{ readonly prompt: string; readonly completion: string }>({
  ...{ ...texts, completion: read.text(MAX_EXAMPLE) },
});
const preference = read.object<PreferenceExample>({
  ...{ ...texts, chosen: read.text(MAX_EXAMPLE), rejected: read.text(MAX_EXAMPLE) },
});
const example: read.Reader<SupervisedJob["examples"]["train"][number]> = (value) => {
  const given = (value ?? {}) as { readonly messages?: unknown; readonly chosen?: unknown };
  if (given.messages !== undefined) return conversation(value);
  return given.chosen === undefined ? completion(value) : preference(value);
};
const examples = read.object<SupervisedJob["examples"]>({
  train: read.list(example, MAX_TASKS),
  heldOut: read.list(example, MAX_TASKS),
});

/** A training that a kernel asks for. */
export const job = read.union<"kind", Job>("kind", {
  simulated: read.object<SimulatedJob>({
    kind: read.oneOf("simulated"),
    // A name, or the source of one of the person's own.
    environment: read.text(400_000),
    reward: read.nullable(rewardSource),
    cost: read.nullable(rewardSource),
    loss: read.nullable(rewardSource),
    algorithm: simulatedAlgorithm,
    sweep: read.nullable(read.text(200)),
    sweepRun: read.nullable(counter),
    seed: read.whole(0xffffffff),
    name: read.text(200),
    engine,
  }),
  agentic: read.object<AgenticJob>({
    kind: read.oneOf("agentic"),
    agent: codeSource,
    reward: codeSource,
    tasks,
    policy,
    algorithm: languageAlgorithm,
    warmStart: read.nullable(warmStart),
    timeout: read.finite,
    deterministic: read.boolean,
    seed: read.whole(0xffffffff),
    name: read.text(200),
    engine,
  }),
  supervised: read.object<SupervisedJob>({
    kind: read.oneOf("supervised"),
    examples,
    policy,
    algorithm: supervisedAlgorithm,
    warmStart: read.nullable(warmStart),
    seed: read.whole(0xffffffff),
    name: read.text(200),
    engine,
  }),
});

/** The job as the host will read it. Throws "notebook/job-refused" where the host would drop it without a word. */
export function travellingJob(made: Job): Job {
  try {
    return job(made);
  } catch (error) {
    throw new FulguriteError(
      "notebook/job-refused",
      `This training cannot be sent to the trainer: ${error instanceof Error ? error.message : "a part of it"} is not as expected.`,
      "Use smaller or plainer tasks and captured values, and names of letters, digits, _ and $.",
    );
  }
}

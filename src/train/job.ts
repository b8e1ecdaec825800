import type { Constants, FunctionTexts } from "../compile/program.ts";
import type { AlgorithmConfig } from "../rl/config.ts";
import type { DpoConfig } from "../rl/dpo.ts";
import type { LanguageAlgorithm } from "../rl/grpo.ts";
import type { SftConfig } from "../rl/sft.ts";
import type { Projection } from "../kernels/transformer-places.ts";
import type { BytePairs } from "../lm/byte-pair-tokenizer.ts";
import type { HuggingFaceTokenizerFiles } from "../lm/hugging-face-tokenizer.ts";
import type { WordVocabulary } from "../lm/word-tokenizer.ts";
import type { CodeSource } from "../runner/agent-source.ts";
import type { RunStatus } from "../store/records.ts";
import type { PreferenceExample, SupervisedExample } from "./examples.ts";

/** A reward as it travels: source text and the constants it captured. Never WGSL. */
export interface RewardSource {
  /** Text of the arrow function `(s, a, next) => ...`, TypeScript types already blanked. */
  readonly source: string;
  /** Numbers and lists of numbers the source captured from outside, by name. */
  readonly constants: Constants;
  /** Functions that it calls, and that they call, by name; absent in jobs from before there were any. */
  readonly functions?: FunctionTexts;
  /** Line of the cell on which `source` begins (1-based), to report errors where the person wrote them. */
  readonly line: number;
}

/** What `train({ env, reward, algorithm, seed })` sends to the trainer. JSON-cloneable. */
export interface SimulatedJob {
  readonly kind: "simulated";
  /** `Environment.reference`: a registered name, for example "CartPole-v1", or the source of one's own as JSON. */
  readonly environment: string;
  /** Null trains on the environment's own reward. */
  readonly reward: RewardSource | null;
  /** What the algorithm's cost limit bounds; null or absent: no cost. */
  readonly cost?: RewardSource | null;
  /** A row's loss (`defineLoss`) in place of the algorithm's own; null or absent: its own. */
  readonly loss?: RewardSource | null;
  readonly algorithm: AlgorithmConfig;
  /** Setting of the sweep that the run is part of; null or absent: of none. */
  readonly sweep?: string | null;
  /** How many runs of that sweep began before it. */
  readonly sweepRun?: number | null;
  /** Unsigned 32-bit; default 1. */
  readonly seed: number;
  /** Shown in lists; default the environment's name. */
  readonly name: string;
  /** "auto" takes WebGPU where there is a GPU, else, also on a software adapter, the CPU engine. */
  readonly engine: "auto" | "webgpu" | "cpu";
}

/** What says, beside its weights, what a Hugging Face model is. Plain data. */
export interface ModelFiles {
  /** `config.json`, parsed: a Llama, Qwen2 or Qwen3. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Null: one token a byte. */
  readonly tokenizer: HuggingFaceTokenizerFiles | null;
}

/**
 * Where a policy's first weights come from: a file that ships with Fulgurite, by name; a safetensors file; the last
 * checkpoint of a run; or, in a run's own job, the resources that keep what the other two held.
 */
export type PolicyStartWeights =
  string | Uint8Array | { readonly runId: string } | { readonly resources: string };

/** Low-rank changes that learn beside frozen weights; see `AdapterOptions`. */
export interface PolicyAdapters {
  readonly rank: number;
  readonly alpha: number;
  readonly projections: readonly Projection[];
  /** A file of adapters to begin with; in a run's own job it is part of `start`. */
  readonly start?: Uint8Array;
}

/** Embeddings that learn in front of every conversation; see `SoftPromptOptions`. */
export interface PolicySoftPrompt {
  readonly tokens: number;
  /** As of adapters. */
  readonly start?: Uint8Array;
}

/** The decoder transformer that a run trains, and what it reads and writes. */
export interface PolicyConfig {
  /** Every character that prompts and answers may have, once; empty where tokens are something else. */
  readonly alphabet: string;
  /** Tokens are words instead of characters. */
  readonly words?: WordVocabulary;
  /** Tokens are bytes and the pairs of them that were learned. */
  readonly pairs?: BytePairs;
  /** The model that it is, where it comes from a checkpoint; its tokens then are this one's, or bytes. */
  readonly model?: ModelFiles;
  /** Weights that it begins with; absent: random ones. */
  readonly start?: PolicyStartWeights;
  /** Width of the residual stream; default 64. */
  readonly width: number;
  /** Default 2. */
  readonly layers: number;
  /** Default 4. */
  readonly heads: number;
  /** Hidden width of SwiGLU; default 2 x width. */
  readonly feedForward: number;
  /** Most tokens of a conversation; default 64. */
  readonly maxLength: number;
  /** These learn, and the weights do not. */
  readonly adapters?: PolicyAdapters;
  /** Embeddings in front of every conversation learn, and the weights do not. */
  readonly softPrompt?: PolicySoftPrompt;
  /** Training keeps less and computes it again. */
  readonly checkpointing?: boolean;
}

/** A short supervised start on demonstrations, before the first rollout. */
export interface WarmStart {
  readonly demonstrations: readonly { readonly prompt: string; readonly answer: string }[];
  /** Optimizer steps. */
  readonly steps: number;
  /** Demonstrations a step. */
  readonly batchSize: number;
  readonly learningRate: number;
}

/** What `train({ agent, reward, tasks, policy, algorithm, seed })` sends to the trainer. Cloneable. */
export interface AgenticJob {
  readonly kind: "agentic";
  /** The agent's code with its closure; `(task, { llm, emit, signal }) => result`. */
  readonly agent: CodeSource;
  /** A function `(task, result, transcript) => number` or `{ name: { weight, score } }`, with its closure. */
  readonly reward: CodeSource;
  /** Held-out tasks are never trained on; evaluations use nothing else. */
  readonly tasks: { readonly train: readonly unknown[]; readonly heldOut: readonly unknown[] };
  readonly policy: PolicyConfig;
  readonly algorithm: LanguageAlgorithm;
  readonly warmStart: WarmStart | null;
  /** Milliseconds an attempt may take; default 10,000. */
  readonly timeout: number;
  /**
   * The run repeats bit for bit on the same engine and adapter: the agent's `Math.random` is seeded by rollout and
   * attempt, and an attempt that the clock ended (timeout, lost frame) ends the run instead of leaving a gap. Default
   * false.
   */
  readonly deterministic: boolean;
  /** Unsigned 32-bit; default 1. */
  readonly seed: number;
  readonly name: string;
  readonly engine: "auto" | "webgpu" | "cpu";
}

/** What `train({ examples, policy, algorithm, seed })` sends to the trainer. JSON-cloneable, but for weights. */
export interface SupervisedJob {
  readonly kind: "supervised";
  /** Texts to imitate for "sft", pairs of answers for "dpo"; held-out ones are never trained on. */
  readonly examples: {
    readonly train: readonly (SupervisedExample | PreferenceExample)[];
    readonly heldOut: readonly (SupervisedExample | PreferenceExample)[];
  };
  readonly policy: PolicyConfig;
  readonly algorithm: SftConfig | DpoConfig;
  /** Before the first update; the reference of "dpo" is what it ends with. */
  readonly warmStart: WarmStart | null;
  /** Unsigned 32-bit; default 1. */
  readonly seed: number;
  readonly name: string;
  readonly engine: "auto" | "webgpu" | "cpu";
}

/** Jobs that train a language policy. */
export type LanguageJob = AgenticJob | SupervisedJob;

export type Job = SimulatedJob | LanguageJob;

/** What `await train(...)` resolves to: cloneable, numbers under the names the page uses. */
export interface TrainResult {
  readonly runId: string;
  readonly status: "succeeded" | "cancelled";
  readonly engine: "webgpu" | "cpu";
  readonly adapter: string;
  readonly update: number;
  readonly step: number;
  /** Milliseconds of training, pauses left out. */
  readonly activeTime: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/** Where a run is; sent a few times a second. */
export interface RunProgress {
  readonly runId: string;
  readonly status: RunStatus;
  readonly reason: string | null;
  /** What it is doing now, for people. */
  readonly phase: "starting" | "compiling" | "training" | "evaluating" | "saving" | "paused" | "finished";
  readonly update: number;
  readonly updates: number;
  readonly step: number;
  readonly steps: number;
  readonly stepsPerSecond: number | null;
  /** Milliseconds left at the present rate; null until known. */
  readonly timeLeft: number | null;
  readonly engine: string | null;
  readonly adapter: string | null;
  /** What the run takes, on the GPU or the CPU engine's memory, known before anything is made; absent where there is no plan of them. */
  readonly memoryBytes?: number;
  readonly metrics: Readonly<Record<string, number>>;
}

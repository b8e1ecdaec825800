import type { LanguageEngine } from "../lm/language-engine.ts";
import type { Tokenizer } from "../lm/tokenizer.ts";
import type { ModelCall } from "./model-call.ts";
import type { SeedContext } from "./seeds.ts";

/** An HTTP request to the endpoint, wherever it came from. */
export interface GatewayRequest {
  readonly method: string;
  /** Path or address; only what follows the last "/v1/" decides. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

export interface GatewayResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** A stream of server-sent events where the request asked for one. */
  readonly body: string | AsyncIterable<string>;
}

/** Whose request it is. One object an attempt: calls are numbered by it. */
export interface GatewayContext {
  readonly rolloutId: string;
  readonly attemptId: string;
  readonly mode: "train" | "evaluation";
  /** What the run decides over the agent's head. */
  readonly sampling?: SamplingOverrides;
  /** Also told of every call, after `record`. */
  readonly onCall?: (call: ModelCall) => void;
}

export interface SamplingOverrides {
  readonly temperature?: number;
  /** Upper bound of what the agent may ask for, and the default. */
  readonly maxTokens?: number;
  /** Ids that may be sampled, null for all; default the tokenizer's `answerIds`. */
  readonly allowed?: Int32Array | null;
}

/** The tokenizer as the gateway uses it. */
export type GatewayTokenizer = Pick<
  Tokenizer,
  "encode" | "decode" | "bos" | "eos" | "answerIds" | "renderChat" | "softPrompt"
>;

export interface GatewayOptions {
  readonly engine: Pick<LanguageEngine, "generate" | "shape" | "optimizerStep">;
  readonly tokenizer: GatewayTokenizer;
  /** Name of the model in answers; default "policy". */
  readonly model?: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Unsigned 32-bit noise key of a completion; see `seedsOfRun`. */
  readonly seedFor: (context: SeedContext) => number;
  /** Told of every call once it has ended, however it ended. */
  readonly record: (call: ModelCall) => void;
  /** Runs a function in a later macrotask, so that requests arriving together are sampled together. */
  readonly defer: (flush: () => void) => void;
  /** Temperature where the agent sends none; default 1. */
  readonly temperature?: number;
}

/** An OpenAI-compatible endpoint over a policy. */
export interface Gateway {
  /**
   * Answers one request; never rejects. Aborting the signal ends sampling and records the call as cancelled.
   * Supported: chat completions and completions (JSON and server-sent events), the list of models.
   */
  handle(request: GatewayRequest, context: GatewayContext, signal: AbortSignal): Promise<GatewayResponse>;
  /** Lets new requests wait, for a change of weights; resolves when none is being sampled. */
  hold(): Promise<void>;
  /** Admits what waited. */
  release(): void;
}

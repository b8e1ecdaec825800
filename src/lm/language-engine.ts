import type { TransformerShape } from "../nn/transformer-layout.ts";
import type { TokenLossConfig } from "../rl/token-loss-config.ts";
import type { TokenFilters } from "./token-filter.ts";

export type { TokenLossConfig };

/** What a completion must look like, over the ids of one tokenizer; see `constraint.ts`. */
export interface TokenConstraint {
  start(): ConstraintState;
}

/** A completion's place in its constraint. */
export interface ConstraintState {
  /** Bits of the ids that may come next, bit id % 32 of word id / 32; end tokens where it may end. Never empty. */
  mask(): Uint32Array;
  /** Goes on by an id that the mask had. */
  take(id: number): void;
}

/** One completion to sample. Its tokens depend on nothing but this request and the weights. */
export interface GenerateRequest extends TokenFilters {
  /** Prompt ids, beginning-of-sequence included; at least one. */
  readonly prompt: Int32Array;
  /** Most tokens to emit, the stop token included. */
  readonly maxTokens: number;
  /** 0 is greedy (argmax, lowest id wins ties); default of the gateway is 1. */
  readonly temperature: number;
  /** Ids that end the completion; the id itself is emitted and counted. */
  readonly stopTokens: readonly number[];
  /** Ids that may be sampled, or null for all. The others get probability 0. */
  readonly allowed: Int32Array | null;
  /** Unsigned 32-bit key of this request's noise: Gumbel-max over Philox(seed, stream.token, position, id / 4). */
  readonly seed: number;
  /** Added to the logits of ids before the temperature; the plain log-probabilities are without it. */
  readonly logitBias?: ReadonlyMap<number, number>;
  /** Narrows `allowed` token by token; the plain log-probabilities are without it. Costs a readback a token on WebGPU. */
  readonly constraint?: TokenConstraint;
  /** Aborting ends it with what it has. */
  readonly signal?: AbortSignal;
  /** Called for every token as soon as it is known on this side, in order. */
  readonly onToken?: (id: number, logProbability: number) => void;
}

export interface Generation {
  /** Emitted ids, stop token included. */
  readonly tokens: Int32Array;
  /** log-probability of each emitted id under the distribution it was sampled from (bias, temperature, filters, constraint). */
  readonly samplerLogProbabilities: Float32Array;
  /** The same at temperature 1 over the allowed ids: what the trainer's ratio is taken against. */
  readonly logProbabilities: Float32Array;
  readonly finishReason: "stop" | "length" | "abort";
  /** Weights that sampled it: optimizer steps done. */
  readonly policyVersion: number;
}

/**
 * Training rows, padded right. Entry [row, t] of every per-token array belongs to `tokens[row, t]` as the
 * *predicted* token (t >= 1); entries with `weight` 0 (prompts, observations, padding) have no influence.
 */
export interface TokenRows {
  readonly rows: number;
  /** Padded length. */
  readonly length: number;
  readonly tokens: Int32Array;
  /** Used length of each row. */
  readonly lengths: Int32Array;
  /** Coefficient of each token's term in the summed loss: loss mask x aggregation (for token-mean: 1 / all tokens). */
  readonly weights: Float32Array;
  readonly advantages: Float32Array;
  /** log pi_old; NaN-free where weight > 0. Ignored by "likelihood". */
  readonly oldLogProbabilities: Float32Array;
  /** Importance weight for stale rows (truncated), 1 where on-policy. */
  readonly importance: Float32Array;
  /** log-probabilities under the policy that the KL term pulls towards; needed with `TokenLossConfig.kl` alone. */
  readonly referenceLogProbabilities?: Float32Array;
  /** Ids that were allowed when sampling, or null: the policy's distribution is over them. */
  readonly allowed: Int32Array | null;
}

export interface TokenStepMetrics {
  readonly loss: number;
  /** Weighted mean over tokens with weight > 0. */
  readonly entropy: number;
  readonly approximateKl: number;
  readonly clipFraction: number;
  readonly gradientNorm: number;
  readonly tokens: number;
}

/** Weights and optimizer, exactly. Moments are those of what learns: all parameters, or the adapter's. */
export interface LanguageState {
  readonly version: 1;
  readonly parameters: Float32Array;
  readonly firstMoment: Float32Array;
  readonly secondMoment: Float32Array;
  readonly optimizerStep: number;
}

export interface ScoreOptions {
  /** False: without the shape's adapter, which is the reference policy that it started from. Default true. */
  readonly adapter?: boolean;
}

/** A decoder transformer that samples and learns on one device. */
export interface LanguageEngine {
  readonly engine: "webgpu" | "cpu";
  readonly adapter: string;
  readonly shape: TransformerShape;
  readonly optimizerStep: number;
  /** Samples all requests, batched with whatever else is in flight (at most `maxBatch` at once, the rest queue). */
  generate(requests: readonly GenerateRequest[]): Promise<Generation[]>;
  /** log-probabilities (temperature 1, over `allowed`) and entropies of every token of the rows; entry [row, 0] is 0. */
  score(
    rows: TokenRows,
    options?: ScoreOptions,
  ): Promise<{ readonly logProbabilities: Float32Array; readonly entropies: Float32Array }>;
  /** One optimizer step over all rows (split into micro-batches as memory asks; same bits for any split is not promised). */
  step(rows: TokenRows, config: TokenLossConfig): Promise<TokenStepMetrics>;
  save(): Promise<LanguageState>;
  load(state: LanguageState): void;
  readonly lost: Promise<string>;
  dispose(): void;
}

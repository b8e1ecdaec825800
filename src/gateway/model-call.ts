/** Sampling parameters as they were used, after limits and overrides. */
export interface SamplingParameters {
  readonly temperature: number;
  /** Most tokens of a completion, the stop token included. */
  readonly maxTokens: number;
  /** Stop sequences besides the end of sequence. */
  readonly stop: readonly string[];
  /** Noise key of this completion, unsigned 32-bit. */
  readonly seed: number;
  /** Ids that could be sampled, or null for all. */
  readonly allowed: Int32Array | null;
  /** What was cut off the distribution; absent in calls from before there were filters. */
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
}

/** One completion of one request to the policy, as the store keeps it. A request with n choices makes n of them. */
export interface ModelCall {
  readonly rolloutId: string;
  readonly attemptId: string;
  /** Number of the request within its attempt, from 0; rejected requests count too. */
  readonly callIndex: number;
  /** Number of the choice within the request, from 0. */
  readonly choice: number;
  readonly mode: "train" | "evaluation";
  /** "chat.completions" or "completions". */
  readonly route: string;
  /** Parsed JSON body as the agent sent it; null where it was no JSON. */
  readonly request: unknown;
  /** Text the agent got: without stop sequence and end of sequence. */
  readonly responseText: string;
  /** Ids the policy saw; empty where the request was rejected before that. */
  readonly promptTokens: Int32Array;
  /** Ids the policy emitted, stop token included. */
  readonly responseTokens: Int32Array;
  /** log-probability of each response id under the distribution that it was sampled from. */
  readonly samplerLogProbabilities: Float32Array;
  /** The same at temperature 1: what a trainer's ratio is taken against. */
  readonly logProbabilities: Float32Array;
  readonly finishReason: "stop" | "length" | null;
  /** Model asked for and model that answered. */
  readonly requestedModel: string | null;
  readonly model: string;
  /** Optimizer steps behind the weights that answered; null where nothing was sampled. */
  readonly policyVersion: number | null;
  /** Null where the request was rejected before sampling. */
  readonly sampling: SamplingParameters | null;
  /** Milliseconds on the injected clock. */
  readonly startTime: number;
  readonly endTime: number;
  readonly usage: { readonly promptTokens: number; readonly completionTokens: number };
  /** "rejected": the request was at fault (4xx). "failed": the policy was (5xx). "cancelled": the agent went away. */
  readonly status: "succeeded" | "rejected" | "failed" | "cancelled";
  readonly httpStatus: number;
  /** Why it did not succeed; null where it did. */
  readonly error: string | null;
}

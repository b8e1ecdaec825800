import { spanNames } from "../store/span.ts";

/**
 * Names of spans and of their attributes, all in this file. A training span's attributes are the metrics under
 * their own names (`policyLoss`, `environmentReturn`, ...), so that a curve's column is an attribute's column.
 */
export const names = spanNames;

/** Attributes of an update span: the fields of `UpdateMetrics`. */
export const updateAttributes = [
  "update",
  "step",
  "policyLoss",
  "valueLoss",
  "entropy",
  "approximateKl",
  "clipFraction",
  "explainedVariance",
  "gradientNorm",
  "learningRate",
  "episodes",
  "episodeReturn",
  "environmentReturn",
  "episodeLength",
  "rewardMean",
  "optimizerSteps",
  "episodeCost",
  "multiplier",
] as const;

/** Attributes of an evaluation span: the fields of `Evaluation`. */
export const evaluationAttributes = [
  "update",
  "step",
  "episodes",
  "mean",
  "low",
  "high",
  "lengthMean",
] as const;

/** Attributes of the span of one update of an agentic run: the fields of `AgenticUpdate`. */
export const agenticUpdateAttributes = [
  "update",
  "rollouts",
  "rewardMean",
  "rewardStandardDeviation",
  "successRate",
  "zeroVarianceGroups",
  "entropy",
  "approximateKl",
  "clipFraction",
  "gradientNorm",
  "loss",
  "tokens",
  "responseLength",
  "failed",
  "droppedRows",
  "truncatedRows",
  "learningRate",
  "generateTime",
  "scoreTime",
  "trainTime",
  "referenceKl",
  "klCoefficient",
  "importance",
  "effectiveSampleShare",
] as const;

/** Attributes of the span of an evaluation of an agentic run: the fields of `AgenticEvaluation`. */
export const agenticEvaluationAttributes = [
  "update",
  "rollouts",
  "episodes",
  "success",
  "successLow",
  "successHigh",
  "rewardMean",
] as const;

/** Attributes of the span of one update of a supervised run: the fields of `SupervisedUpdate`. */
export const supervisedUpdateAttributes = [
  "update",
  "examples",
  "loss",
  "accuracy",
  "entropy",
  "gradientNorm",
  "tokens",
  "learningRate",
  "epoch",
  "trainTime",
] as const;

/** Attributes of the span of an evaluation of a supervised run: the fields of `SupervisedEvaluation`. */
export const supervisedEvaluationAttributes = [
  "update",
  "examples",
  "heldOut",
  "loss",
  "low",
  "high",
  "accuracy",
  "tokens",
] as const;

/**
 * OpenTelemetry's names for generative models (github.com/open-telemetry/semantic-conventions-genai, in development;
 * as in @opentelemetry/semantic-conventions 1.45.0), those that we use.
 */
export const genAi = {
  operationName: "gen_ai.operation.name",
  providerName: "gen_ai.provider.name",
  requestModel: "gen_ai.request.model",
  requestTemperature: "gen_ai.request.temperature",
  requestMaxTokens: "gen_ai.request.max_tokens",
  requestSeed: "gen_ai.request.seed",
  requestStopSequences: "gen_ai.request.stop_sequences",
  requestStream: "gen_ai.request.stream",
  requestChoiceCount: "gen_ai.request.choice.count",
  responseModel: "gen_ai.response.model",
  responseFinishReasons: "gen_ai.response.finish_reasons",
  inputTokens: "gen_ai.usage.input_tokens",
  outputTokens: "gen_ai.usage.output_tokens",
  inputMessages: "gen_ai.input.messages",
  outputMessages: "gen_ai.output.messages",
  toolDefinitions: "gen_ai.tool.definitions",
  agentName: "gen_ai.agent.name",
  evaluationName: "gen_ai.evaluation.name",
  evaluationScore: "gen_ai.evaluation.score.value",
  errorType: "error.type",
  errorMessage: "error.message",
  httpStatus: "http.response.status_code",
} as const;

/**
 * Agent Lightning v0.3's names (agentlightning/semconv.py). Rollout, attempt, sequence and tokens are columns of the span;
 * their names here are for what leaves the store and comes in.
 */
export const agentLightning = {
  annotation: "agentlightning.annotation",
  message: "agentlightning.message",
  object: "agentlightning.object",
  exception: "agentlightning.exception",
  operation: "agentlightning.operation",
  /** Name of a node that stands for a span that is missing. */
  virtual: "agentlightning.virtual",
  /** Older name of a reward's span, and of an operation that gives one. */
  reward: "agentlightning.reward",
  rolloutId: "agentlightning.rollout_id",
  attemptId: "agentlightning.attempt_id",
  spanSequenceId: "agentlightning.span_sequence_id",
  promptTokenIds: "prompt_token_ids",
  responseTokenIds: "response_token_ids",
  logProbabilities: "logprobs.content",
  operationName: "agentlightning.operation.name",
  operationInput: "agentlightning.operation.input",
  operationOutput: "agentlightning.operation.output",
  tags: "agentlightning.tag",
  links: "agentlightning.link",
  messageBody: "agentlightning.message.body",
  objectType: "agentlightning.object.type",
  objectLiteral: "agentlightning.object.literal",
  objectJson: "agentlightning.object.json",
  tag: (index: number) => `agentlightning.tag.${index}`,
  rewardName: (index: number) => `agentlightning.reward.${index}.name`,
  rewardValue: (index: number) => `agentlightning.reward.${index}.value`,
  /** The name of the first reward: the one that is trained on. */
  primary: "primary",
} as const;

/** What neither of them has a name for. */
export const fulgurite = {
  provider: "fulgurite",
  update: "fulgurite.update",
  group: "fulgurite.group",
  sample: "fulgurite.sample",
  mode: "fulgurite.mode",
  attempt: "fulgurite.attempt",
  callIndex: "fulgurite.call.index",
  choice: "fulgurite.call.choice",
  policyVersion: "fulgurite.policy_version",
  /** JSON array of ids; absent where all could be sampled. */
  allowedTokens: "fulgurite.sampling.allowed_tokens",
  runId: "fulgurite.run_id",
  /** JSON of what a span says that OTLP cannot. */
  span: "fulgurite.span",
  /** JSON of a rollout, on the first of its spans in OTLP. */
  rollout: "fulgurite.rollout",
  samplerLogProbabilities: "fulgurite.sampler_log_probabilities",
  logProbabilities: "fulgurite.log_probabilities",
} as const;

import type { Span } from "../store/records.ts";
import { createSpan } from "./create-span.ts";
import { numbersOf, pick, sequenceOfEvaluation, sequenceOfUpdate } from "./metric-attributes.ts";
import { agenticEvaluationAttributes, agenticUpdateAttributes, names } from "./semantic-conventions.ts";

export { emissionSpans } from "./emission-spans.ts";
export { modelCallSpan, rewardSpan, rolloutSpan } from "./rollout-spans.ts";

/** One optimizer step over the rows of one batch of rollouts; NaN where nothing was measured. */
export interface AgenticUpdate {
  /** From 1. */
  readonly update: number;
  /** Training rollouts made so far. */
  readonly rollouts: number;
  /** Over the rollouts of this update that have a reward. */
  readonly rewardMean: number;
  readonly rewardStandardDeviation: number;
  /** Share of them that solved their task. */
  readonly successRate: number;
  /** Share of groups whose rewards are all equal: they teach nothing. */
  readonly zeroVarianceGroups: number;
  /** Nats a token. */
  readonly entropy: number;
  readonly approximateKl: number;
  readonly clipFraction: number;
  /** Before clipping. */
  readonly gradientNorm: number;
  readonly loss: number;
  /** Tokens trained on. */
  readonly tokens: number;
  /** Sampled tokens of a rollout, mean. */
  readonly responseLength: number;
  /** Rollouts without a reward: excluded, never trained as 0. */
  readonly failed: number;
  readonly droppedRows: number;
  readonly truncatedRows: number;
  readonly learningRate: number;
  /** Milliseconds of making rollouts, of scoring them and of the optimizer step. */
  readonly generateTime: number;
  readonly scoreTime: number;
  readonly trainTime: number;
  /** k3 estimate of KL(policy || reference) a token before the update; NaN without a KL term. */
  readonly referenceKl: number;
  /** Coefficient of the KL term that the update used; NaN without one. */
  readonly klCoefficient: number;
  /** Mean importance weight a token, and effective sample size as a share of the sequences; NaN without a correction. */
  readonly importance: number;
  readonly effectiveSampleShare: number;
}

/** Rollouts of held-out tasks after one update. */
export interface AgenticEvaluation {
  /** 0 before the first. */
  readonly update: number;
  /** Training rollouts made so far. */
  readonly rollouts: number;
  readonly episodes: number;
  /** Share that solved their task, with its 95 % interval (Wilson). */
  readonly success: number;
  readonly successLow: number;
  readonly successHigh: number;
  readonly rewardMean: number;
}

/** The span of one update of an agentic run. Times are milliseconds since the epoch. */
export const agenticUpdateSpan = (
  runId: string,
  metrics: AgenticUpdate,
  startTime: number,
  endTime: number,
): Span =>
  createSpan({
    runId,
    sequence: sequenceOfUpdate(metrics.update),
    name: names.agenticUpdate,
    startTime,
    endTime,
    attributes: pick(metrics, agenticUpdateAttributes),
  });

/** The span of the evaluation after an update. */
export const agenticEvaluationSpan = (
  runId: string,
  evaluation: AgenticEvaluation,
  startTime: number,
  endTime: number,
): Span =>
  createSpan({
    runId,
    sequence: sequenceOfEvaluation(evaluation.update),
    name: names.agenticEvaluation,
    startTime,
    endTime,
    attributes: pick(evaluation, agenticEvaluationAttributes),
  });

/** What the span of an agentic update measured; null for any other span. */
export const agenticUpdateFromSpan = (span: Span): AgenticUpdate | null =>
  span.name === names.agenticUpdate ? numbersOf(span, agenticUpdateAttributes) : null;

/** What the span of an agentic evaluation measured; null for any other span. */
export const agenticEvaluationFromSpan = (span: Span): AgenticEvaluation | null =>
  span.name === names.agenticEvaluation ? numbersOf(span, agenticEvaluationAttributes) : null;

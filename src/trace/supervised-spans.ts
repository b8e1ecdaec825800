import type { Span } from "../store/records.ts";
import { createSpan } from "./create-span.ts";
import { numbersOf, pick, sequenceOfEvaluation, sequenceOfUpdate } from "./metric-attributes.ts";
import { names, supervisedEvaluationAttributes, supervisedUpdateAttributes } from "./semantic-conventions.ts";

/** One optimizer step over examples; NaN where nothing was measured. */
export interface SupervisedUpdate {
  /** From 1. */
  readonly update: number;
  /** Examples seen so far, repetitions included. */
  readonly examples: number;
  /** Mean of the step, before it: nats a learned token, or of a pair. */
  readonly loss: number;
  /** Share of the pairs whose chosen answer is preferred; NaN without pairs. */
  readonly accuracy: number;
  /** Nats a learned token. */
  readonly entropy: number;
  /** Before clipping. */
  readonly gradientNorm: number;
  /** Tokens learned. */
  readonly tokens: number;
  readonly learningRate: number;
  /** Passes over the examples begun before it. */
  readonly epoch: number;
  /** Milliseconds. */
  readonly trainTime: number;
}

/** Loss of held-out examples after one update. */
export interface SupervisedEvaluation {
  /** 0 before the first. */
  readonly update: number;
  /** Examples seen so far. */
  readonly examples: number;
  /** Held-out examples. */
  readonly heldOut: number;
  readonly loss: number;
  /** 95 % interval of the loss. */
  readonly low: number;
  readonly high: number;
  readonly accuracy: number;
  readonly tokens: number;
}

/** The span of one update of a supervised run. Times are milliseconds since the epoch. */
export const supervisedUpdateSpan = (
  runId: string,
  metrics: SupervisedUpdate,
  startTime: number,
  endTime: number,
): Span =>
  createSpan({
    runId,
    sequence: sequenceOfUpdate(metrics.update),
    name: names.supervisedUpdate,
    startTime,
    endTime,
    attributes: pick(metrics, supervisedUpdateAttributes),
  });

/** The span of the evaluation after an update. */
export const supervisedEvaluationSpan = (
  runId: string,
  evaluation: SupervisedEvaluation,
  startTime: number,
  endTime: number,
): Span =>
  createSpan({
    runId,
    sequence: sequenceOfEvaluation(evaluation.update),
    name: names.supervisedEvaluation,
    startTime,
    endTime,
    attributes: pick(evaluation, supervisedEvaluationAttributes),
  });

/** What the span of a supervised update measured; null for any other span. */
export const supervisedUpdateFromSpan = (span: Span): SupervisedUpdate | null =>
  span.name === names.supervisedUpdate ? numbersOf(span, supervisedUpdateAttributes) : null;

/** What the span of a supervised evaluation measured; null for any other span. */
export const supervisedEvaluationFromSpan = (span: Span): SupervisedEvaluation | null =>
  span.name === names.supervisedEvaluation ? numbersOf(span, supervisedEvaluationAttributes) : null;

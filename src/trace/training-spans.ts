import type { UpdateMetrics } from "../rl/engine.ts";
import type { Span } from "../store/records.ts";
import { createSpan } from "./create-span.ts";
import { numbersOf, pick, sequenceOfEvaluation, sequenceOfUpdate } from "./metric-attributes.ts";
import { evaluationAttributes, names, updateAttributes } from "./semantic-conventions.ts";

/** Greedy episodes on held-out start states after one update; returns are the environment's own. */
export interface Evaluation {
  readonly update: number;
  /** Environment steps done. */
  readonly step: number;
  readonly episodes: number;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  /** Steps of an episode, mean. */
  readonly lengthMean: number;
  /** Parts of the environment's own reward by name: sum over an episode, mean. */
  readonly components?: Readonly<Record<string, number>>;
}

/** The span of one update. Times are milliseconds since the epoch. */
export const updateSpan = (runId: string, metrics: UpdateMetrics, startTime: number, endTime: number): Span =>
  createSpan({
    runId,
    sequence: sequenceOfUpdate(metrics.update),
    name: names.update,
    startTime,
    endTime,
    attributes: pick(metrics, updateAttributes),
  });

/** The span of the evaluation after an update. */
export const evaluationSpan = (
  runId: string,
  evaluation: Evaluation,
  startTime: number,
  endTime: number,
): Span =>
  createSpan({
    runId,
    sequence: sequenceOfEvaluation(evaluation.update),
    name: names.evaluation,
    startTime,
    endTime,
    attributes: { ...pick(evaluation, evaluationAttributes), ...rewardAttributes(evaluation.components) },
  });

/** What the span of an update measured; null for any other span. */
export const metricsFromSpan = (span: Span): UpdateMetrics | null =>
  span.name === names.update ? numbersOf(span, updateAttributes) : null;

/** What the span of an evaluation measured; null for any other span. */
export function evaluationFromSpan(span: Span): Evaluation | null {
  if (span.name !== names.evaluation) return null;
  const components = componentsOf(span);
  const figures = numbersOf(span, evaluationAttributes);
  return Object.keys(components).length === 0 ? figures : { ...figures, components };
}

const REWARD = "reward.";

const rewardAttributes = (components: Evaluation["components"] = {}): Record<string, number> =>
  Object.fromEntries(Object.entries(components).map(([name, value]) => [`${REWARD}${name}`, value]));

const componentsOf = ({ attributes }: Span): Record<string, number> =>
  Object.fromEntries(
    Object.entries(attributes).flatMap(([name, value]) =>
      name.startsWith(REWARD) && typeof value === "number" ? [[name.slice(REWARD.length), value]] : [],
    ),
  );

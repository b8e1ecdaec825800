import { expect, test } from "vitest";
import type { UpdateMetrics } from "../rl/engine.ts";
import { evaluationFromSpan, evaluationSpan, metricsFromSpan, updateSpan } from "./training-spans.ts";

const metrics: UpdateMetrics = {
  update: 7,
  step: 448,
  policyLoss: -0.01,
  valueLoss: 2,
  entropy: 0.6,
  approximateKl: 1e-3,
  clipFraction: 0.1,
  explainedVariance: Number.NaN,
  gradientNorm: 0.5,
  learningRate: 3e-4,
  episodes: 0,
  episodeReturn: Number.NaN,
  environmentReturn: Number.NaN,
  episodeLength: Number.NaN,
  rewardMean: 1,
  optimizerSteps: 80,
  episodeCost: 0.5,
  multiplier: 0.25,
};
const evaluation = { update: 7, step: 448, episodes: 10, mean: 20, low: 9, high: 31, lengthMean: 20 };

test("spans carry all that was measured, and only their own kind", () => {
  const update = updateSpan("r", metrics, 1, 2);
  const evaluated = evaluationSpan("r", evaluation, 2, 3);
  expect(metricsFromSpan(update)).toEqual(metrics);
  expect(evaluationFromSpan(evaluated)).toEqual(evaluation);
  expect(metricsFromSpan(evaluated)).toBeNull();
  expect(evaluationFromSpan(update)).toBeNull();
});

test("work done twice has the same ids, and an update comes before its evaluation", () => {
  const first = updateSpan("r", metrics, 1, 2);
  const evaluated = evaluationSpan("r", evaluation, 2, 3);
  const next = updateSpan("r", { ...metrics, update: 8 }, 3, 4);
  expect(updateSpan("r", metrics, 90, 91).spanId).toBe(first.spanId);
  expect(new Set([first, evaluated, next].map(({ spanId }) => spanId)).size).toBe(3);
  expect(first.sequence).toBeLessThan(evaluated.sequence);
  expect(evaluated.sequence).toBeLessThan(next.sequence);
});

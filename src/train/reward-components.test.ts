import { expect, test } from "vitest";
import { point } from "../../test/support/point.ts";
import { environmentByName } from "../env/registry.ts";
import { evaluateGreedy } from "../rl/evaluate.ts";
import { networkShape } from "../rl/network.ts";
import { ppo } from "../rl/ppo.ts";
import { cpuPolicy } from "../rl/cpu-policy.ts";
import { evaluationFromSpan, evaluationSpan } from "../trace/training-spans.ts";
import { simulatedCurve, type TimedUpdate } from "./curve-buffer.ts";

test("the parts of a reward add up to it, in evaluations", () => {
  const environment = environmentByName("MountainCarContinuous-v0");
  const algorithm = ppo({ preset: "cleanrl" });
  const { parameters } = cpuPolicy(networkShape(environment, algorithm), 1);
  // Biases make the policy push, so that effort is not zero.
  const state = { parameters: parameters.slice().fill(0.05) };
  const { components, environmentReturns } = evaluateGreedy({
    ...{ environment, algorithm, state, reward: null, seed: 1, episodes: 4 },
  });
  expect(Object.keys(components)).toEqual(["arrival", "effort"]);
  expect(components["effort"]).toBeLessThan(0);
  const mean = environmentReturns.reduce((sum, value) => sum + value, 0) / 4;
  expect(components["arrival"]! + components["effort"]!).toBeCloseTo(mean, 3);
});

test("each part is of its own episode, where several are played side by side", () => {
  const algorithm = ppo({ preset: "cleanrl" });
  const { parameters } = cpuPolicy(networkShape(point, algorithm), 1);
  const { components, environmentReturns } = evaluateGreedy({
    ...{ environment: point, algorithm, state: { parameters }, reward: null, seed: 1, episodes: 4 },
  });
  const mean = environmentReturns.reduce((sum, value) => sum + value, 0) / 4;
  expect(components["near"]! + components["effort"]!).toBeCloseTo(mean, 4);
});

test("they are kept in the evaluation's span, in a column of the curve, and in the final figures", () => {
  const evaluation = { update: 2, step: 20, mean: 1, low: 0, high: 2, components: { food: 3, death: -2 } };
  const span = evaluationSpan("run", { ...evaluation, episodes: 10, lengthMean: 5 }, 0, 1);
  expect(span.attributes).toMatchObject({ mean: 1, "reward.food": 3, "reward.death": -2 });
  expect(evaluationFromSpan(span)?.components).toEqual(evaluation.components);
  const curve = simulatedCurve("run");
  const update = (number: number): void => {
    curve.addUpdate({ update: number, step: 10 * number } as TimedUpdate);
  };
  update(1);
  update(2);
  curve.addEvaluation(evaluation);
  update(3);
  expect([...curve.since(0, 0).columns["reward.food"]!]).toEqual([NaN, NaN, 3]);
  expect([...curve.since(2, 1).columns["reward.death"]!]).toEqual([-2]);
  expect(curve.summary()).toMatchObject({ "evaluation.greedy.reward.food": 3 });
  curve.truncate(2);
  expect(curve.since(0, 0).columns["reward.food"]).toBeUndefined();
});

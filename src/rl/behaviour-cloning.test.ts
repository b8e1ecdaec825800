import { expect, test } from "vitest";
import { cartPoleDemonstrations } from "../../test/support/demonstrations.ts";
import { point } from "../../test/support/point.ts";
import { cartPole } from "../env/cartpole.ts";
import { behaviourCloning } from "./behaviour-cloning.ts";
import { createCpuEngine } from "./cpu-engine.ts";
import type { UpdateMetrics } from "./engine.ts";
import { evaluateGreedy, recordEpisode } from "./evaluate.ts";

test("a cloned expert balances the pole as the expert does", async () => {
  const demonstrations = cartPoleDemonstrations(2000);
  const algorithm = behaviourCloning({ demonstrations, learningRate: 3e-3, hidden: [32] });
  expect(algorithm).toMatchObject({ minibatchSize: 50, surrogate: "score" });
  const environment = cartPole();
  const request = { environment, reward: null, algorithm, seed: 1 };
  const engine = await createCpuEngine(request);
  const metrics: UpdateMetrics[] = [];
  engine.onMetrics = (m) => metrics.push(m);
  for (let update = 0; update < 20; update++) await engine.submit();
  // Mean negative log-likelihood: ln 2 of an untrained policy of two actions.
  expect(metrics[0]!.policyLoss).toBeLessThan(Math.LN2);
  expect(metrics.at(-1)!.policyLoss).toBeLessThan(0.2);
  expect(metrics.at(-1)!.valueLoss * algorithm.valueCoefficient).toBe(0);
  const { environmentReturns } = evaluateGreedy({ ...request, state: await engine.save(), episodes: 10 });
  expect(environmentReturns.reduce((a, b) => a + b, 0) / 10).toBeGreaterThan(400);
});

test("an expert's lists of numbers are cloned", async () => {
  const observations = Array.from({ length: 400 }, (_, i) => [Math.sin(1.7 * i), Math.cos(2.3 * i)]);
  const actions = observations.map(([x, y]) => [-0.5 * x!, 0.4 * y!]);
  const algorithm = behaviourCloning({
    demonstrations: { observations, actions },
    hidden: [16],
    minibatchSize: 40,
    learningRate: 0.01,
    epochs: 40,
  });
  const request = { environment: point, reward: null, algorithm, seed: 1 };
  const engine = await createCpuEngine(request);
  for (let update = 0; update < 40; update++) await engine.submit();
  const { states, actions: cloned } = recordEpisode({ ...request, state: await engine.save() });
  expect(cloned.length).toBe(states.length);
  const worst = cloned.map((a, i) => {
    const wanted = (i % 2 === 0 ? -0.5 : 0.4) * states[i]!;
    return Math.abs(a - wanted);
  });
  expect(Math.max(...worst.slice(0, 6))).toBeLessThan(0.1);
});

test("demonstrations of something else are refused", async () => {
  const clone = (observations: number[][], actions: number[]): Promise<unknown> =>
    createCpuEngine({
      environment: cartPole(),
      reward: null,
      algorithm: behaviourCloning({ demonstrations: { observations, actions } }),
      seed: 1,
    });
  await expect(clone([[1, 2]], [0])).rejects.toThrow(/has 2 numbers, CartPole-v1's have 4/);
  await expect(clone([[1, 2, 3, 4]], [2])).rejects.toThrow(/2 is no action of CartPole-v1/);
  expect(() => behaviourCloning({ demonstrations: { observations: [], actions: [] } })).toThrow(/one action/);
  expect(() =>
    behaviourCloning({ demonstrations: { observations: [[1], [1, 2]], actions: [0, 0] } }),
  ).toThrow(/different lengths/);
});

import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { expect, test } from "vitest";
import { cartPole } from "../src/env/cartpole.ts";
import { createCpuEngine } from "../src/rl/cpu-engine.ts";
import { evaluateGreedy } from "../src/rl/evaluate.ts";
import { ppo } from "../src/rl/ppo.ts";
import { learn } from "./support/learning.ts";

/** RL Baselines3 Zoo's CartPole settings on the CPU engine; published: 500 of 500 in evaluation after 100,000 steps. */
test("CartPole with the zoo preset reaches 475 by 80,000 steps in 4 of 5 seeds", async () => {
  const environment = cartPole();
  const algorithm = ppo({ preset: "sb3-zoo-cartpole" });
  const runs = [];
  for (const seed of [1, 2, 3, 4, 5]) {
    const engine = await createCpuEngine({ environment, reward: null, algorithm, seed });
    const curve = await learn(engine, { threshold: 475, maxSteps: algorithm.totalSteps, stopThere: false });
    const state = await engine.save();
    const evaluation = evaluateGreedy({
      environment,
      reward: null,
      algorithm,
      state,
      seed,
      episodes: 100,
    });
    const greedyMean = evaluation.environmentReturns.reduce((a, b) => a + b, 0) / 100;
    runs.push({ seed, ...curve, greedyMean });
    console.log(
      `seed ${seed}: 475 at ${String(curve.stepsToThreshold)} steps, last ${curve.last.toFixed(1)}, ` +
        `greedy ${greedyMean.toFixed(1)}, ${Math.round(curve.steps / (curve.milliseconds / 1000))} steps/s`,
    );
  }
  const row = (metric: string, unit: string, value: number | null, seed: number): object => ({
    bench: "cartpole-ppo",
    metric,
    unit,
    value,
    seed,
  });
  const result = {
    adapter: "WebAssembly SIMD",
    engine: "cpu",
    machine: `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores, Node ${process.version}`,
    date: new Date().toISOString().slice(0, 10),
    preset: "sb3-zoo-cartpole",
    rows: runs.flatMap((run) => [
      row("steps-to-475", "steps", run.stepsToThreshold, run.seed),
      row("last-100-return", "return", run.last, run.seed),
      row("greedy-return", "return", run.greedyMean, run.seed),
    ]),
    curves: runs.map(({ seed, points }) => ({ seed, points })),
  };
  const folder = new URL("../bench/results/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL("cartpole-zoo-cpu.json", folder), `${JSON.stringify(result, null, 2)}\n`);
  expect(
    runs.filter((run) => run.stepsToThreshold !== null && run.stepsToThreshold <= 80_000).length,
  ).toBeGreaterThanOrEqual(4);
  expect(runs.filter((run) => run.greedyMean >= 475).length).toBeGreaterThanOrEqual(4);
});

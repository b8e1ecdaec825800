import { expect, test } from "vitest";
import { cartPole } from "../src/env/cartpole.ts";
import { createCpuEngine } from "../src/rl/cpu-engine.ts";
import { evaluateGreedy } from "../src/rl/evaluate.ts";
import { ppo } from "../src/rl/ppo.ts";
import { learn } from "./support/learning.ts";

// The five seeds of the proof run in cartpole.proof.ts; one of them here.
test(
  "the CPU engine learns CartPole: 475 by 80,000 steps, then balances held-out starts",
  { timeout: 120_000 },
  async () => {
    const environment = cartPole();
    const algorithm = ppo({ preset: "sb3-zoo-cartpole" });
    const seed = 1;
    const engine = await createCpuEngine({ environment, reward: null, algorithm, seed });
    const curve = await learn(engine, { threshold: 475, maxSteps: 80_000, stopThere: true });
    expect(curve.stepsToThreshold).not.toBeNull();
    // A working implementation is at about 128 by here (five seeds); an untrained policy stays near 20.
    expect(curve.points[0]![1]).toBeGreaterThan(60);
    const state = await engine.save();
    const { environmentReturns } = evaluateGreedy({
      environment,
      reward: null,
      algorithm,
      state,
      seed,
      episodes: 20,
    });
    expect(environmentReturns.reduce((a, b) => a + b, 0) / 20).toBeGreaterThan(475);
  },
);

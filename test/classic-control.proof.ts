import { describe, expect, test } from "vitest";
import { environmentByName } from "../src/env/registry.ts";
import { ppo } from "../src/rl/ppo.ts";
import { proveLearning } from "./support/learning-proof.ts";

// CleanRL's ppo.py on classic control, 500,000 steps: 490.04 +- 6.12 on CartPole, -86.36 +- 1.32 on Acrobot and
// -200 on MountainCar are its published results. Data and pictures go to bench/results/learning/.
const cleanrl = ppo({ preset: "cleanrl" });

describe("CleanRL's settings", () => {
  test("CartPole: 475 over the last 100 episodes at the end, passed between 150,000 and 300,000 steps", async () => {
    const runs = await proveLearning({
      name: "cartpole-cleanrl",
      title: "CartPole, PPO with CleanRL's settings",
      environment: environmentByName("CartPole-v1"),
      algorithm: cleanrl,
      seeds: [1, 2, 3, 4, 5],
      threshold: 475,
    });
    const good = runs.filter(
      ({ last, stepsToThreshold: at }) => last >= 475 && at !== null && at >= 150_000 && at <= 300_000,
    );
    expect(good.length).toBeGreaterThanOrEqual(4);
  });

  test("Acrobot: at least -95 at the end", async () => {
    const runs = await proveLearning({
      name: "acrobot-cleanrl",
      title: "Acrobot, PPO with CleanRL's settings",
      environment: environmentByName("Acrobot-v1"),
      algorithm: cleanrl,
      seeds: [1, 2, 3],
      threshold: -100,
    });
    expect(Math.min(...runs.map((run) => run.last))).toBeGreaterThanOrEqual(-95);
  });

  test("MountainCar: -200, plain PPO never gets out of the valley", async () => {
    const runs = await proveLearning({
      name: "mountaincar-cleanrl",
      title: "MountainCar, PPO with CleanRL's settings: it stays in the valley",
      environment: environmentByName("MountainCar-v0"),
      algorithm: cleanrl,
      seeds: [1, 2],
      threshold: -110,
    });
    expect(runs.map((run) => run.best)).toEqual([-200, -200]);
    expect(runs.map((run) => run.last)).toEqual([-200, -200]);
  });

  test("FrozenLake: at least 0.70", async () => {
    const runs = await proveLearning({
      name: "frozenlake-cleanrl",
      title: "FrozenLake 4x4, PPO with CleanRL's settings",
      environment: environmentByName("FrozenLake-v1"),
      algorithm: cleanrl,
      seeds: [1, 2, 3],
      threshold: 0.7,
    });
    expect(runs.filter((run) => run.last >= 0.7).length).toBeGreaterThanOrEqual(2);
  });
});

describe("RL Baselines3 Zoo's settings, observations and rewards normalised", () => {
  test("MountainCar: best 100 episodes at least -125 within a million steps, in 2 of 3 seeds", async () => {
    const runs = await proveLearning({
      name: "mountaincar-zoo",
      title: "MountainCar, PPO with the zoo's settings",
      environment: environmentByName("MountainCar-v0"),
      algorithm: ppo({ preset: "sb3-zoo-mountaincar" }),
      seeds: [1, 2, 3],
      threshold: -115,
    });
    expect(runs.filter((run) => run.best >= -125).length).toBeGreaterThanOrEqual(2);
  });
});

import { describe, expect, test } from "vitest";
import { cartPole } from "../src/env/cartpole.ts";
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
      environment: cartPole(),
      algorithm: cleanrl,
      seeds: [1, 2, 3, 4, 5],
      threshold: 475,
    });
    const good = runs.filter(
      ({ last, stepsToThreshold: at }) => last >= 475 && at !== null && at >= 150_000 && at <= 300_000,
    );
    expect(good.length).toBeGreaterThanOrEqual(4);
  });
});

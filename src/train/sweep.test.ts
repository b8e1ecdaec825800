import { expect, test } from "vitest";
import { cartPole } from "../env/cartpole.ts";
import { ppo } from "../rl/ppo.ts";
import { sweep } from "./sweep.ts";

const settings = (learningRate: number) => ({
  env: cartPole(),
  engine: "cpu" as const,
  algorithm: ppo({ learningRate, totalSteps: 6000, hidden: [16] }),
});

test("a sweep compares settings over seeds", async () => {
  const seen: string[] = [];
  const result = await sweep(
    { learning: settings(1e-2), standing: settings(0) },
    { seeds: [1, 2, 3], onRun: (run) => seen.push(`${run.setting} ${run.seed}`) },
  );
  expect(seen).toEqual(["learning 1", "learning 2", "learning 3", "standing 1", "standing 2", "standing 3"]);
  const [learning, standing] = result.settings;
  expect(learning!.scores.length).toBe(3);
  expect(learning!.interquartileMean).toBeGreaterThan(2 * standing!.interquartileMean);
  // A policy that does not learn stays where it began, near 20.
  expect(standing!.interval[1]).toBeLessThan(40);
  expect(learning!.interval[0]).toBeLessThanOrEqual(learning!.interquartileMean);
  const { step, mean, low, high } = learning!.curve;
  expect(step.at(-1)).toBe(5888);
  expect(mean.at(-1)!).toBeGreaterThan(mean[10]!);
  expect(low.at(-1)!).toBeLessThanOrEqual(high.at(-1)!);
});

test("a sweep of nothing is an error", async () => {
  await expect(sweep({}, { seeds: [1] })).rejects.toMatchObject({ code: "train/invalid" });
  await expect(sweep({ standing: settings(0) })).rejects.toMatchObject({ code: "train/invalid" });
});

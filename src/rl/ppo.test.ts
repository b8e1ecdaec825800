import { expect, test } from "vitest";
import { FulguriteError } from "../gpu/error.ts";
import { ppo, ppoPresets, type PpoOptions } from "./ppo.ts";
import { scheduleValue, updateCount } from "./schedule.ts";

test("no options: the zoo's CartPole settings", () => {
  expect(ppo()).toEqual(ppoPresets["sb3-zoo-cartpole"]);
  expect(updateCount(ppo())).toBe(390);
  expect(scheduleValue(ppo().learningRate, 195, 390)).toBe(5e-4);
});

test("numbers are constant schedules; more environments keep the number of minibatches", () => {
  const config = ppo({ preset: "cleanrl", learningRate: 1e-3, envs: 16 });
  expect(config.learningRate).toEqual({ start: 1e-3, end: 1e-3 });
  expect(config.minibatchSize).toBe(512);
  expect(config.valueClip).toBe(0.2);
});

test.each<[string, object, RegExp]>([
  ["a minibatch that does not divide", { minibatchSize: 100 }, /does not divide envs x steps = 256/],
  ["an unknown option", { learnRate: 1 }, /no option "learnRate"/],
  ["an unknown preset", { preset: "zoo" }, /no PPO preset "zoo"/],
  ["not a number", { gamma: Number.NaN }, /gamma is NaN/],
  ["too few steps", { totalSteps: 10 }, /less than one update/],
  ["no layers", { hidden: [] }, /hidden is \[\]/],
  ["half an environment", { envs: 0.5 }, /envs is 0.5/],
  ["a schedule without an end", { clip: { start: 0.2 } }, /clip.end is undefined/],
])("%s is an error with a fix", (_, options, message) => {
  let error: unknown;
  try {
    ppo(options as PpoOptions);
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(FulguriteError);
  expect((error as FulguriteError).code).toBe("rl/invalid-config");
  expect((error as FulguriteError).message).toMatch(message);
  expect((error as FulguriteError).fix).not.toBe("");
});

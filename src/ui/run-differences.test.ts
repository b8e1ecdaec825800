import { expect, test } from "vitest";
import type { Run } from "../store/records.ts";
import { runLabels } from "./run-differences.ts";

const run = (job: unknown): Run => ({ job }) as Run;
const near = "(s, a, next) => 1 - 0.1 * Math.abs(next.x) - next.theta";
const reward = (source: string, line = 1): unknown => ({ source, constants: {}, line });

test("runs are told apart by what differs", () => {
  const runs = [
    run({ seed: 2, reward: reward(near), algorithm: { gamma: 0.99 } }),
    run({ seed: 1, reward: reward(near), algorithm: { gamma: 0.99 } }),
    run({ seed: 1, reward: reward("(s, a) => 1"), algorithm: { gamma: 0.99 } }),
  ];
  expect(runLabels(runs).map(({ full }) => full)).toEqual([
    "seed 2, reward 1 - 0.1 * Math.abs(next.…",
    "seed 1, reward 1 - 0.1 * Math.abs(next.…",
    "seed 1, reward 1",
  ]);
});

test("rewards that begin alike are numbered from the oldest", () => {
  const alike = [run({ reward: reward(`${near} - 1`) }), run({ reward: reward(near) })];
  expect(runLabels(alike).map(({ full }) => full)).toEqual(["reward 2", "reward 1"]);
});

test("a learning rate is one setting, whether it changes over the run or not", () => {
  const rates = [
    run({ algorithm: { learningRate: { start: 3e-3, end: 0 } } }),
    run({ algorithm: { learningRate: { start: 1e-3, end: 1e-3 } } }),
  ];
  expect(runLabels(rates).map(({ full }) => full)).toEqual(["learningRate 0.003 to 0", "learningRate 0.001"]);
});

test("runs that are the same are numbered; a moved line is no difference", () => {
  const same = [run({ reward: reward("a", 9) }), run({ reward: reward("a", 3) })];
  expect(runLabels(same).map(({ full }) => full)).toEqual(["run 2", "run 1"]);
});

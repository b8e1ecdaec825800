import { expect, test } from "vitest";
import type { Run } from "../store/records.ts";
import { runLabels } from "./run-differences.ts";

const run = (job: unknown): Run => ({ job }) as Run;
const reward = (source: string, line = 1): unknown => ({ source, constants: {}, line });

test("runs are told apart by what differs", () => {
  const runs = [
    run({ seed: 2, reward: reward("b"), algorithm: { gamma: 0.99 } }),
    run({ seed: 1, reward: reward("b"), algorithm: { gamma: 0.99 } }),
    run({ seed: 1, reward: reward("a"), algorithm: { gamma: 0.99 } }),
  ];
  expect(runLabels(runs).map(({ full }) => full)).toEqual([
    "seed 2, reward 2",
    "seed 1, reward 2",
    "seed 1, reward 1",
  ]);
});

test("runs that are the same are numbered; a moved line is no difference", () => {
  const same = [run({ reward: reward("a", 9) }), run({ reward: reward("a", 3) })];
  expect(runLabels(same).map(({ full }) => full)).toEqual(["run 2", "run 1"]);
});

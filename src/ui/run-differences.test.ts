import { expect, test } from "vitest";
import type { Run } from "../store/records.ts";
import { runLabels, settings } from "./run-differences.ts";

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

test("an environment of one's own is its name, and a number where only its text differs", () => {
  const own = (step: string, line: number, name = "Rover"): string =>
    JSON.stringify({ name, steps: 100, step: { source: step, line } });
  const [first, moved, other] = [own("a", 3), own("a", 9), own("b", 3)];
  expect(settings({ environment: first }).get("environment")).toBe("Rover");
  expect(settings({ environment: "{" }).get("environment")).toBe("{");
  const full = (...environments: string[]): string[] =>
    runLabels(environments.map((environment) => run({ environment }))).map((label) => label.full);
  expect(full(moved, first)).toEqual(["run 2", "run 1"]);
  expect(full(other, first)).toEqual(["environment 2", "environment 1"]);
  expect(full(own("b", 3, "Boat"), first)).toEqual(["environment Boat", "environment Rover"]);
  const host = (id: string): string => JSON.stringify({ host: { id, name: "Maze", steps: 100 } });
  expect(full(host("host-2"), host("host-1"))).toEqual(["run 2", "run 1"]);
});

test("a loss is its text, beside the runs that have none", () => {
  const loss = { source: "(row) => row.value ** 2", constants: { weight: 2 }, functions: {}, line: 3 };
  expect([...settings({ loss })]).toEqual([
    ["loss", loss.source],
    ["loss.constants.weight", "2"],
  ]);
  expect([...settings({ loss: null })]).toEqual([["loss", "none"]]);
});

test("runs that are the same are numbered; a moved line is no difference", () => {
  const same = [run({ reward: reward("a", 9) }), run({ reward: reward("a", 3) })];
  expect(runLabels(same).map(({ full }) => full)).toEqual(["run 2", "run 1"]);
});

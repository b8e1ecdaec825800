import { expect, test } from "vitest";
import { recordedBaselines, recordedRuns, shownBaselines } from "./recorded.ts";

const run = {
  notebook: "strings",
  cell: "training",
  recordedAt: "2026-11-21T00:00:00Z",
  commit: "abc",
  engine: "cpu",
  adapter: "x",
  seed: 1,
  curves: {
    step: [1, 2],
    columns: { entropy: [null, 0.5] },
    evaluations: { step: [0], mean: [1], low: [1], high: [1] },
  },
  metrics: { "update.entropy": 0.5 },
};

test("a results file holds one recorded run or several, and null is what was not measured", () => {
  const [first] = recordedRuns(JSON.parse(JSON.stringify(run)));
  expect(first?.curve.columns["entropy"]).toEqual(Float64Array.of(NaN, 0.5));
  expect(first?.rollouts).toEqual([]);
  expect(recordedRuns([run, { notebook: "strings" }, null, run])).toHaveLength(2);
});

test("a live run is shown the recorded cloning that is like it, until some of the same kind is trained here", () => {
  const metrics = {
    "evaluation.greedy.mean": 0.5,
    "evaluation.greedy.low": 0.4,
    "evaluation.greedy.high": 0.6,
  };
  const once = { ...run, cell: "once", metrics, likeness: "a", sampledFrom: "start" };
  const repeated = { ...once, cell: "repeated", sampledFrom: "current" };
  const recorded = recordedRuns([
    { ...once, cell: "of other tasks", likeness: "b" },
    { ...run, metrics, likeness: "a" },
    repeated,
    once,
  ]);
  const found = recordedBaselines("a", recorded);
  expect(found).toMatchObject([
    { cell: "once", mean: 0.5, low: 0.4, high: 0.6, rollouts: 2, seed: 1 },
    { cell: "repeated" },
  ]);
  expect(recordedBaselines(null, recorded)).toEqual([]);
  expect(recordedBaselines("c", recorded)).toEqual([]);
  const here = { mean: 0.7, low: 0.6, high: 0.8, sampledFrom: "current", seed: 2, rollouts: 9 } as const;
  expect(shownBaselines([here], found)).toEqual([found[0], here]);
});

import { expect, test } from "vitest";
import { recordedRuns } from "./recorded.ts";

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

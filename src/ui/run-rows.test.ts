import { expect, it } from "vitest";
import type { Run } from "../store/records.ts";
import { arrange, runRows, runTable } from "./run-rows.ts";
import { tableToCsv } from "./table-export.ts";

const run = (id: string, learningRate: number, score: number | null): Run => ({
  id,
  kind: "simulated",
  name: "cart",
  notebook: "n",
  cell: "train",
  job: { algorithm: { learningRate, gamma: 0.99 }, seed: 1 },
  seed: 1,
  engine: "cpu",
  adapter: "SIMD",
  status: "succeeded",
  reason: null,
  update: 1,
  updates: 1,
  step: 256,
  steps: 256,
  createdAt: Number(id.slice(1)),
  updatedAt: 0,
  activeTime: 2_000,
  metrics: score === null ? {} : { "evaluation.greedy.mean": score },
});

const runs = [run("r3", 0.1, null), run("r2", 0.01, 9), run("r1", 0.001, 30)];

it("names only the settings that differ, and what sets each run apart", () => {
  const { rows, differing } = runRows(runs);
  expect(differing).toEqual(["algorithm.learningRate"]);
  expect(rows.map(({ label }) => label)).toEqual([
    "learningRate 0.1",
    "learningRate 0.01",
    "learningRate 0.001",
  ]);
});

it("sorts by score with the unmeasured last either way, and filters by any word", () => {
  const { rows } = runRows(runs);
  const ids = (order: typeof rows): string[] => order.map(({ run: one }) => one.id);
  expect(ids(arrange(rows, "", "score", true))).toEqual(["r1", "r2", "r3"]);
  expect(ids(arrange(rows, "", "score", false))).toEqual(["r2", "r1", "r3"]);
  expect(ids(arrange(rows, "0.01", "created", false))).toEqual(["r2"]);
});

it("exports every digit", () => {
  const [head, first] = tableToCsv(runTable(runRows(runs.slice(1))), null).split("\r\n");
  expect(head).toContain("algorithm.learningRate");
  expect(first).toMatch(/^r2,learningRate 0\.01,train,succeeded,9,256,1,1,cpu,SIMD,/);
});

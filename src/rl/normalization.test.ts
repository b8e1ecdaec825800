import { expect, test } from "vitest";
import { expectClose, golden } from "../../test/support/goldens.ts";
import { RunningStatistics } from "../kernels/reference/statistics.ts";
import { cutReward, meanAndVariance, normalizeObservation, RunningNormalization } from "./normalization.ts";

const g = golden("running_mean_std");
const columns = (name: string): number[][] =>
  [0, 1, 2].map((c) => g.input(name).filter((_, i) => i % 3 === c));

test("running_mean_std: the reference", () => {
  const statistics = [0, 1, 2].map(() => new RunningStatistics());
  for (const [batch, after] of [
    ["batch1", "after1"],
    ["batch2", "after2"],
  ] as const) {
    statistics.forEach((s, c) => {
      s.merge(columns(batch)[c]!);
    });
    expectClose(
      statistics.map((s) => s.mean),
      g.output(`${after}/mean`),
    );
    expectClose(
      statistics.map((s) => s.variance),
      g.output(`${after}/var`),
    );
    expectClose(statistics[0]!.count, g.scalar(`${after}/count`));
  }
  const normalised = columns("batch2").map((column, c) => column.map((x) => statistics[c]!.normalize(x)));
  expectClose(
    [0, 1, 2, 3, 4, 5, 6].flatMap((r) => normalised.map((column) => column[r]!)),
    g.output("normalised_batch2"),
  );
});

test("running_mean_std: the engines' state", () => {
  const running = new RunningNormalization(3, 2);
  for (const batch of ["batch1", "batch2"]) {
    columns(batch).forEach((column, c) => {
      const [mean, variance] = meanAndVariance(column.length, (i) => column[i]!);
      running.merge(c, mean, variance, column.length);
    });
  }
  expectClose(running.state.subarray(4, 7), g.output("after2/mean"), g.f32);
  expectClose(running.state.subarray(8, 11), g.output("after2/var"), g.f32);
  const row = Float32Array.from(g.input("batch2").slice(0, 3));
  running.observe(row);
  expectClose(row, g.output("normalised_batch2").slice(0, 3), { absolute: 1e-5, relative: 1e-4 });
  expect(running.discountedReturns.length).toBe(2);
});

test("what is further than ten deviations from the mean is cut off there", () => {
  const { state } = new RunningNormalization(3, 1);
  const observation = Float32Array.of(10.5, -1e6, 9.5);
  normalizeObservation(state, observation);
  expect([...observation]).toEqual([10, -10, 9.5]);
  expect([10.5, -10.5, 9.5].map(cutReward)).toEqual([10, -10, 9.5]);
});

import { expect, test } from "vitest";
import { counted, formatBytes, formatCount, formatDuration, formatFigure } from "./format.ts";

test("figures keep about three digits and name what is missing", () => {
  const values = [NaN, undefined, 0, 486.6, 12.345, 1.5, -0.02401, 1.2e-7, 80000];
  expect(values.map(formatFigure)).toEqual([
    "–",
    "–",
    "0",
    "487",
    "12.3",
    "1.5",
    "-0.024",
    "1.2e-7",
    "80,000",
  ]);
});

test("counts have a comma every three figures", () => {
  const counts = [0, 999, 1000, 123_456, 1_234_567, -80_000, 1234.5];
  expect(counts.map(formatCount)).toEqual(["0", "999", "1,000", "123,456", "1,234,567", "-80,000", "1,235"]);
});

test("one is one, and everything else is many", () => {
  expect([counted(1, "rollout"), counted(2000, "rollout"), counted(0, "match", "matches")]).toEqual([
    "1 rollout",
    "2,000 rollouts",
    "0 matches",
  ]);
});

test("durations and bytes read like words", () => {
  expect([300, 8_000, 120_000, 125_000, 4_320_000].map(formatDuration)).toEqual([
    "under a second",
    "8 s",
    "2 min",
    "2 min 5 s",
    "1 h 12 min",
  ]);
  expect([0, 999, 3_100_000].map(formatBytes)).toEqual(["0 B", "999 B", "3.1 MB"]);
});

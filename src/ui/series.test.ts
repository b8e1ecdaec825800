import { expect, test } from "vitest";
import { decimate, measured, smooth } from "./series.ts";

const ramp = (count: number): Float64Array => Float64Array.from({ length: count }, (_, i) => i);

test("smoothing a constant changes nothing, from the first point on", () => {
  const smoothed = smooth({ x: ramp(5), y: new Float64Array(5).fill(20) });
  for (const value of smoothed.y) expect(value).toBeCloseTo(20, 10);
});

test("a curve's smoothed start does not change as it grows", () => {
  const y = ramp(400).map((i) => Math.sin(i / 7) * i);
  const long = smooth({ x: ramp(400), y });
  const short = smooth({ x: ramp(50), y: y.subarray(0, 50) });
  expect([...long.y.subarray(0, 50)]).toEqual([...short.y]);
});

test("decimation keeps the limit, the ends, the order and a lone spike", () => {
  const y = new Float64Array(100_000);
  y[33_333] = 500;
  const { x, y: kept } = decimate({ x: ramp(100_000), y });
  expect(x.length).toBeLessThanOrEqual(2000);
  expect(Math.max(...kept)).toBe(500);
  expect([x[0], x.at(-1)]).toEqual([0, 99_999]);
  expect(x.every((value, i) => i === 0 || value > x[i - 1]!)).toBe(true);
});

test("what was not measured is left out, not drawn as zero", () => {
  expect([...measured([1, 2, 3], [NaN, 5, NaN]).x]).toEqual([2]);
});

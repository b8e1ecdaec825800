import { expect, test } from "vitest";
import { cos, exp, log, sin, tanh } from "./math.ts";

/** Largest error of `twin` against `exact` over 20,001 f32 points of [from, to]. */
function worst(
  twin: (x: number) => number,
  exact: (x: number) => number,
  from: number,
  to: number,
  relative: boolean,
): number {
  let largest = 0;
  for (let i = 0; i <= 20_000; i++) {
    const x = Math.fround(from + ((to - from) * i) / 20_000);
    const expected = exact(x);
    const value = twin(x);
    if (Math.fround(value) !== value) return Infinity;
    const error = Math.abs(value - expected) / (relative ? Math.max(Math.abs(expected), 1e-30) : 1);
    largest = Math.max(largest, error);
  }
  return largest;
}

test("f32 elementary functions are as accurate as they say", () => {
  expect(worst(sin, Math.sin, -10, 10, false)).toBeLessThan(2e-7);
  expect(worst(cos, Math.cos, -10, 10, false)).toBeLessThan(2e-7);
  expect(worst(sin, Math.sin, -1000, 1000, false)).toBeLessThan(2e-6);
  expect(worst(tanh, Math.tanh, -12, 12, false)).toBeLessThan(3e-7);
  expect(worst(exp, Math.exp, -86, 87, true)).toBeLessThan(2e-7);
  expect(worst(log, Math.log, 1e-6, 1, true)).toBeLessThan(3e-7);
  expect(worst(log, Math.log, 1, 1e6, true)).toBeLessThan(3e-7);
});

test("their edges do not overflow", () => {
  expect(exp(-1000)).toBeGreaterThan(0);
  expect(Number.isFinite(exp(1000))).toBe(true);
  expect(Number.isFinite(log(0))).toBe(true);
  expect(tanh(1000)).toBeCloseTo(1, 6);
  expect(tanh(-1e30)).toBeCloseTo(-1, 6);
});

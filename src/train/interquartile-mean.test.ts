import { expect, test } from "vitest";
import { bootstrapInterval, interquartileMean } from "./interquartile-mean.ts";

test("the interquartile mean leaves a quarter out at either end", () => {
  expect(interquartileMean([3])).toBe(3);
  expect(interquartileMean([1, 5, 2])).toBeCloseTo(8 / 3);
  expect(interquartileMean([100, 1, 2, 3])).toBe(2.5);
  expect(interquartileMean([-1e9, 1, 2, 3, 4, 5, 6, 1e9])).toBe(3.5);
  expect(interquartileMean([])).toBeNaN();
});

test("the interval holds the mean of what it was drawn from, and repeats itself", () => {
  const values = [480, 490, 470, 500, 495, 485, 400, 499];
  const [low, high] = bootstrapInterval(values);
  expect(low).toBeLessThan(interquartileMean(values));
  expect(high).toBeGreaterThan(interquartileMean(values));
  expect(low).toBeGreaterThan(400);
  expect(bootstrapInterval(values)).toEqual([low, high]);
  expect(bootstrapInterval(values, { seed: 1 })).not.toEqual([low, high]);
  const [innerLow, innerHigh] = bootstrapInterval(values, { confidence: 0.5 });
  expect(innerHigh - innerLow).toBeLessThan(high - low);
  expect(bootstrapInterval([7])).toEqual([7, 7]);
});

test("of normal values 95 of 100 intervals hold the true mean, give or take", () => {
  // Sums of twelve uniforms less six: mean 0, variance 1; any generator does.
  let state = 1;
  const next = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
  const normal = (): number => Array.from({ length: 12 }, next).reduce((a, b) => a + b, -6);
  let held = 0;
  for (let trial = 0; trial < 100; trial++) {
    const [low, high] = bootstrapInterval(Array.from({ length: 20 }, normal), {
      resamples: 300,
      seed: trial,
    });
    if (low <= 0 && high >= 0) held++;
  }
  expect(held).toBeGreaterThanOrEqual(85);
  expect(held).toBeLessThanOrEqual(100);
});

import { expect, test } from "vitest";
import { epochPermutation } from "./permutation.ts";

test("an epoch visits every transition exactly once", () => {
  for (const count of [1, 2, 7, 63, 64, 65, 256, 257, 4096]) {
    const order = new Uint32Array(count);
    epochPermutation(7, 3, order);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
  }
});

test("epochs and seeds differ, and places are uniform", () => {
  const count = 64;
  const order = new Uint32Array(count);
  const hits = new Float64Array(count * count);
  const epochs = 4000;
  for (let epoch = 0; epoch < epochs; epoch++) {
    epochPermutation(1, epoch, order);
    order.forEach((to, from) => (hits[from * count + to]! += 1));
  }
  const expected = epochs / count;
  const chiSquared = hits.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
  // Doubly stochastic table: (n - 1)^2 degrees of freedom, normal approximation at five sigma.
  const freedom = (count - 1) ** 2;
  expect(Math.abs(chiSquared - freedom)).toBeLessThan(5 * Math.sqrt(2 * freedom));
  const other = new Uint32Array(count);
  epochPermutation(2, epochs - 1, other);
  expect(other).not.toEqual(order);
});

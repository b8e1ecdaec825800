import { expect, test } from "vitest";
import { gumbel, gumbelNoise } from "./gumbel.ts";

test("Gumbel-max draws from the softmax", () => {
  const logits = [0, 1, -1, 0.5, 2];
  const total = logits.reduce((sum, x) => sum + Math.exp(x), 0);
  const counts = [0, 0, 0, 0, 0];
  const draws = 40_000;
  for (let i = 0; i < draws; i++) {
    const noise = gumbelNoise(11, i, 5);
    const perturbed = logits.map((x, k) => x + noise[k]!);
    counts[perturbed.indexOf(Math.max(...perturbed))]!++;
  }
  logits.forEach((x, k) => {
    const p = Math.exp(x) / total;
    expect(Math.abs(counts[k]! / draws - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / draws));
  });
});

test("noise is finite at both ends and keyed by seed and position", () => {
  expect(gumbel(0)).toBeCloseTo(-Math.log(-Math.log(2 ** -24)), 5);
  expect(gumbel(0xffffffff)).toBeCloseTo(-Math.log(-Math.log1p(-(2 ** -24))), 4);
  const noise = (seed: number, position: number): number[] => [...gumbelNoise(seed, position, 6)];
  expect(noise(1, 2)).toEqual(noise(1, 2));
  expect(noise(1, 2)).not.toEqual(noise(1, 3));
  expect(noise(1, 2)).not.toEqual(noise(2, 2));
  expect(new Set(noise(1, 2)).size).toBe(6);
});

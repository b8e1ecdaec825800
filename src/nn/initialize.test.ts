import { expect, test } from "vitest";
import { expectClose, golden } from "../../test/support/goldens.ts";
import { initializeParameters, naturalLogarithm, sineAndCosineOfTurn } from "./initialize.ts";
import { orthogonal } from "./orthogonal.ts";
import { actorCriticLayout } from "./parameter-layout.ts";

test.each([
  ["orthogonal_init_tall", 6, 4],
  ["orthogonal_init_wide", 4, 6],
])("%s", (name, rows, columns) => {
  const g = golden(name);
  expectClose(orthogonal(g.input("gaussian"), rows, columns, Math.SQRT2), g.output("weight"));
});

test("our own logarithm, sine and cosine are right to 1e-15", () => {
  for (let i = 1; i <= 1000; i++) {
    const u = i / 1001;
    const [sine, cosine] = sineAndCosineOfTurn(u);
    expectClose(
      [naturalLogarithm(u), sine, cosine],
      [Math.log(u), Math.sin(2 * Math.PI * u), Math.cos(2 * Math.PI * u)],
      { absolute: 2e-15, relative: 0 },
    );
  }
});

const layout = actorCriticLayout({
  observationSize: 5,
  actionCount: 3,
  hidden: [64, 33],
  separateTowers: true,
});

test("start weights are orthogonal with their gain, biases and gaps zero", () => {
  const parameters = initializeParameters(layout, 7);
  let inside = 0;
  for (const { offset, length, gain, shape } of layout.tensors) {
    const data = parameters.subarray(offset, offset + length);
    if (gain === null) {
      expect(data.every((x) => x === 0)).toBe(true);
      continue;
    }
    const [rows = 0, columns = 0] = shape;
    const short = Math.min(rows, columns);
    const at = (i: number, j: number): number => data[rows <= columns ? i * columns + j : j * columns + i]!;
    for (let a = 0; a < short; a++) {
      for (let b = 0; b <= a; b++) {
        let dot = 0;
        for (let j = 0; j < Math.max(rows, columns); j++) dot += at(a, j) * at(b, j);
        expect(dot).toBeCloseTo(a === b ? gain * gain : 0, 5);
      }
    }
    inside += data.reduce((sum, x) => sum + x * x, 0);
  }
  expect(parameters.reduce((sum, x) => sum + x * x, 0)).toBeCloseTo(inside, 6);
});

test("a seed gives its own weights, always the same bits", () => {
  const parameters = initializeParameters(layout, 7);
  expect(initializeParameters(layout, 7)).toEqual(parameters);
  expect(initializeParameters(layout, 8)).not.toEqual(parameters);
  // Recorded once; any engine must agree to the last bit.
  const bits = new Uint32Array(parameters.buffer);
  const hash = bits.reduce((h, word) => Math.imul(h ^ word, 0x01000193) >>> 0, 0x811c9dc5);
  expect(hash).toBe(1_037_742_123);
});

test("Box-Muller on our own logarithm, sine and cosine gives the golden normals", () => {
  const g = golden("rng");
  const [u0, u1] = g.output("uniform24");
  const radius = Math.sqrt(-2 * naturalLogarithm(1 - u0!));
  const [sine, cosine] = sineAndCosineOfTurn(u1!);
  expectClose([radius * cosine, radius * sine], g.output("box_muller_from_uniform24"));
});

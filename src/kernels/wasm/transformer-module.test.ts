import { expect, test } from "vitest";
import { gumbel } from "../gumbel.ts";
import { exp, log } from "../math.ts";
import { linear } from "../reference/transformer-layers.ts";
import { expectClose } from "../../../test/support/goldens.ts";
import { headKernels, packWeight, packedLength, transformerKernels } from "./transformer-module.ts";

const memory = new WebAssembly.Memory({ initial: 16 });
const kernels = transformerKernels(
  {
    ...{ vocabularySize: 8, width: 12, layers: 1, heads: 1, keyValueHeads: 1, headSize: 12, feedForward: 20 },
    ...{ maxLength: 8, ropeBase: 1e4, normEpsilon: 1e-5, tiedHead: true },
  },
  { memory, threads: null },
);
const floats = new Float32Array(memory.buffer);
const words = new Uint32Array(memory.buffer);

test("noise, exponential and logarithm are the f32 twins' bits", () => {
  const input = Array.from({ length: 4096 }, (_, i) => Math.imul(i, 2654435761) >>> 0);
  input[0] = 0;
  input[1] = 0xffffffff;
  words.set(input);
  kernels.gumbel(0, 1024);
  expect(floats.slice(0, 4096)).toEqual(Float32Array.from(input, gumbel));

  const logits = Float32Array.from({ length: 64 }, (_, i) => Math.sin(i * 37) * 20);
  floats.set(logits);
  kernels.softmaxForward(0, 1024, 2048, 1, 61, 64);
  const largest = Math.max(...logits.slice(0, 61));
  expect(floats[512]).toBe(largest);
  const shifted = logits.slice(0, 61).map((x) => x - largest);
  expect(floats.slice(256, 256 + 61)).toEqual(shifted.map(exp));
  const sum = shifted.reduce((a, x) => a + Math.exp(x), 0);
  expectClose(log(floats[513]!), Math.log(sum), { absolute: 1e-6, relative: 1e-6 });
});

/** rows x inputs times [outputs x inputs], every remainder of the tiles included. */
test.each([
  [4, 12, 12],
  [36, 12, 40],
  [100, 20, 12],
])("matmuls of %i rows", (rows, inputs, outputs) => {
  const value = (i: number): number => Math.fround(Math.sin(i * 12.9898) * 0.7);
  const x = Float32Array.from({ length: rows * inputs }, (_, i) => value(i));
  const weight = Float32Array.from({ length: outputs * inputs }, (_, i) => value(i + 7777));
  const dy = Float32Array.from({ length: rows * outputs }, (_, i) => value(i + 999));
  const at = { x: 0, weight: 4096, packed: 8192, y: 12288, dy: 20480, dx: 28672, dw: 32768 };
  floats.fill(NaN);
  floats.set(x, at.x);
  floats.set(weight, at.weight);
  floats.fill(0, at.packed, at.packed + packedLength(inputs, outputs));
  floats.set(dy, at.dy);
  packWeight(floats, at.weight, at.packed, inputs, outputs);
  // q is 12 -> 12, up is 12 -> 40; down is 20 -> 12 and adds to y.
  const chosen = outputs === 40 ? kernels.up : inputs === 20 ? kernels.down : kernels.q;
  const adds = chosen === kernels.down;
  floats.fill(adds ? 0.5 : NaN, at.y, at.y + rows * outputs);
  floats.fill(1, at.dw, at.dw + outputs * inputs);
  chosen.forward(4 * at.x, 4 * at.packed, 4 * at.y, rows);
  chosen.input(4 * at.dy, 4 * at.weight, 4 * at.dx, rows);
  chosen.weight(4 * at.dy, 4 * at.x, 4 * at.dw, outputs, rows);

  const wide = (v: Float32Array): Float64Array => Float64Array.from(v);
  const transposed = (v: Float32Array, r: number, c: number): Float64Array =>
    Float64Array.from({ length: r * c }, (_, i) => v[(i % r) * c + Math.floor(i / r)]!);
  const tolerance = { absolute: 2e-6 * rows, relative: 1e-6 };
  const y = linear(wide(x), weight, 0, inputs, outputs);
  expectClose(
    floats.slice(at.y, at.y + y.length),
    y.map((v) => v + (adds ? 0.5 : 0)),
    tolerance,
    "y",
  );
  const dx = linear(wide(dy), transposed(weight, outputs, inputs), 0, outputs, inputs);
  expectClose(floats.slice(at.dx, at.dx + dx.length), dx, tolerance, "dx");
  const dw = linear(transposed(dy, rows, outputs), transposed(x, rows, inputs), 0, rows, inputs);
  expectClose(
    floats.slice(at.dw, at.dw + dw.length),
    dw.map((v) => v + 1),
    tolerance,
    "dW",
  );
  expect(floats[at.y + y.length]).toBeNaN();
  expect(floats[at.dw + dw.length]).toBeNaN();
});

test("a row's result does not depend on its place in the batch", () => {
  const head = headKernels(16, 8, { memory, threads: null });
  const row = Float32Array.from({ length: 16 }, (_, i) => Math.sin(i) * 3);
  floats.fill(0.25, 0, 8 * 16);
  for (const place of [0, 3, 6]) floats.set(row, place * 16);
  for (let i = 0; i < 128; i++) floats[1024 + i] = Math.cos(i * 5);
  head.forward(0, 4096, 8192, 8);
  const result = (place: number): Float32Array => floats.slice(2048 + place * 8, 2048 + place * 8 + 8);
  expect(result(3)).toEqual(result(0));
  expect(result(6)).toEqual(result(0));
  expect(result(1)).not.toEqual(result(0));
});

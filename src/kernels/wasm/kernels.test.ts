import { expect, test } from "vitest";
import { expectClose, type Tolerance } from "../../../test/support/goldens.ts";
import * as twin from "../math.ts";
import { matrixProduct, weightGradient } from "./dense.ts";
import { exponential, hyperbolicTangent, logarithm } from "./elementary.ts";
import { forRange, load, read, store, type Expression } from "./expression.ts";
import type { FunctionBody } from "./function-body.ts";
import { WasmModule } from "./module.ts";
import { defineAdamW, defineSumOfSquares } from "./optimizer.ts";
import { adamW } from "../reference/optimizer.ts";

const f32: Tolerance = { absolute: 2e-6, relative: 2e-5 };

/** A memory with room for the arrays, and the module's exports. */
function instantiate(
  pages: number,
  define: (wasm: WasmModule) => void,
): { floats: Float32Array; exports: Record<string, (...numbers: number[]) => number> } {
  const wasm = new WasmModule();
  wasm.importMemory("engine", "memory", pages);
  define(wasm);
  const memory = new WebAssembly.Memory({ initial: pages });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(wasm.encode()), { engine: { memory } });
  return {
    floats: new Float32Array(memory.buffer),
    exports: instance.exports as Record<string, (...numbers: number[]) => number>,
  };
}

const wave = (length: number, phase: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin(phase + i * 1.7 + 0.013 * i * i));

test.each<[string, (body: FunctionBody, x: Expression) => Expression, (x: number) => number, number[]]>([
  ["exp", exponential, twin.exp, [-90, -87.3, -30, -1, -0.1, 0, 1e-7, 0.3, 1, 20, 88, 100]],
  ["log", logarithm, twin.log, [0, 1e-38, 1e-7, 0.3, 0.7071, 0.7072, 1, 1.4142, 2, 3, 1e9, 3e38]],
  ["tanh", hyperbolicTangent, twin.tanh, [-100, -7.91, -3, -0.5, -1e-4, 0, 1e-9, 0.1, 0.9, 2, 7.9, 9]],
])("%s has the bits of its scalar twin", (_, vector, scalar, edges) => {
  const inputs = Float32Array.from([...edges, ...wave(2036, 1).map((x, i) => x * (i % 2 === 0 ? 1 : 9))]);
  if (scalar === twin.log) inputs.forEach((x, i) => (inputs[i] = Math.abs(x)));
  const { floats, exports } = instantiate(1, (wasm) => {
    wasm.define("run", [], [], (body) => {
      forRange(body, 0, inputs.length * 4, 16, (at) => {
        store(body, read(at), 8192, vector(body, load(read(at), 0)));
      });
    });
  });
  floats.set(inputs);
  exports["run"]!();
  expect(floats.slice(2048, 2048 + inputs.length)).toEqual(inputs.map(scalar));
});

const shapes: [number, number, number][] = [
  [1, 1, 4],
  [3, 7, 12],
  [17, 33, 64],
  [65, 4, 20],
  [64, 64, 64],
];

test.each(shapes)("matrix products of %i x %i on %i samples, both ways", (rows, terms, columns) => {
  const [a, x, b, y, dx] = [0, 20_000, 40_000, 60_000, 80_000];
  const { floats, exports } = instantiate(8, (wasm) => {
    const shape = { columns, matrix: a * 4 };
    wasm.define("forward", [], [], (body) => {
      const start = { bias: b * 4 };
      const strides = { rows, terms, rowStride: terms, termStride: 1 };
      matrixProduct(body, { ...shape, ...strides, from: x * 4, to: y * 4, start, finish: "tanh" });
    });
    wasm.define("backward", [], [], (body) => {
      const strides = { rows: terms, terms: rows, rowStride: 1, termStride: terms };
      const finish = { tanhOutput: x * 4 };
      matrixProduct(body, { ...shape, ...strides, from: y * 4, to: dx * 4, start: "accumulate", finish });
    });
  });
  const [weights, inputs, biases] = [wave(rows * terms, 1), wave(terms * columns, 2), wave(rows, 3)];
  const before = wave(terms * columns, 4);
  floats.set(weights, a);
  floats.set(inputs, x);
  floats.set(biases, b);
  floats.set(before, dx);
  exports["forward"]!();
  exports["backward"]!();
  const outputs = floats.slice(y, y + rows * columns);
  const at = (m: Float32Array, width: number, r: number, c: number): number => m[r * width + c]!;
  const expected: number[] = [];
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      let sum = biases[r]!;
      for (let k = 0; k < terms; k++) sum += at(weights, terms, r, k) * at(inputs, columns, k, c);
      expected.push(Math.tanh(sum));
    }
  }
  expectClose(outputs, expected, f32, "forward");
  const expectedGradient: number[] = [];
  for (let k = 0; k < terms; k++) {
    for (let c = 0; c < columns; c++) {
      let sum = at(before, columns, k, c);
      for (let r = 0; r < rows; r++) sum += at(weights, terms, r, k) * at(outputs, columns, r, c);
      expectedGradient.push(sum * (1 - at(inputs, columns, k, c) ** 2));
    }
  }
  expectClose(
    floats.slice(dx, dx + terms * columns),
    expectedGradient,
    { absolute: 1e-5, relative: 2e-5 },
    "backward",
  );
});

test.each(shapes)("weight gradients of %i x %i over %i samples are added to", (outputs, inputs, columns) => {
  const [x, dy, dw, db] = [0, 20_000, 40_000, 60_000];
  const { floats, exports } = instantiate(8, (wasm) => {
    wasm.define("run", [], [], (body) => {
      const addresses = {
        input: x * 4,
        outputGradient: dy * 4,
        weightGradient: dw * 4,
        biasGradient: db * 4,
      };
      weightGradient(body, { inputs, outputs, columns, ...addresses });
    });
  });
  const [samples, gradients] = [wave(inputs * columns, 1), wave(outputs * columns, 2)];
  floats.set(samples, x);
  floats.set(gradients, dy);
  floats.fill(0.5, dw, dw + outputs * inputs);
  floats.fill(0.25, db, db + outputs);
  exports["run"]!();
  const expected: number[] = [];
  const expectedBias: number[] = [];
  for (let o = 0; o < outputs; o++) {
    let bias = 0.25;
    for (let c = 0; c < columns; c++) bias += gradients[o * columns + c]!;
    expectedBias.push(bias);
    for (let i = 0; i < inputs; i++) {
      let sum = 0.5;
      for (let c = 0; c < columns; c++) sum += gradients[o * columns + c]! * samples[i * columns + c]!;
      expected.push(sum);
    }
  }
  const tolerance = { absolute: 1e-5, relative: 2e-5 };
  expectClose(floats.slice(dw, dw + expected.length), expected, tolerance, "weights");
  expectClose(floats.slice(db, db + outputs), expectedBias, tolerance, "biases");
  // Nothing next to them was touched.
  expect([floats[dw + expected.length], floats[db + outputs]]).toEqual([0, 0]);
});

test("AdamW and the sum of squares", () => {
  const length = 28;
  const [p, g, m, v] = [0, 64, 128, 192];
  const { floats, exports } = instantiate(1, (wasm) => {
    defineSumOfSquares(wasm, "norm", g * 4, length);
    const addresses = { parameters: p * 4, gradient: g * 4, firstMoment: m * 4, secondMoment: v * 4 };
    defineAdamW(wasm, "step", { ...addresses, length });
  });
  floats.set(wave(length, 1), p);
  const [parameters, first, second] = [
    Float64Array.from(wave(length, 1)),
    new Float64Array(length),
    new Float64Array(length),
  ];
  for (let step = 1; step <= 4; step++) {
    const gradient = wave(length, step + 1);
    floats.set(gradient, g);
    expectClose(
      exports["norm"]!(),
      gradient.reduce((s, x) => s + x * x, 0),
      f32,
      "norm",
    );
    const options = { learningRate: 0.01, epsilon: 1e-5, weightDecay: 0.1 };
    adamW(
      parameters,
      gradient.map((x) => x * 0.5),
      first,
      second,
      step,
      options,
    );
    const stepSize = 0.01 / (1 - 0.9 ** step);
    exports["step"]!(0.5, 1 - 0.01 * 0.1, stepSize, 1 / Math.sqrt(1 - 0.999 ** step), 1e-5);
  }
  expectClose(floats.slice(p, p + length), parameters, f32, "parameters");
});

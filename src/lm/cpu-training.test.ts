import { expect, test } from "vitest";
import { transformerLayout } from "../nn/transformer-layout.ts";
import { initializeTransformer } from "../nn/initialize-transformer.ts";
import { expectClose } from "../../test/support/goldens.ts";
import { stringTaskShape, stringPrompt, trainingRows } from "../../test/support/string-task.ts";
import { trainRows } from "./cpu-training.ts";
import { CpuTransformer } from "./cpu-transformer.ts";
import { tokenTree } from "./token-tree.ts";

const layout = transformerLayout(stringTaskShape);
const model = new CpuTransformer(stringTaskShape, layout);
model.memory.floats.set(initializeTransformer(layout, 3), model.parameters >> 2);
model.pack();
const objective = {
  kind: "policy",
  clipLow: 0.2,
  clipHigh: 0.28,
  dualClip: null,
  entropyCoefficient: 0.02,
} as const;

/** Six groups of four siblings; completions share beginnings. */
function rows(order: readonly number[]) {
  const words = order.map((i) => [0, 1, 2, 3].map((k) => (Math.floor(i / 4) * 3 + k) % 10));
  const completions = order.map((i) => Int32Array.of(4 + (i % 2), 5 + (i % 4), 6 + (i % 3), 2));
  return trainingRows(
    words.map(stringPrompt),
    completions,
    completions.map((tokens) => new Float32Array(tokens.length).fill(-2.4)),
    order.map((i) => ((i * 7) % 5) - 2),
  );
}
const order = Array.from({ length: 24 }, (_, i) => i);

function gradientOf(activationBytes?: number, rowOrder = order): Float32Array {
  trainRows(model, rows(rowOrder), objective, activationBytes);
  const at = model.gradient >> 2;
  return model.memory.floats.slice(at, at + layout.length);
}

test("micro-batches, and the order of rows, change nothing but rounding", () => {
  const whole = gradientOf();
  const tolerance = { absolute: 3e-6 * Math.hypot(...whole), relative: 1e-4 };
  expect(Math.hypot(...whole)).toBeGreaterThan(0.01);
  expectClose(gradientOf(1), whole, tolerance, "one row at a time");
  expectClose(gradientOf(250_000), whole, tolerance, "several rows at a time");
  expectClose(gradientOf(undefined, order.toReversed()), whole, tolerance, "reversed");
});

test("siblings share their prompt's nodes", () => {
  const { tokens, lengths, length } = rows(order);
  const tree = tokenTree(tokens, length, lengths, 0, 10_000, 14);
  expect(tree.rows).toBe(24);
  for (let row = 0; row < 24; row++) {
    const path = tree.paths.subarray(row * length, row * length + lengths[row]!);
    expect(Array.from(path, (node) => tree.tokens[node]!)).toEqual([
      ...tokens.subarray(row * length, row * length + lengths[row]!),
    ]);
    expect(Array.from(path, (node) => tree.positions[node]!)).toEqual(Array.from(path, (_, t) => t));
    expect([...path]).toEqual([...path].toSorted((a, b) => a - b));
  }
  // One beginning, six words and separators, and at most four answers of four tokens each.
  expect(tree.tokens.length).toBeLessThanOrEqual(1 + 6 * 5 + 24 * 4);
  expect(tree.tokens.length).toBeLessThan(lengths.reduce((a, b) => a + b, 0) / 2);
  expect(tokenTree(tokens, length, lengths, 20, 1, 14).rows).toBe(1);
  expect(tokenTree(tokens, length, lengths, 20, 20, 14).rows).toBe(2);
});

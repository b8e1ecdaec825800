import { expect, test } from "vitest";
import { initializeTransformer } from "./initialize-transformer.ts";
import { transformerLayout } from "./transformer-layout.ts";

const shape = {
  vocabularySize: 33,
  width: 64,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headSize: 16,
  feedForward: 128,
  maxLength: 32,
  ropeBase: 1e4,
  normEpsilon: 1e-5,
  tiedHead: false,
};

test("weights have their tensor's standard deviation, norm scales are one, seeds differ", () => {
  const layout = transformerLayout(shape);
  const parameters = initializeTransformer(layout, 7);
  for (const { name, offset, length, gain } of layout.tensors) {
    const values = parameters.subarray(offset, offset + length);
    if (gain === null) {
      expect(values.every((v) => v === 1)).toBe(true);
      continue;
    }
    const mean = values.reduce((a, b) => a + b, 0) / length;
    const deviation = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / length);
    expect(Math.abs(mean / gain), name).toBeLessThan(4 / Math.sqrt(length));
    expect(Math.abs(deviation / gain - 1), name).toBeLessThan(4 / Math.sqrt(2 * length));
  }
  expect(initializeTransformer(layout, 7)).toEqual(parameters);
  expect(initializeTransformer(layout, 8)[0]).not.toBe(parameters[0]);
});

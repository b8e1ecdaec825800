import { expect } from "vitest";
import type { LanguageEngine, TokenRows } from "../../src/lm/language-engine.ts";
import { mergeAdapter } from "../../src/nn/merge-adapter.ts";
import { transformerLayout, type TransformerShape } from "../../src/nn/transformer-layout.ts";
import { expectClose } from "./goldens.ts";
import { loadParameters, tinyModel } from "./hf-tiny.ts";
import { manyRows, noisyParameters, policyConfig } from "./language-rows.ts";

/** Bits of an engine's weights after a step from the same weights each time. */
export async function afterStep(engine: LanguageEngine, rows: TokenRows): Promise<string> {
  await loadParameters(engine, noisyParameters(transformerLayout(engine.shape).length));
  await engine.step(rows, policyConfig);
  const { parameters } = await engine.save();
  return Buffer.from(parameters.slice().buffer).toString("base64");
}

/** A Qwen3 with its adapter merged into its weights scores as with the adapter beside them, and as Hugging Face did. */
export async function expectMergedIsApart(
  create: (shape: TransformerShape) => Promise<LanguageEngine>,
): Promise<void> {
  const tiny = tinyModel("qwen3", true);
  const { shape, parameters } = mergeAdapter(tiny.shape, tiny.parameters);
  expect(shape.adapter).toBeUndefined();
  const [apart, merged] = [await create(tiny.shape), await create(shape)];
  await loadParameters(apart, tiny.parameters);
  await loadParameters(merged, parameters);
  const [a, b] = [await apart.score(tiny.rows), await merged.score(tiny.rows)];
  expectClose(b.logProbabilities, a.logProbabilities, { absolute: 1e-5, relative: 1e-5 });
  expectClose(b.logProbabilities, tiny.logProbabilities, { absolute: 1e-5, relative: 1e-4 });
  apart.dispose();
  merged.dispose();
}

/** Ids beyond a row's length, how far rows are padded and ids behind the last weight change no bit of a step. */
export async function expectMaskedIdsIrrelevant(engine: LanguageEngine): Promise<void> {
  const { vocabularySize } = engine.shape;
  const rows = manyRows(engine.shape);
  const expected = await afterStep(engine, rows);
  const { length } = rows;
  const beyond = rows.tokens.map((id, i) =>
    i % length < rows.lengths[Math.floor(i / length)]! ? id : (i * 5) % vocabularySize,
  );
  expect(await afterStep(engine, { ...rows, tokens: beyond })).toBe(expected);

  const wider = <T extends Float32Array | Int32Array>(values: T, make: new (n: number) => T): T => {
    const result = new make(rows.rows * (length + 5));
    for (let row = 0; row < rows.rows; row++) {
      result.set(values.subarray(row * length, (row + 1) * length), row * (length + 5));
    }
    return result;
  };
  const padded = {
    ...rows,
    length: length + 5,
    tokens: wider(rows.tokens, Int32Array),
    weights: wider(rows.weights, Float32Array),
    advantages: wider(rows.advantages, Float32Array),
    oldLogProbabilities: wider(rows.oldLogProbabilities, Float32Array),
    importance: wider(rows.importance, Float32Array),
  };
  expect(await afterStep(engine, padded)).toBe(expected);

  const behind = (i: number): boolean => i % length >= length - 3;
  const weights = rows.weights.map((w, i) => (behind(i) ? 0 : w));
  const before = await afterStep(engine, { ...rows, weights });
  const tokens = rows.tokens.map((id, i) => (behind(i) ? (id + 3) % vocabularySize : id));
  expect(await afterStep(engine, { ...rows, weights, tokens })).toBe(before);
  expect(before).not.toBe(expected);
}

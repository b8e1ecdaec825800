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

/** The rows `order` names, in that order, padded by so many ids more. */
function placed(rows: TokenRows, order: readonly number[], more: number): TokenRows {
  const { length } = rows;
  const columns = <T extends Float32Array | Int32Array>(values: T, make: new (n: number) => T): T => {
    const result = new make(order.length * (length + more));
    order.forEach((row, to) => {
      result.set(values.subarray(row * length, (row + 1) * length), to * (length + more));
    });
    return result;
  };
  return {
    ...{ ...rows, rows: order.length, length: length + more },
    tokens: columns(rows.tokens, Int32Array),
    lengths: Int32Array.from(order, (row) => rows.lengths[row]!),
    weights: columns(rows.weights, Float32Array),
    advantages: columns(rows.advantages, Float32Array),
    oldLogProbabilities: columns(rows.oldLogProbabilities, Float32Array),
    importance: columns(rows.importance, Float32Array),
  };
}

/**
 * A row is scored with the same bits alone, at any place among others, some of which share its beginning, and however far
 * all are padded. Positions count from a row's first token, so there is nothing to pad on the left.
 */
export async function expectScoredAlikeAnywhere(engine: LanguageEngine): Promise<void> {
  const rows = manyRows(engine.shape);
  const every = [...rows.lengths.keys()];
  const scores = async (order: readonly number[], more: number): Promise<Float32Array[]> => {
    const { logProbabilities } = await engine.score(placed(rows, order, more));
    return order.map((row, at) => {
      const begin = at * (rows.length + more);
      return logProbabilities.slice(begin, begin + rows.lengths[row]!);
    });
  };
  const together = await scores(every, 0);
  expect(new Set(together.map((row) => row.join())).size).toBe(rows.rows);
  const turned = [...every].reverse();
  expect(await scores(turned, 5)).toEqual(turned.map((row) => together[row]));
  for (const row of every) expect(await scores([row], 3)).toEqual([together[row]]);
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

  const padded = placed(rows, [...rows.lengths.keys()], 5);
  expect(await afterStep(engine, padded)).toBe(expected);

  const behind = (i: number): boolean => i % length >= length - 3;
  const weights = rows.weights.map((w, i) => (behind(i) ? 0 : w));
  const before = await afterStep(engine, { ...rows, weights });
  const tokens = rows.tokens.map((id, i) => (behind(i) ? (id + 3) % vocabularySize : id));
  expect(await afterStep(engine, { ...rows, weights, tokens })).toBe(before);
  expect(before).not.toBe(expected);
}

import { expect, test } from "vitest";
import {
  expectFiniteDifference,
  expectSameLearning,
  headDisagreement,
  largeVocabulary,
  smoothing,
} from "../../test/support/check-head.ts";
import { trajectoryDifference } from "../../test/support/check-trajectory.ts";
import { expectClose } from "../../test/support/goldens.ts";
import { loadParameters, tinyModel } from "../../test/support/hf-tiny.ts";
import {
  everythingShape,
  headsShape,
  manyRows,
  noisyParameters,
  policyConfig,
  promptedRows,
  smallShape,
} from "../../test/support/language-rows.ts";
import { mergeAdapter } from "../nn/merge-adapter.ts";
import { transformerLayout, type TransformerShape } from "../nn/transformer-layout.ts";
import { createCpuLanguageEngine } from "./cpu-language-engine.ts";
import type { LanguageEngine, TokenRows } from "./language-engine.ts";

async function engineOf(shape: TransformerShape, checkpointing = false): Promise<LanguageEngine> {
  const engine = await createCpuLanguageEngine(shape, { seed: 3, checkpointing });
  await loadParameters(engine, noisyParameters(transformerLayout(shape).length));
  return engine;
}

const bits = (values: Float32Array): string => Buffer.from(values.slice().buffer).toString("base64");

async function afterStep(engine: LanguageEngine, rows: TokenRows): Promise<string> {
  await engine.step(rows, policyConfig);
  return bits((await engine.save()).parameters);
}

test("fifty optimizer steps follow f64, all parameters or the adapter's", async () => {
  for (const shape of [headsShape, everythingShape]) {
    const { loss, path } = await trajectoryDifference(await createCpuLanguageEngine(shape, { seed: 1 }));
    expect(loss).toBeLessThan(1e-4);
    expect(path).toBeLessThan(1e-3);
  }
});

test("an adapter merged into the weights is the adapter beside them", async () => {
  const tiny = tinyModel("qwen3", true);
  const apart = await createCpuLanguageEngine(tiny.shape, { seed: 1 });
  await loadParameters(apart, tiny.parameters);
  const { shape, parameters } = mergeAdapter(tiny.shape, tiny.parameters);
  expect(shape.adapter).toBeUndefined();
  const merged = await createCpuLanguageEngine(shape, { seed: 1 });
  await loadParameters(merged, parameters);
  const [a, b] = [await apart.score(tiny.rows), await merged.score(tiny.rows)];
  expectClose(b.logProbabilities, a.logProbabilities, { absolute: 1e-5, relative: 1e-5 });
  expectClose(b.logProbabilities, tiny.logProbabilities, { absolute: 1e-5, relative: 1e-4 });
});

test("checkpointing changes no bit of a step", async () => {
  const shape = { ...everythingShape, layers: 4 };
  const rows = promptedRows(shape);
  const [kept, again] = [await engineOf(shape), await engineOf(shape, true)];
  const expected = await afterStep(kept, rows);
  expect(await afterStep(again, rows)).toBe(expected);
  expect(expected).not.toBe(bits(noisyParameters(transformerLayout(shape).length)));
});

test("ids beyond a row's length, how far rows are padded and ids behind the last weight change no bit", async () => {
  const rows = manyRows(smallShape);
  const expected = await afterStep(await engineOf(smallShape), rows);
  const { length } = rows;
  const beyond = rows.tokens.map((id, i) =>
    i % length < rows.lengths[Math.floor(i / length)]! ? id : (i * 5) % 13,
  );
  expect(await afterStep(await engineOf(smallShape), { ...rows, tokens: beyond })).toBe(expected);

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
  expect(await afterStep(await engineOf(smallShape), padded)).toBe(expected);

  const masked = rows.weights.map((w, i) => (i % length >= length - 3 ? 0 : w));
  const before = await afterStep(await engineOf(smallShape), { ...rows, weights: masked });
  const other = rows.tokens.map((id, i) => (i % length >= length - 3 ? (id + 3) % 13 : id));
  expect(await afterStep(await engineOf(smallShape), { ...rows, weights: masked, tokens: other })).toBe(
    before,
  );
  expect(before).not.toBe(expected);
});

test("the head in chunks of 4,099 ids: f64, finite differences, the same learning as written out", async () => {
  const [chunked, whole] = [
    await createCpuLanguageEngine(largeVocabulary, { seed: 1 }),
    await createCpuLanguageEngine(largeVocabulary, { seed: 1, headIds: 4099 }),
  ];
  expect(await headDisagreement(chunked)).toBeNull();
  await expectFiniteDifference(chunked);
  for (const engine of [chunked, whole]) expect(await headDisagreement(engine, smoothing)).toBeNull();
  await expectFiniteDifference(chunked, smoothing);
  await expectSameLearning([chunked, whole]);
});

test("a token of the soft prompt cannot be a target", async () => {
  const engine = await engineOf(everythingShape);
  const rows = promptedRows(everythingShape);
  const weights = rows.weights.map((w, i) => (i === 1 ? 1 : w));
  await expect(engine.step({ ...rows, weights }, policyConfig)).rejects.toMatchObject({
    code: "lm/token-not-allowed",
  });
});

import { expect, test } from "vitest";
import {
  expectFiniteDifference,
  expectSameLearning,
  headDisagreement,
  largeVocabulary,
  smoothing,
} from "../../test/support/check-head.ts";
import { trajectoryDifference } from "../../test/support/check-trajectory.ts";
import {
  afterStep,
  expectMaskedIdsIrrelevant,
  expectMergedIsApart,
  expectScoredAlikeAnywhere,
} from "../../test/support/check-invariants.ts";
import { loadParameters } from "../../test/support/hf-tiny.ts";
import {
  everythingShape,
  headsShape,
  noisyParameters,
  policyConfig,
  promptedRows,
  smallShape,
} from "../../test/support/language-rows.ts";
import { transformerLayout, type TransformerShape } from "../nn/transformer-layout.ts";
import { createCpuLanguageEngine } from "./cpu-language-engine.ts";
import type { LanguageEngine } from "./language-engine.ts";

async function engineOf(shape: TransformerShape, checkpointing = false): Promise<LanguageEngine> {
  const engine = await createCpuLanguageEngine(shape, { seed: 3, checkpointing });
  await loadParameters(engine, noisyParameters(transformerLayout(shape).length));
  return engine;
}

test("fifty optimizer steps follow f64, all parameters or the adapter's", async () => {
  for (const shape of [headsShape, everythingShape]) {
    const { loss, path } = await trajectoryDifference(await createCpuLanguageEngine(shape, { seed: 1 }));
    expect(loss).toBeLessThan(1e-4);
    expect(path).toBeLessThan(1e-3);
  }
});

test("an adapter merged into the weights is the adapter beside them", async () => {
  await expectMergedIsApart((shape) => createCpuLanguageEngine(shape, { seed: 1 }));
});

test("checkpointing changes no bit of a step", async () => {
  const shape = { ...everythingShape, layers: 4 };
  const rows = promptedRows(shape);
  const [kept, again] = [await engineOf(shape), await engineOf(shape, true)];
  expect(await afterStep(again, rows)).toBe(await afterStep(kept, rows));
});

test("ids beyond a row's length, how far rows are padded and ids behind the last weight change no bit", async () => {
  await expectMaskedIdsIrrelevant(await createCpuLanguageEngine(smallShape, { seed: 3 }));
});

test("a row's scores have the same bits alone, anywhere among others, and however far it is padded", async () => {
  await expectScoredAlikeAnywhere(await engineOf(headsShape));
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

import { expect } from "vitest";
import { tokenLoss } from "../../src/kernels/reference/token-loss.ts";
import { ReferenceTransformer } from "../../src/kernels/reference/transformer.ts";
import type { LanguageEngine } from "../../src/lm/language-engine.ts";
import { transformerLayout } from "../../src/nn/transformer-layout.ts";
import { expectClose } from "./goldens.ts";
import { loadParameters } from "./hf-tiny.ts";
import { everythingShape as shape, noisyParameters, policyConfig, promptedRows } from "./language-rows.ts";

/**
 * Holds an engine of `everythingShape` to the f64 reference: scores with and without the adapter, the adapter's and the
 * soft prompt's gradients, a frozen base, and greedy tokens that are the most probable ones.
 */
export async function checkAdapter(engine: LanguageEngine): Promise<void> {
  const layout = transformerLayout(shape);
  const parameters = noisyParameters(layout.length);
  const rows = promptedRows(shape);
  await loadParameters(engine, parameters);
  const model = new ReferenceTransformer(shape, layout);
  const close = { absolute: 2e-4, relative: 2e-4 };
  const still = { ...policyConfig, learningRate: 0, maxGradientNorm: 1e9 };
  const expected = tokenLoss(model, parameters, rows, still);
  const scored = await engine.score(rows);
  // What was not allowed is -Infinity in an engine and merely far away in the reference.
  const finite = (values: ArrayLike<number>): number[] => Array.from(values, (v) => (v > -1e6 ? v : 0));
  expectClose(finite(scored.logProbabilities), finite(expected.logProbabilities), close, "adapted");
  model.adapted = false;
  const off = tokenLoss(model, parameters, rows, still);
  const reference = await engine.score(rows, { adapter: false });
  expectClose(finite(reference.logProbabilities), finite(off.logProbabilities), close, "reference");

  await engine.step(rows, still);
  const { firstMoment } = await engine.save();
  const gradient = firstMoment.map((m) => m / (1 - still.betas[0]));
  const wanted = expected.gradient.subarray(layout.trainable);
  expect(gradient.length).toBe(wanted.length);
  for (const { name, offset, length } of layout.tensors) {
    if (offset < layout.trainable) continue;
    const at = offset - layout.trainable;
    const part = wanted.subarray(at, at + length);
    const largest = part.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
    expect(largest, name).toBeGreaterThan(1e-4);
    const tolerance = { absolute: 2e-4 * largest, relative: 2e-4 };
    expectClose(gradient.subarray(at, at + length), part, tolerance, name);
  }

  const prompt = Int32Array.of(shape.vocabularySize, shape.vocabularySize + 2, 5, 1);
  const request = { prompt, maxTokens: 8, temperature: 0, stopTokens: [], allowed: null, seed: 0 };
  const [greedy] = await engine.generate([request]);
  model.adapted = true;
  const ids = [...prompt];
  for (const id of greedy!.tokens) {
    const { logits } = model.forward(parameters, ids);
    const last = logits.subarray((ids.length - 1) * shape.vocabularySize);
    expect(id).toBe(last.indexOf(Math.max(...last)));
    ids.push(id);
  }

  await engine.step(rows, policyConfig);
  const after = (await engine.save()).parameters;
  const changed = after.map((p, i) => (p === parameters[i] ? 0 : 1));
  expect(changed.subarray(0, layout.trainable).every((c) => c === 0)).toBe(true);
  expect(changed.subarray(layout.trainable).filter((c) => c === 1).length).toBeGreaterThan(100);
}

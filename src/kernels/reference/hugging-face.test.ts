import { expect, test } from "vitest";
import { expectClose } from "../../../test/support/goldens.ts";
import { expectGoldenGradient, families, likelihood, tinyModel } from "../../../test/support/hf-tiny.ts";
import { transformerLayout } from "../../nn/transformer-layout.ts";
import { tokenLoss } from "./token-loss.ts";
import { ReferenceTransformer } from "./transformer.ts";

test.each(families)("%s: logits, loss, gradients and LoRA gradients in f64", (family) => {
  for (const adapted of [false, true]) {
    const tiny = tinyModel(family, adapted);
    const { golden, shape, parameters, rows } = tiny;
    const model = new ReferenceTransformer(shape, transformerLayout(shape));
    const expected = adapted ? golden.lora : golden;
    const logits = golden.input_ids.flatMap((ids) => [...model.forward(parameters, ids).logits]);
    // The goldens have nine decimals; LoRA weights are f32 here.
    const close = adapted ? 1e-6 : 1e-9;
    expectClose(logits, expected.logits.data, { absolute: close, relative: close });
    const { loss, gradient } = tokenLoss(model, parameters, rows, likelihood);
    expectClose(loss, expected.loss, { absolute: 0, relative: 1e-6 });
    // Rows' weights are f32.
    expectGoldenGradient(tiny, gradient, 1e-6);
    if (!adapted) continue;
    model.adapted = false;
    const off = golden.input_ids.flatMap((ids) => [...model.forward(parameters, ids).logits]);
    expectClose(off, golden.logits.data, { absolute: 1e-9, relative: 1e-9 });
    expect(worst(off, logits)).toBeGreaterThan(0.01);
  }
});

const worst = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);

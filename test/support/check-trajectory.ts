import { expect } from "vitest";
import { adamW, clipCoefficient } from "../../src/kernels/reference/optimizer.ts";
import { tokenLoss } from "../../src/kernels/reference/token-loss.ts";
import { ReferenceTransformer } from "../../src/kernels/reference/transformer.ts";
import type { LanguageEngine } from "../../src/lm/language-engine.ts";
import { transformerLayout } from "../../src/nn/transformer-layout.ts";
import { loadParameters } from "./hf-tiny.ts";
import { manyRows, noisyParameters, policyConfig } from "./language-rows.ts";

/**
 * Fifty optimizer steps of an engine against fifty in f64, over rows of changing number and length: by the second step
 * what was planned is used again, and twice it no longer fits. Returns the largest relative differences of a loss and of
 * where the parameters went.
 */
export async function trajectoryDifference(
  engine: LanguageEngine,
): Promise<{ readonly loss: number; readonly path: number }> {
  const { shape } = engine;
  const layout = transformerLayout(shape);
  const start = noisyParameters(layout.length);
  await loadParameters(engine, start);
  const model = new ReferenceTransformer(shape, layout);
  const parameters = Float64Array.from(start);
  const learning = layout.length - layout.trainable;
  const learned = parameters.subarray(layout.trainable);
  const [first, second] = [new Float64Array(learning), new Float64Array(learning)];
  // Adam's epsilon is what keeps rounding in gradients that are nearly zero from becoming whole steps.
  const config = { ...policyConfig, kind: "likelihood", learningRate: 2e-3, adamEpsilon: 1e-3 } as const;
  let loss = 0;
  for (let step = 1; step <= 50; step++) {
    const rows = manyRows(shape, step % 20 === 0 ? 13 : 4 + (step % 3), step % 20 === 10 ? 18 : 12);
    const expected = tokenLoss(model, parameters, rows, config);
    const metrics = await engine.step(rows, config);
    loss = Math.max(loss, Math.abs(metrics.loss / expected.loss - 1));
    const gradient = expected.gradient.subarray(layout.trainable);
    const scale = clipCoefficient(Math.hypot(...gradient), config.maxGradientNorm);
    adamW(
      learned,
      gradient.map((g) => g * scale),
      first,
      second,
      step,
      {
        learningRate: config.learningRate,
        beta1: config.betas[0],
        beta2: config.betas[1],
        epsilon: config.adamEpsilon,
        weightDecay: config.weightDecay,
      },
    );
  }
  const after = (await engine.save()).parameters;
  const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
    Math.hypot(...Array.from({ length: layout.length }, (_, i) => a[i]! - b[i]!));
  expect(distance(parameters, start)).toBeGreaterThan(0.5);
  return { loss, path: distance(after, parameters) / distance(parameters, start) };
}

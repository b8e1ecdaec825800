import { ReferenceTransformer } from "../../src/kernels/reference/transformer.ts";
import type { TokenBatch } from "../../src/kernels/reference/token-loss.ts";
import type { ParameterLayout } from "../../src/nn/parameter-layout.ts";
import { transformerLayout, type TransformerShape } from "../../src/nn/transformer-layout.ts";
import { golden, type GoldenCase } from "./goldens.ts";

/** The golden file's two-layer Llama: vocabulary 11, width 8, two query heads on one key and value head of 4. */
export const tinyLlamaShape: TransformerShape = {
  vocabularySize: 11,
  width: 8,
  layers: 2,
  heads: 2,
  keyValueHeads: 1,
  headSize: 4,
  feedForward: 12,
  maxLength: 16,
  ropeBase: 1e4,
  normEpsilon: 1e-5,
  tiedHead: false,
};

/**
 * Weights and data of the golden `tiny_llama`. With `kind: "likelihood"` the loss of `batch` is the golden's
 * cross-entropy: targets ids[:, 1:], three of ten ignored, mean over the rest.
 */
export function tinyLlama(): {
  readonly golden: GoldenCase;
  readonly layout: ParameterLayout;
  readonly model: ReferenceTransformer;
  readonly parameters: Float64Array;
  readonly batch: TokenBatch;
} {
  const g = golden("tiny_llama");
  const layout = transformerLayout(tinyLlamaShape);
  const parameters = new Float64Array(layout.length);
  for (const { name, offset } of layout.tensors) parameters.set(g.input(`params/${name}`), offset);
  const targets = g.input("targets");
  const counted = targets.filter((id) => id >= 0).length;
  const weights = new Float64Array(12);
  targets.forEach((id, i) => {
    if (id >= 0) weights[Math.floor(i / 5) * 6 + (i % 5) + 1] = 1 / counted;
  });
  const batch = {
    rows: 2,
    length: 6,
    tokens: Int32Array.from(g.input("ids")),
    lengths: Int32Array.of(6, 6),
    weights,
    advantages: new Float32Array(12).fill(1),
    oldLogProbabilities: new Float32Array(12),
    importance: new Float32Array(12).fill(1),
    allowed: null,
  };
  return { golden: g, layout, model: new ReferenceTransformer(tinyLlamaShape, layout), parameters, batch };
}

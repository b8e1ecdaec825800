import { expectClose, golden } from "./goldens.ts";
import { tinyLlama, tinyLlamaShape } from "./tiny-llama.ts";
import type { LanguageEngine, TokenRows } from "../../src/lm/language-engine.ts";
import { transformerLayout, type TransformerShape } from "../../src/nn/transformer-layout.ts";

const shape: TransformerShape = {
  ...tinyLlamaShape,
  adapter: { rank: 4, alpha: 4, projections: [], promptTokens: 2 },
};

/** `soft_prompt`: two vectors in front of `tiny_llama`'s embeddings; cross-entropy, and its gradient by the vectors alone. */
export async function checkSoftPromptGolden(
  create: (shape: TransformerShape) => Promise<LanguageEngine>,
): Promise<void> {
  const g = golden("soft_prompt");
  const { parameters: base, layout: baseLayout, batch } = tinyLlama();
  const layout = transformerLayout(shape);
  const parameters = new Float32Array(layout.length);
  for (const { name, offset, length } of baseLayout.tensors) {
    const to = layout.tensors.find((tensor) => tensor.name === name)!.offset;
    parameters.set(base.subarray(offset, offset + length), to);
  }
  const prompt = layout.tensors.find(({ name }) => name === "prompt")!.offset;
  parameters.set(g.input("soft_prompt"), prompt);
  const engine = await create(shape);
  const zeros = new Float32Array(layout.length - layout.trainable);
  engine.load({ version: 1, parameters, firstMoment: zeros, secondMoment: zeros, optimizerStep: 0 });
  /** Two places more in front of each row of six. */
  const shifted = (values: ArrayLike<number>, first: (i: number) => number): number[] =>
    Array.from({ length: 16 }, (_, at) => {
      const column = at % 8;
      return column < 2 ? first(column) : values[Math.floor(at / 8) * 6 + column - 2]!;
    });
  const rows: TokenRows = {
    ...{ rows: 2, length: 8, lengths: Int32Array.of(8, 8), allowed: null },
    tokens: Int32Array.from(shifted(batch.tokens, (i) => tinyLlamaShape.vocabularySize + i)),
    weights: Float32Array.from(shifted(batch.weights, () => 0)),
    advantages: new Float32Array(16).fill(1),
    oldLogProbabilities: new Float32Array(16),
    importance: new Float32Array(16).fill(1),
  };
  const { loss } = await engine.step(rows, {
    ...{ kind: "likelihood", clipLow: 0.2, clipHigh: 0.2, dualClip: null, entropyCoefficient: 0 },
    ...{ learningRate: 0, betas: [0.9, 0.999], adamEpsilon: 1e-8, weightDecay: 0, maxGradientNorm: 1e9 },
  });
  expectClose(loss, g.scalar("loss"), g.f32);
  const { firstMoment } = await engine.save();
  const gradient = firstMoment.subarray(prompt - layout.trainable).map((moment) => moment * 10);
  expectClose([...gradient.subarray(0, 16)], g.output("grad"), g.f32, "gradient");
  engine.dispose();
}

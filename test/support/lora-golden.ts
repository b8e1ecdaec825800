import { expect } from "vitest";
import type { LanguageEngine, TokenLossConfig, TokenRows } from "../../src/lm/language-engine.ts";
import { transformerLayout, type TransformerShape } from "../../src/nn/transformer-layout.ts";
import { groupAdvantages } from "../../src/rl/group-advantages.ts";
import { expectClose, golden } from "./goldens.ts";
import { tinyLlama, tinyLlamaShape } from "./tiny-llama.ts";

/** Our ranks are multiples of 4: two rows and columns of zeros, and the same alpha / rank. */
const RANK = 4;
const shape: TransformerShape = {
  ...tinyLlamaShape,
  adapter: { rank: RANK, alpha: 2 * RANK, projections: ["q", "v"] },
};
const layout = transformerLayout(shape);
const adapters = layout.tensors.filter(({ offset }) => offset >= layout.trainable);
/** "l0.wq.a" as the golden names it. */
const goldenName = (name: string): string =>
  name.replace(/\.([ab])$/, (_, part: string) => `.${part.toUpperCase()}`);
/** Place of element i of a golden's tensor of rank 2 in ours. */
const placeOf = (name: string, i: number): number =>
  name.endsWith(".a") ? i : Math.floor(i / 2) * RANK + (i % 2);

const config = (loss: Partial<TokenLossConfig>): TokenLossConfig => ({
  ...{ kind: "likelihood", clipLow: 0.2, clipHigh: 0.2, dualClip: null, entropyCoefficient: 0 },
  ...{ learningRate: 0, betas: [0.9, 0.999], adamEpsilon: 1e-8, weightDecay: 0, maxGradientNorm: 1e9 },
  ...loss,
});

/** `tiny_llama_lora`: cross-entropy, then GRPO with k3 towards the model without its adapter, with four steps of AdamW. */
export async function checkLoraGolden(
  create: (shape: TransformerShape) => Promise<LanguageEngine>,
): Promise<void> {
  const g = golden("tiny_llama_lora");
  const { parameters: base, layout: baseLayout, batch } = tinyLlama();
  const parameters = new Float32Array(layout.length);
  for (const { name, offset, length } of baseLayout.tensors) {
    const to = layout.tensors.find((tensor) => tensor.name === name)!.offset;
    parameters.set(base.subarray(offset, offset + length), to);
  }
  for (const { name, offset } of adapters) {
    g.input(`lora/${goldenName(name)}`).forEach((value, i) => {
      parameters[offset + placeOf(name, i)] = value;
    });
  }
  const engine = await create(shape);
  const zeros = new Float32Array(layout.length - layout.trainable);
  const state = {
    version: 1,
    parameters,
    firstMoment: zeros,
    secondMoment: zeros,
    optimizerStep: 0,
  } as const;
  const expectGradients = async (group: string): Promise<void> => {
    const { firstMoment } = await engine.save();
    for (const { name, offset } of adapters) {
      const expected = g.output(`${group}/${goldenName(name)}`);
      const found = expected.map((_, i) => firstMoment[offset - layout.trainable + placeOf(name, i)]! * 10);
      expectClose(found, expected, g.f32, `${group}, ${name}`);
    }
  };

  engine.load(state);
  const likelihood = { ...batch, weights: Float32Array.from(batch.weights) } as TokenRows;
  expectClose((await engine.step(likelihood, config({}))).loss, g.scalar("ce_loss"), g.f32);
  await expectGradients("ce_grads");

  engine.load(state);
  const mask = g.input("mask");
  const total = mask.reduce((sum, one) => sum + one, 0);
  const { advantages } = groupAdvantages(
    { name: "standardized", epsilon: 1e-4 },
    g.input("rewards"),
    [0, 0, 0, 0],
  );
  expectClose(advantages, g.output("advantages"));
  /** Three prompt tokens, then four of the answer. */
  const padded = (value: (i: number) => number): Float32Array =>
    Float32Array.from({ length: 28 }, (_, at) =>
      at % 7 < 3 ? 0 : value(Math.floor(at / 7) * 4 + (at % 7) - 3),
    );
  const rows: TokenRows = {
    ...{ rows: 4, length: 7, tokens: Int32Array.from(g.input("completions")), allowed: null },
    lengths: new Int32Array(4).fill(7),
    weights: padded((i) => mask[i]! / total),
    advantages: padded((i) => advantages[Math.floor(i / 4)]!),
    oldLogProbabilities: padded((i) => g.input("old_logp")[i]!),
    importance: new Float32Array(28).fill(1),
  };
  const answers = (values: Float32Array): number[] => [...values].filter((_, at) => at % 7 >= 3);
  const { logProbabilities: reference } = await engine.score(rows, { adapter: false });
  expectClose(answers(reference), g.output("ref_logp"), g.f32);
  expectClose(answers((await engine.score(rows)).logProbabilities), g.output("logp"), g.f32);
  const grpo = config({
    ...{ kind: "policy", kl: { coefficient: 0.04, estimator: "k3" }, learningRate: 0.02 },
    maxGradientNorm: 1,
  });
  const withReference = { ...rows, referenceLogProbabilities: reference };
  const still = { ...grpo, learningRate: 0, maxGradientNorm: 1e9 };
  expectClose((await engine.step(withReference, still)).loss, g.scalar("grpo_loss"), g.f32);
  await expectGradients("grpo_grads");
  engine.load(state);
  const losses: number[] = [];
  for (let step = 0; step < 4; step++) losses.push((await engine.step(withReference, grpo)).loss);
  expectClose(losses, g.output("grpo_adamw_losses"), g.f32);
  // Nothing but the adapter has moved.
  const after = (await engine.save()).parameters;
  expect(after.findIndex((value, i) => i < layout.trainable && value !== parameters[i])).toBe(-1);
  engine.dispose();
}

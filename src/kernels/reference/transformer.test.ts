import { expect, test } from "vitest";
import { transformerLayout, type TransformerShape } from "../../nn/transformer-layout.ts";
import { expectClose, golden, type GoldenCase } from "../../../test/support/goldens.ts";
import { tinyLlama } from "../../../test/support/tiny-llama.ts";
import { adamW } from "./optimizer.ts";
import { categorical } from "./categorical.ts";
import { ReferenceTransformer } from "./transformer.ts";
import { tokenLoss } from "./token-loss.ts";
import * as layers from "./transformer-layers.ts";

test("rmsnorm", () => {
  const g = golden("rmsnorm");
  const x = Float64Array.from(g.input("x"));
  const dy = Float64Array.from(g.input("dy"));
  expectClose(layers.rmsNorm(x, g.input("g"), 0, 6, 1e-5), g.output("y"));
  const dg = new Float64Array(6);
  expectClose(layers.rmsNormBackward(dy, x, g.input("g"), 0, 6, 1e-5, dg), g.output("d_x"));
  expectClose(dg, g.output("d_g"));
});

test("swiglu_mlp", () => {
  const g = golden("swiglu_mlp");
  const parameters = [...g.input("w1"), ...g.input("w3"), ...g.input("w2")];
  const x = Float64Array.from(g.input("x"));
  const gate = layers.linear(x, parameters, 0, 4, 6);
  const up = layers.linear(x, parameters, 24, 4, 6);
  const activated = layers.swiGlu(gate, up);
  expectClose(layers.linear(activated, parameters, 48, 6, 4), g.output("y"));
  const gradient = new Float64Array(72);
  const dActivated = layers.linearBackward(
    Float64Array.from(g.input("dy")),
    activated,
    parameters,
    48,
    6,
    4,
    gradient,
  );
  const { dGate, dUp } = layers.swiGluBackward(dActivated, gate, up);
  const fromGate = layers.linearBackward(dGate, x, parameters, 0, 4, 6, gradient);
  const fromUp = layers.linearBackward(dUp, x, parameters, 24, 4, 6, gradient);
  expectClose(
    fromGate.map((v, i) => v + fromUp[i]!),
    g.output("d_x"),
  );
  expectClose(gradient, [...g.output("d_w1"), ...g.output("d_w3"), ...g.output("d_w2")]);
});

test("lora_linear", () => {
  const g = golden("lora_linear");
  const [x, dy] = [Float64Array.from(g.input("x")), Float64Array.from(g.input("dy"))];
  const parameters = [...g.input("w"), ...g.input("A"), ...g.input("B")];
  const adapter = { a: 20, b: 28, rank: 2, alpha: 4 };
  const y = layers.linear(x, parameters, 0, 4, 5);
  const added = layers.lowRank(x, parameters, adapter, 4, 5);
  expectClose(
    y.map((v, i) => v + added[i]!),
    g.output("y"),
  );
  const gradient = new Float64Array(38);
  const plain = layers.linearBackward(dy, x, parameters, 0, 4, 5, gradient);
  const low = layers.lowRankBackward(dy, x, parameters, adapter, 4, 5, gradient);
  expectClose(
    plain.map((v, i) => v + low[i]!),
    g.output("d_x"),
  );
  expectClose(gradient, [...g.output("d_w"), ...g.output("d_A"), ...g.output("d_B")]);
});

test("rope_rotate_half", () => {
  const g = golden("rope_rotate_half");
  const positions = Array.from({ length: 20 }, (_, row) => [0, 1, 2, 3, 7][row % 5]!);
  expectClose(layers.rope(Float64Array.from(g.input("x")), positions, 8, 1e4, 1), g.output("y"));
  expectClose(layers.rope(Float64Array.from(g.input("dy")), positions, 8, 1e4, -1), g.output("d_x"));
});

/** [H, T, D] of one batch element as [T, H, D], and back. */
function swap(data: ArrayLike<number>, a: number, b: number, d: number): Float64Array {
  const out = new Float64Array(a * b * d);
  for (let i = 0; i < a; i++) {
    for (let j = 0; j < b; j++) {
      for (let k = 0; k < d; k++) out[(j * a + i) * d + k] = data[(i * b + j) * d + k]!;
    }
  }
  return out;
}

function checkAttention(name: string): void {
  const g: GoldenCase = golden(name);
  const [batch, heads, length, headSize] = (g.raw.inputs["q"] as { shape: number[] }).shape as [
    number,
    number,
    number,
    number,
  ];
  const keyValueHeads = (g.raw.inputs["k"] as { shape: number[] }).shape[1]!;
  const keyMask = g.params["key_mask"] as number[][] | undefined;
  for (let b = 0; b < batch; b++) {
    const take = (data: readonly number[], h: number): Float64Array =>
      swap(data.slice(b * h * length * headSize, (b + 1) * h * length * headSize), h, length, headSize);
    const shape = {
      heads,
      keyValueHeads,
      headSize,
      ...(keyMask ? { keys: keyMask[b]!.reduce((a, c) => a + c, 0) } : {}),
    };
    const q = take(g.input("q"), heads);
    const k = take(g.input("k"), keyValueHeads);
    const v = take(g.input("v"), keyValueHeads);
    const { output, probabilities } = layers.attention(q, k, v, shape);
    expectClose(output, take(g.output("y"), heads), undefined, `${name} y`);
    const back = layers.attentionBackward(take(g.input("dy"), heads), q, k, v, probabilities, shape);
    expectClose(back.dq, take(g.output("d_q"), heads), undefined, `${name} dq`);
    expectClose(back.dk, take(g.output("d_k"), keyValueHeads), undefined, `${name} dk`);
    expectClose(back.dv, take(g.output("d_v"), keyValueHeads), undefined, `${name} dv`);
  }
}

test.each(["attention_causal_mha", "attention_causal_gqa", "attention_right_padding"])("%s", checkAttention);

test("tiny_llama: logits, loss, gradients, log-probabilities, greedy continuation", () => {
  const { golden: g, model, parameters, layout, batch } = tinyLlama();
  const rows = [0, 1].map((row) => g.input("ids").slice(row * 6, row * 6 + 5));
  const logits = rows.flatMap((ids) => [...model.forward(parameters, ids).logits]);
  expectClose(logits, g.output("logits"));

  const sft = { kind: "likelihood", clipLow: 0, clipHigh: 0, dualClip: null, entropyCoefficient: 0 } as const;
  const { loss, gradient, logProbabilities } = tokenLoss(model, parameters, batch, sft);
  expectClose(loss, g.scalar("loss"));
  expectClose(
    [0, 1].flatMap((row) => [...logProbabilities.subarray(row * 6 + 1, row * 6 + 6)]),
    g.output("token_logp"),
  );
  for (const { name, offset, length } of layout.tensors) {
    expectClose(gradient.subarray(offset, offset + length), g.output(`grads/${name}`), undefined, name);
  }

  const sequence = g.input("ids").slice(0, 3);
  for (let i = 0; i < 6; i++) {
    const last = model.forward(parameters, sequence).logits.slice(-11);
    sequence.push(last.indexOf(Math.max(...last)));
  }
  expect(sequence).toEqual(g.output("greedy_from_first3"));
});

test("tiny_llama: five AdamW losses", () => {
  const { golden: g, model, parameters, batch } = tinyLlama();
  const objective = {
    kind: "likelihood",
    clipLow: 0,
    clipHigh: 0,
    dualClip: null,
    entropyCoefficient: 0,
  } as const;
  const first = new Float64Array(model.length);
  const second = new Float64Array(model.length);
  const losses: number[] = [];
  for (let step = 1; step <= 5; step++) {
    const { loss, gradient } = tokenLoss(model, parameters, batch, objective);
    losses.push(loss);
    adamW(parameters, gradient, first, second, step, {
      learningRate: 0.01,
      beta1: 0.9,
      beta2: 0.95,
      epsilon: 1e-8,
      weightDecay: 0.1,
    });
  }
  expectClose(losses, g.output("adamw_losses"));
});

test("finite differences through the whole model: clip, dual clip, importance, entropy, allowed ids, padding", () => {
  const shape: TransformerShape = {
    vocabularySize: 7,
    width: 6,
    layers: 2,
    heads: 2,
    keyValueHeads: 1,
    headSize: 4,
    feedForward: 5,
    maxLength: 8,
    ropeBase: 100,
    normEpsilon: 1e-5,
    tiedHead: true,
  };
  const model = new ReferenceTransformer(shape, transformerLayout(shape));
  let state = 12345;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  const parameters = Float64Array.from({ length: model.length }, random);
  const allowed = Int32Array.of(1, 2, 3, 5);
  const rows = 4;
  const length = 6;
  const lengths = [6, 4, 5, 6];
  const tokens = Array.from({ length: rows * length }, () => allowed[Math.floor((random() + 0.5) * 4)]!);
  const weights = tokens.map((_, i) =>
    i % length < 2 || i % length >= lengths[Math.floor(i / length)]! ? 0 : 0.3,
  );
  // Old log-probabilities near and far from the new ones, so that every branch of the clip is taken.
  const logProbabilities = tokens.map((_, i) => {
    const row = Math.floor(i / length);
    const t = i % length;
    if (t === 0) return 0;
    const { logits } = model.forward(parameters, tokens.slice(row * length, i));
    const mask = Array.from({ length: 7 }, (_, k) => (allowed.includes(k) ? 1 : 0));
    return categorical(logits.slice(-7), mask).logProbabilities[tokens[i]!]!;
  });
  const batch = {
    rows,
    length,
    tokens,
    lengths,
    weights,
    advantages: tokens.map((_, i) => (i % 3 === 0 ? -1.3 : 0.9)),
    oldLogProbabilities: logProbabilities.map((p, i) => p + [0.05, -0.5, 0.4, -2][i % 4]!),
    importance: tokens.map((_, i) => (i % 5 === 0 ? 0.5 : 1)),
    allowed,
  };
  const objective = {
    kind: "policy",
    clipLow: 0.2,
    clipHigh: 0.28,
    dualClip: 3,
    entropyCoefficient: 0.1,
  } as const;
  const { gradient, clipFraction } = tokenLoss(model, parameters, batch, objective);
  expect(clipFraction).toBeGreaterThan(0.1);
  expect(clipFraction).toBeLessThan(0.8);
  const h = 1e-6;
  for (let i = 0; i < parameters.length; i += 3) {
    const at = (value: number): number => {
      const moved = parameters.slice();
      moved[i] = value;
      return tokenLoss(model, moved, batch, objective).loss;
    };
    const difference = (at(parameters[i]! + h) - at(parameters[i]! - h)) / (2 * h);
    expect(Math.abs(difference - gradient[i]!), `parameter ${i}`).toBeLessThan(1e-7);
  }
});

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openGpuDevice, type GpuDevice } from "../../src/gpu/device.ts";
import { tokenLoss } from "../../src/kernels/reference/token-loss.ts";
import { ReferenceTransformer } from "../../src/kernels/reference/transformer.ts";
import { createCpuLanguageEngine } from "../../src/lm/cpu-language-engine.ts";
import type {
  GenerateRequest,
  LanguageEngine,
  TokenLossConfig,
  TokenRows,
} from "../../src/lm/language-engine.ts";
import { createWebGpuLanguageEngine } from "../../src/lm/webgpu-language-engine.ts";
import { transformerLayout, type TransformerShape } from "../../src/nn/transformer-layout.ts";
import { expectClose } from "../support/goldens.ts";
import { installNodeGpu } from "../support/node-gpu.ts";
import { tinyLlama, tinyLlamaShape } from "../support/tiny-llama.ts";

const gpu = await installNodeGpu();

const shape: TransformerShape = {
  vocabularySize: 13,
  width: 24,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headSize: 8,
  feedForward: 20,
  maxLength: 20,
  ropeBase: 1e4,
  normEpsilon: 1e-5,
  tiedHead: true,
};

const config: TokenLossConfig = {
  kind: "policy",
  clipLow: 0.2,
  clipHigh: 0.28,
  dualClip: 3,
  entropyCoefficient: 0.02,
  learningRate: 0.01,
  betas: [0.9, 0.99],
  adamEpsilon: 1e-8,
  weightDecay: 0.1,
  maxGradientNorm: 1,
};

const supervised: TokenLossConfig = {
  ...{ kind: "likelihood", clipLow: 0, clipHigh: 0, dualClip: null, entropyCoefficient: 0 },
  ...{ learningRate: 0.01, betas: [0.9, 0.95], adamEpsilon: 1e-8, weightDecay: 0.1, maxGradientNorm: 1e9 },
};

/** Start weights are small; these make distributions that differ. */
async function strengthen(engine: LanguageEngine): Promise<void> {
  const state = await engine.save();
  const deviation = Math.sqrt(
    state.parameters.reduce((sum, p) => sum + (p === 1 ? 0 : p * p), 0) / state.parameters.length,
  );
  engine.load({ ...state, parameters: state.parameters.map((p) => (p === 1 ? 1 : (p * 0.3) / deviation)) });
}

function requests(count: number, options: Partial<GenerateRequest> = {}): GenerateRequest[] {
  return Array.from({ length: count }, (_, i) => ({
    prompt: Int32Array.from({ length: 1 + (i % 5) }, (_, t) => (t === 0 ? 1 : (((i * 7) % 3) + t * 3) % 13)),
    maxTokens: 4 + (i % 9),
    temperature: i % 4 === 3 ? 0.7 : 1,
    stopTokens: [2],
    allowed: i % 3 === 0 ? Int32Array.of(2, 3, 4, 5, 6, 9) : null,
    seed: 1000 + i,
    ...options,
  }));
}

/** Rows of different lengths, some with a common prefix, one that ends where another goes on. */
function rowsOf(s: TransformerShape, rows = 7, length = 12): TokenRows {
  const allowed = Int32Array.of(2, 3, 4, 5, 6, 7, 9);
  const tokens = new Int32Array(rows * length);
  const lengths = Int32Array.from({ length: rows }, (_, row) => [length, 9, length, 10, 1, 7, 5][row % 7]!);
  for (let row = 0; row < rows; row++) {
    const group = row % 7 < 3 ? 0 : row;
    for (let t = 0; t < lengths[row]!; t++) {
      const common = row % 7 === 1 ? 0 : row;
      tokens[row * length + t] = t < 4 ? (group + t * 5) % s.vocabularySize : allowed[(common * t + t) % 7]!;
    }
  }
  const used = (i: number): boolean => i % length >= 4 && i % length < lengths[Math.floor(i / length)]!;
  return {
    rows,
    length,
    tokens,
    lengths,
    weights: Float32Array.from(tokens, (_, i) => (used(i) && i % 11 !== 0 ? 1 / 32 : 0)),
    advantages: Float32Array.from(
      tokens,
      (_, i) => [0.7, -0.5, 1.1, -1.4, 0, 0.3, -0.8][Math.floor(i / length) % 7]!,
    ),
    oldLogProbabilities: Float32Array.from(tokens, (_, i) => -2 - (i % 3) * 0.4),
    importance: Float32Array.from(tokens, (_, i) => (i % 7 === 0 ? 0.5 : 1)),
    allowed,
  };
}

describe.skipIf(gpu === null)("the WebGPU language engine", () => {
  let device: GpuDevice;
  let engine: LanguageEngine;

  beforeAll(async () => {
    device = (await openGpuDevice(gpu))!;
    engine = await createWebGpuLanguageEngine(shape, { seed: 5, device });
    await strengthen(engine);
  });
  afterAll(() => {
    engine.dispose();
    device.dispose();
  });

  test("tiny_llama: log-probabilities, gradients, greedy continuation and five AdamW losses", async () => {
    const { golden: g, parameters, batch, layout } = tinyLlama();
    const tiny = await createWebGpuLanguageEngine(tinyLlamaShape, { seed: 1, device });
    const zero = (await tiny.save()).firstMoment;
    tiny.load({
      ...{ version: 1, parameters: Float32Array.from(parameters) },
      ...{ firstMoment: zero, secondMoment: zero, optimizerStep: 0 },
    });
    const rows = { ...batch, weights: Float32Array.from(batch.weights) } as TokenRows;
    const { logProbabilities } = await tiny.score(rows);
    expectClose(
      [0, 1].flatMap((row) => [...logProbabilities.subarray(row * 6 + 1, row * 6 + 6)]),
      g.output("token_logp"),
      g.f32,
    );
    const [greedy] = await tiny.generate([
      {
        ...{ prompt: Int32Array.from(g.input("ids").slice(0, 3)), maxTokens: 6, temperature: 0 },
        ...{ stopTokens: [], allowed: null, seed: 0 },
      },
    ]);
    expect([...greedy!.tokens]).toEqual(g.output("greedy_from_first3").slice(3));
    const losses: number[] = [];
    for (let step = 0; step < 5; step++) {
      losses.push((await tiny.step(rows, supervised)).loss);
      if (step > 0) continue;
      const { firstMoment } = await tiny.save();
      for (const { name, offset, length } of layout.tensors) {
        expectClose(
          firstMoment.subarray(offset, offset + length).map((m) => m * 10),
          g.output(`grads/${name}`),
          { absolute: 5e-6, relative: 2e-5 },
          name,
        );
      }
    }
    expectClose(losses, g.output("adamw_losses"), g.f32);
    tiny.dispose();
  });

  test("loss, metrics and gradient are those of the f64 reference", async () => {
    const rows = rowsOf(shape);
    const before = await engine.save();
    const reference = tokenLoss(
      new ReferenceTransformer(shape, transformerLayout(shape)),
      before.parameters,
      rows,
      config,
    );
    const scored = await engine.score(rows);
    for (let i = 0; i < rows.tokens.length; i++) {
      if (!(rows.weights[i]! > 0)) continue;
      expectClose(scored.logProbabilities[i]!, reference.logProbabilities[i]!, {
        absolute: 2e-5,
        relative: 2e-5,
      });
      expectClose(scored.entropies[i]!, reference.entropies[i]!, { absolute: 2e-5, relative: 2e-5 });
    }
    const metrics = await engine.step(rows, config);
    const after = await engine.save();
    const norm = Math.hypot(...reference.gradient);
    const clip = Math.min(1, 1 / (norm + 1e-6));
    expect(reference.clipFraction).toBeGreaterThan(0.1);
    expectClose(metrics.loss, reference.loss, { absolute: 1e-5, relative: 1e-5 });
    expectClose(metrics.entropy, reference.entropy, { absolute: 1e-5, relative: 1e-5 });
    expectClose(metrics.approximateKl, reference.approximateKl, { absolute: 1e-5, relative: 1e-4 });
    expectClose(metrics.clipFraction, reference.clipFraction, { absolute: 1e-6, relative: 0 });
    expectClose(metrics.gradientNorm, norm, { absolute: 0, relative: 1e-4 });
    expect(metrics.tokens).toBe(reference.tokens);
    expectClose(
      after.firstMoment.map((m) => m / 0.1 / clip),
      reference.gradient,
      { absolute: 1e-5 * norm, relative: 1e-4 },
      "gradient",
    );
    engine.load(before);
  });

  test("a request's tokens are the same alone, batched, crowded, and as the CPU engine's", async () => {
    const all = requests(40);
    const together = await engine.generate(all);
    const small = await createWebGpuLanguageEngine(shape, { seed: 1, maxBatch: 3, device });
    small.load(await engine.save());
    expect(await small.generate(all)).toEqual(together);
    for (const i of [39, 3, 17, 0]) expect((await engine.generate([all[i]!]))[0]).toEqual(together[i]!);
    const separate = await Promise.all(all.map(async (request) => (await small.generate([request]))[0]!));
    expect(separate).toEqual(together);
    small.dispose();
    const cpu = await createCpuLanguageEngine(shape, { seed: 1 });
    cpu.load(await engine.save());
    const twins = await cpu.generate(all);
    together.forEach((g, i) => {
      expect([...g.tokens], `request ${i}`).toEqual([...twins[i]!.tokens]);
      expect(g.finishReason).toBe(twins[i]!.finishReason);
      expectClose(g.logProbabilities, twins[i]!.logProbabilities, { absolute: 2e-5, relative: 2e-5 });
      expectClose(g.samplerLogProbabilities, twins[i]!.samplerLogProbabilities, {
        absolute: 3e-5,
        relative: 3e-5,
      });
    });
    expect(new Set(together.map((g) => [...g.tokens].join())).size).toBeGreaterThan(20);
    expect(together.some((g) => g.finishReason === "stop")).toBe(true);
    expect(together.some((g) => g.finishReason === "length")).toBe(true);
  });
});

import { describe, expect, test } from "vitest";
import { gumbelNoise } from "../kernels/gumbel.ts";
import { tokenLoss } from "../kernels/reference/token-loss.ts";
import { ReferenceTransformer } from "../kernels/reference/transformer.ts";
import { transformerLayout, type TransformerShape } from "../nn/transformer-layout.ts";
import { expectClose } from "../../test/support/goldens.ts";
import { tinyLlama, tinyLlamaShape } from "../../test/support/tiny-llama.ts";
import { createCpuLanguageEngine } from "./cpu-language-engine.ts";
import type { GenerateRequest, LanguageEngine, TokenLossConfig, TokenRows } from "./language-engine.ts";

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

/** Start weights are small; these make distributions that differ. */
async function engineWithStrongWeights(s = shape, seed = 5, maxBatch = 256): Promise<LanguageEngine> {
  const engine = await createCpuLanguageEngine(s, { seed, maxBatch });
  const state = await engine.save();
  engine.load({ ...state, parameters: state.parameters.map((p) => (p === 1 ? 1 : p * 5)) });
  return engine;
}

function requests(count: number, options: Partial<GenerateRequest> = {}): GenerateRequest[] {
  return Array.from({ length: count }, (_, i) => ({
    prompt: Int32Array.from({ length: 1 + (i % 5) }, (_, t) => (t === 0 ? 1 : (i * 7 + t * 3) % 13)),
    maxTokens: 4 + (i % 9),
    temperature: i % 4 === 3 ? 0.7 : 1,
    stopTokens: [2],
    allowed: i % 3 === 0 ? Int32Array.of(2, 3, 4, 5, 6, 9) : null,
    seed: 1000 + i,
    ...options,
  }));
}

/** Rows of different lengths, some with a common prefix. */
function rowsOf(s: TransformerShape): TokenRows {
  const rows = 7;
  const length = 12;
  const allowed = Int32Array.of(2, 3, 4, 5, 6, 7, 9);
  const tokens = new Int32Array(rows * length);
  const lengths = Int32Array.of(12, 9, 12, 10, 1, 7, 5);
  for (let row = 0; row < rows; row++) {
    const group = row < 3 ? 0 : row;
    for (let t = 0; t < lengths[row]!; t++) {
      tokens[row * length + t] = t < 4 ? (group + t * 5) % s.vocabularySize : allowed[(row * t + t) % 7]!;
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
      (_, i) => [0.7, -0.5, 1.1, -1.4, 0, 0.3, -0.8][Math.floor(i / length)]!,
    ),
    oldLogProbabilities: Float32Array.from(tokens, (_, i) => -2 - (i % 3) * 0.4),
    importance: Float32Array.from(tokens, (_, i) => (i % 7 === 0 ? 0.5 : 1)),
    allowed,
  };
}

test("tiny_llama: log-probabilities, greedy continuation and five AdamW losses", async () => {
  const { golden: g, parameters, batch } = tinyLlama();
  const engine = await createCpuLanguageEngine(tinyLlamaShape, { seed: 1 });
  const zero = (await engine.save()).firstMoment;
  engine.load({
    version: 1,
    parameters: Float32Array.from(parameters),
    firstMoment: zero,
    secondMoment: zero.slice(),
    optimizerStep: 0,
  });
  const rows = { ...batch, weights: Float32Array.from(batch.weights) } as TokenRows;
  const { logProbabilities } = await engine.score(rows);
  expectClose(
    [0, 1].flatMap((row) => [...logProbabilities.subarray(row * 6 + 1, row * 6 + 6)]),
    g.output("token_logp"),
    g.f32,
  );
  const [greedy] = await engine.generate([
    {
      prompt: Int32Array.from(g.input("ids").slice(0, 3)),
      maxTokens: 6,
      temperature: 0,
      stopTokens: [],
      allowed: null,
      seed: 0,
    },
  ]);
  expect([...greedy!.tokens]).toEqual(g.output("greedy_from_first3").slice(3));
  const losses: number[] = [];
  for (let step = 0; step < 5; step++) {
    const metrics = await engine.step(rows, {
      ...{ kind: "likelihood", clipLow: 0, clipHigh: 0, dualClip: null, entropyCoefficient: 0 },
      ...{
        learningRate: 0.01,
        betas: [0.9, 0.95],
        adamEpsilon: 1e-8,
        weightDecay: 0.1,
        maxGradientNorm: 1e9,
      },
    });
    losses.push(metrics.loss);
  }
  expectClose(losses, g.output("adamw_losses"), { absolute: 2e-6, relative: 2e-5 });
});

test.each([
  ["tied head, grouped queries", shape],
  ["untied head, one layer", { ...shape, tiedHead: false, layers: 1, keyValueHeads: 4 }],
  ["head size 4", { ...shape, headSize: 4, feedForward: 32, width: 16 }],
])("loss, metrics and gradient are those of the f64 reference: %s", async (_, s) => {
  const engine = await engineWithStrongWeights(s);
  const rows = rowsOf(s);
  const before = await engine.save();
  const reference = tokenLoss(
    new ReferenceTransformer(s, transformerLayout(s)),
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
  // After one step from zero moments, the first moment is (1 - beta1) x the clipped gradient.
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
});

describe("generation", () => {
  test("a request's tokens are the same alone, batched, crowded, and after others", async () => {
    const engine = await engineWithStrongWeights();
    const all = requests(40);
    const together = await engine.generate(all);
    const crowded = await (await engineWithStrongWeights(shape, 5, 3)).generate(all);
    expect(crowded).toEqual(together);
    const fresh = await engineWithStrongWeights();
    for (const i of [39, 3, 17, 0]) {
      const [alone] = await fresh.generate([all[i]!]);
      expect(alone).toEqual(together[i]!);
    }
    const separate = await Promise.all(all.map(async (request) => (await fresh.generate([request]))[0]!));
    expect(separate).toEqual(together);
    expect(new Set(together.map((g) => [...g.tokens].join())).size).toBeGreaterThan(20);
    expect(together.some((g) => g.finishReason === "stop")).toBe(true);
    expect(together.some((g) => g.finishReason === "length")).toBe(true);
    for (const [i, g] of together.entries()) {
      expect(g.tokens.length).toBeLessThanOrEqual(all[i]!.maxTokens);
      const { allowed } = all[i]!;
      if (allowed) expect([...g.tokens].every((id) => allowed.includes(id))).toBe(true);
    }
  });

  test("more prompt tokens than a round takes change nothing", async () => {
    const all = requests(45).map((request, i) => ({
      ...request,
      prompt: Int32Array.from(
        { length: 12 + (i % 4) },
        (_, t) => (Math.imul(i + 1, 2654435761) >>> (t + 1)) % 13,
      ),
    }));
    expect(all.reduce((sum, { prompt }) => sum + prompt.length, 0)).toBeGreaterThan(512);
    const together = await (await engineWithStrongWeights()).generate(all);
    const engine = await engineWithStrongWeights();
    for (const i of [44, 43, 0, 20]) expect(await engine.generate([all[i]!])).toEqual([together[i]]);
  });

  test("the cached decode gives the log-probabilities of a full pass, bit for bit", async () => {
    const engine = await engineWithStrongWeights();
    const all = requests(12, { allowed: null, temperature: 1 });
    const generations = await engine.generate(all);
    const length = 20;
    const tokens = new Int32Array(12 * length);
    generations.forEach((g, row) => {
      tokens.set(all[row]!.prompt, row * length);
      tokens.set(g.tokens, row * length + all[row]!.prompt.length);
    });
    const lengths = Int32Array.from(generations, (g, row) => g.tokens.length + all[row]!.prompt.length);
    const zeros = new Float32Array(12 * length);
    const { logProbabilities } = await engine.score({
      ...{ rows: 12, length, tokens, lengths, weights: zeros, advantages: zeros },
      ...{ oldLogProbabilities: zeros, importance: zeros, allowed: null },
    });
    generations.forEach((g, row) => {
      const start = row * length + all[row]!.prompt.length;
      expect(logProbabilities.subarray(start, start + g.tokens.length)).toEqual(g.logProbabilities);
      expect(g.samplerLogProbabilities).toEqual(g.logProbabilities);
    });
  });

  test("a token is the largest of the reference's logits plus the noise of its seed, place and id", async () => {
    const engine = await engineWithStrongWeights();
    const { parameters } = await engine.save();
    const model = new ReferenceTransformer(shape, transformerLayout(shape));
    const all = requests(10, { allowed: null, temperature: 0.8, maxTokens: 10, stopTokens: [] });
    const generations = await engine.generate(all);
    generations.forEach((g, i) => {
      const sequence = Array.from(all[i]!.prompt);
      for (const id of g.tokens) {
        const noise = gumbelNoise(all[i]!.seed, sequence.length, 13);
        const perturbed = Array.from(
          model.forward(parameters, sequence).logits.slice(-13),
          (x, k) => x / 0.8 + noise[k]!,
        );
        expect(id).toBe(perturbed.indexOf(Math.max(...perturbed)));
        sequence.push(id);
      }
    });
  });

  test("samples follow the policy at the temperature", async () => {
    const engine = await engineWithStrongWeights();
    const allowed = Int32Array.of(3, 4, 5, 6);
    const draw = (temperature: number): Promise<readonly number[]> =>
      engine
        .generate(
          Array.from({ length: 4000 }, (_, seed) => ({
            ...{ prompt: Int32Array.of(1, 7), maxTokens: 1, temperature, stopTokens: [], allowed, seed },
          })),
        )
        .then((all) => all.map((g) => g.tokens[0]!));
    const probabilities: number[] = [];
    for (const id of allowed) {
      const { logProbabilities } = await engine.score({
        ...{ rows: 1, length: 3, tokens: Int32Array.of(1, 7, id), lengths: Int32Array.of(3) },
        ...{ weights: new Float32Array(3), advantages: new Float32Array(3) },
        ...{ oldLogProbabilities: new Float32Array(3), importance: new Float32Array(3), allowed },
      });
      probabilities.push(Math.exp(logProbabilities[2]!));
    }
    for (const temperature of [1, 0.5]) {
      const sampled = await draw(temperature);
      const total = probabilities.reduce((sum, p) => sum + p ** (1 / temperature), 0);
      probabilities.forEach((p, k) => {
        const expected = p ** (1 / temperature) / total;
        const share = sampled.filter((id) => id === allowed[k]).length / sampled.length;
        expect(Math.abs(share - expected)).toBeLessThan(
          4 * Math.sqrt((expected * (1 - expected)) / 4000) + 1e-3,
        );
      });
    }
  });

  test("tokens are announced in order; aborting keeps what there is; a full context ends with length", async () => {
    const engine = await engineWithStrongWeights();
    const controller = new AbortController();
    const seen: number[] = [];
    const common = { prompt: Int32Array.of(1), temperature: 1, stopTokens: [], allowed: null, seed: 4 };
    const [aborted, full] = await engine.generate([
      {
        ...common,
        maxTokens: 15,
        signal: controller.signal,
        onToken: (id): void => {
          if (seen.push(id) === 5) controller.abort();
        },
      },
      { ...common, maxTokens: 1000 },
    ]);
    expect(aborted!.finishReason).toBe("abort");
    expect([...aborted!.tokens]).toEqual(seen);
    expect(seen.length).toBe(5);
    expect(full!.finishReason).toBe("length");
    expect(full!.tokens.length).toBe(shape.maxLength - 1);
    expect([...full!.tokens.subarray(0, 5)]).toEqual(seen);
  });

  test("a step waits for the completions in flight, and later ones see the new weights", async () => {
    const engine = await engineWithStrongWeights();
    const first = engine.generate(requests(6));
    const step = engine.step(rowsOf(shape), config);
    const second = engine.generate(requests(6));
    expect((await first).every((g) => g.policyVersion === 0)).toBe(true);
    await step;
    expect((await second).every((g) => g.policyVersion === 1)).toBe(true);
    expect((await second).map((g) => [...g.logProbabilities])).not.toEqual(
      (await first).map((g) => [...g.logProbabilities]),
    );
  });

  test("bad requests are refused with their reason", async () => {
    const engine = await createCpuLanguageEngine(shape, { seed: 1 });
    const [good] = requests(1);
    const refusal = (change: Partial<GenerateRequest>): Promise<unknown> =>
      engine.generate([{ ...good!, ...change }]).catch((error: unknown) => (error as { code: string }).code);
    expect(await refusal({ prompt: new Int32Array(0) })).toBe("lm/empty-prompt");
    expect(await refusal({ prompt: new Int32Array(20) })).toBe("lm/prompt-too-long");
    expect(await refusal({ prompt: Int32Array.of(13) })).toBe("lm/unknown-token");
    expect(await refusal({ temperature: NaN })).toBe("lm/bad-temperature");
    expect(await refusal({ allowed: new Int32Array(0) })).toBe("lm/bad-allowed");
    await expect(createCpuLanguageEngine({ ...shape, width: 30 }, { seed: 1 })).rejects.toThrow(
      /multiple of 4/,
    );
  });
});

test("a run repeats bit for bit, and goes on bit for bit from a saved state", async () => {
  const train = async (engine: LanguageEngine, steps: number): Promise<void> => {
    for (let i = 0; i < steps; i++) await engine.step(rowsOf(shape), config);
  };
  const straight = await createCpuLanguageEngine(shape, { seed: 3 });
  await train(straight, 4);
  const expected = await straight.save();
  const half = await createCpuLanguageEngine(shape, { seed: 3 });
  await train(half, 2);
  const generations = await half.generate(requests(5));
  const resumed = await createCpuLanguageEngine(shape, { seed: 99 });
  await resumed.generate(requests(5));
  resumed.load(structuredClone(await half.save()));
  expect(await resumed.generate(requests(5))).toEqual(generations);
  expect(resumed.optimizerStep).toBe(2);
  await train(resumed, 2);
  expect(await resumed.save()).toEqual(expected);
  // What was cached under old weights is forgotten.
  await train(half, 2);
  expect(await half.generate(requests(5))).toEqual(await straight.generate(requests(5)));
});

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GpuDevice, openGpuDevice } from "../../src/gpu/device.ts";
import { StaticPlan } from "../../src/gpu/plan.ts";
import { ReadbackRing } from "../../src/gpu/readback.ts";
import { bindNamedKernel, compileNamedKernel } from "../../src/kernels/named-kernel.ts";
import { tokenLoss } from "../../src/kernels/reference/token-loss.ts";
import { ReferenceTransformer } from "../../src/kernels/reference/transformer.ts";
import { TokenBatchSlots } from "../../src/kernels/token-batch.ts";
import { tokenLossKernel, tokenSoftmaxKernel } from "../../src/kernels/token-rows.ts";
import { createCpuLanguageEngine } from "../../src/lm/cpu-language-engine.ts";
import type {
  LanguageEngine,
  LanguageState,
  TokenLossConfig,
  TokenRows,
} from "../../src/lm/language-engine.ts";
import { createWebGpuLanguageEngine } from "../../src/lm/webgpu-language-engine.ts";
import { transformerLayout, type TransformerShape } from "../../src/nn/transformer-layout.ts";
import { expectMaskedIdsIrrelevant, expectScoredAlikeAnywhere } from "../support/check-invariants.ts";
import { expectClose, golden, worstDifference } from "../support/goldens.ts";
import { manyRequests, manyRows, policyConfig, smallShape, strengthen } from "../support/language-rows.ts";
import { installNodeGpu } from "../support/node-gpu.ts";
import { tinyLlama, tinyLlamaShape } from "../support/tiny-llama.ts";

const gpu = await installNodeGpu();

const supervised: TokenLossConfig = {
  ...{ kind: "likelihood", clipLow: 0, clipHigh: 0, dualClip: null, entropyCoefficient: 0 },
  ...{ learningRate: 0.01, betas: [0.9, 0.95], adamEpsilon: 1e-8, weightDecay: 0.1, maxGradientNorm: 1e9 },
};
/** Leaves the weights as they are. */
const still: TokenLossConfig = { ...policyConfig, learningRate: 0, maxGradientNorm: 1e9 };

/** d loss / d parameters of an engine whose moments are zero: what one step leaves in the first moment. */
async function gradientOf(engine: LanguageEngine, rows: TokenRows): Promise<Float32Array> {
  const before = await engine.save();
  await engine.step(rows, still);
  const { firstMoment } = await engine.save();
  engine.load(before);
  return firstMoment.map((m) => m / (1 - still.betas[0]));
}

function reference(
  shape: TransformerShape,
  state: LanguageState,
  rows: TokenRows,
): ReturnType<typeof tokenLoss> {
  return tokenLoss(new ReferenceTransformer(shape, transformerLayout(shape)), state.parameters, rows, still);
}

describe.skipIf(gpu === null)("the WebGPU language engine", () => {
  let device: GpuDevice;
  let engine: LanguageEngine;
  let start: LanguageState;

  beforeAll(async () => {
    device = (await openGpuDevice(gpu))!;
    engine = await createWebGpuLanguageEngine(smallShape, { seed: 5, device });
    await strengthen(engine);
    start = await engine.save();
  });
  afterAll(() => {
    device.check();
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
    expect([...greedy!.samplerLogProbabilities]).toEqual([0, 0, 0, 0, 0, 0]);
    const losses: number[] = [];
    for (let step = 0; step < 5; step++) {
      losses.push((await tiny.step(rows, supervised)).loss);
      if (step > 0) continue;
      const { firstMoment } = await tiny.save();
      for (const { name, offset, length } of layout.tensors) {
        const gradient = firstMoment.subarray(offset, offset + length).map((m) => m * 10);
        expectClose(gradient, g.output(`grads/${name}`), g.f32, name);
      }
    }
    expectClose(losses, g.output("adamw_losses"), g.f32);
    tiny.dispose();
  });

  test("loss, metrics and gradient are those of the f64 reference", async () => {
    const rows = manyRows(smallShape);
    const expected = reference(smallShape, start, rows);
    const scored = await engine.score(rows);
    rows.weights.forEach((weight, i) => {
      if (!(weight > 0)) return;
      const tolerance = { absolute: 2e-5, relative: 2e-5 };
      expectClose(scored.logProbabilities[i]!, expected.logProbabilities[i]!, tolerance);
      expectClose(scored.entropies[i]!, expected.entropies[i]!, tolerance);
    });
    const metrics = await engine.step(rows, still);
    engine.load(start);
    const norm = Math.hypot(...expected.gradient);
    expect(expected.clipFraction).toBeGreaterThan(0.1);
    expectClose(metrics.loss, expected.loss, { absolute: 1e-5, relative: 1e-5 });
    expectClose(metrics.entropy, expected.entropy, { absolute: 1e-5, relative: 1e-5 });
    expectClose(metrics.approximateKl, expected.approximateKl, { absolute: 1e-5, relative: 1e-4 });
    expectClose(metrics.clipFraction, expected.clipFraction, { absolute: 1e-6, relative: 0 });
    expectClose(metrics.gradientNorm, norm, { absolute: 0, relative: 1e-4 });
    expect(metrics.tokens).toBe(expected.tokens);
    const gradient = await gradientOf(engine, rows);
    expectClose(gradient, expected.gradient, { absolute: 1e-5 * norm, relative: 1e-4 }, "gradient");
  });

  test("finite differences through the whole model", async () => {
    const rows = { ...manyRows(smallShape), importance: new Float32Array(84).fill(1) };
    const gradient = await gradientOf(engine, rows);
    const lossAt = async (h: number, direction: Float32Array): Promise<number> => {
      engine.load({ ...start, parameters: start.parameters.map((p, i) => p + h * direction[i]!) });
      return (await engine.step(rows, still)).loss;
    };
    for (const seed of [1, 2, 3]) {
      // Towards the gradient and across it: the difference is far above the rounding of the loss.
      const direction = gradient.map((g, i) => g + 0.1 * Math.sin(seed * 12.9898 + i * 78.233));
      const size = Math.hypot(...direction);
      const h = 2e-3 / size;
      const difference = ((await lossAt(h, direction)) - (await lossAt(-h, direction))) / (2 * h);
      const slope = direction.reduce((sum, d, i) => sum + d * gradient[i]!, 0);
      expectClose(difference / size, slope / size, { absolute: 2e-4, relative: 5e-3 });
    }
    engine.load(start);
  });

  test("wide tiles, and a step in micro-batches, give the same gradient; all is given back", async () => {
    const wide: TransformerShape = {
      ...{ vocabularySize: 40, width: 128, layers: 1, heads: 4, keyValueHeads: 4, headSize: 32 },
      ...{ feedForward: 48, maxLength: 16, ropeBase: 1e4, normEpsilon: 1e-5, tiedHead: false },
    };
    const rows = manyRows(wide, 30);
    // The least a micro-batch can be is 64 tokens.
    const { alive, bytes } = device.counters;
    const parts = await createWebGpuLanguageEngine(wide, { seed: 3, device, activationBytes: 1 });
    await strengthen(parts, 0.1);
    const expected = reference(wide, await parts.save(), rows);
    const norm = Math.hypot(...expected.gradient);
    const { submits } = device.counters;
    const metrics = await parts.step(rows, still);
    expect(device.counters.submits - submits).toBeGreaterThan(2);
    expectClose(metrics.loss, expected.loss, { absolute: 1e-5, relative: 1e-5 });
    const { firstMoment } = await parts.save();
    const gradient = firstMoment.map((m) => m / (1 - still.betas[0]));
    expectClose(gradient, expected.gradient, { absolute: 1e-5 * norm, relative: 1e-4 }, "gradient");
    parts.dispose();
    expect(device.counters).toMatchObject({ alive, bytes });
  });

  test("a row's scores have the same bits alone, anywhere among others, and however far it is padded", async () => {
    await expectScoredAlikeAnywhere(engine);
  });

  test("ids beyond a row's length, how far rows are padded and ids behind the last weight change no bit", async () => {
    await expectMaskedIdsIrrelevant(engine);
    engine.load(start);
  });

  test("token_policy_losses: values and gradients", async () => {
    const g = golden("token_policy_losses");
    const mask = g.input("mask");
    const old = g.input("old_logp");
    const count = mask.length;
    const plan = new StaticPlan(device);
    const slots = plan.slots(1);
    const batch = new TokenBatchSlots(1);
    const predictions = plan.storage("predictions", 8 * count);
    // Two ids, the first of which has the golden's log-probability.
    const logits = plan.storage("logits", 8 * count);
    const allowed = plan.storage("allowed", 1);
    const terms = plan.storage("terms", 4 * count);
    const projections = plan.storage("projections", count);
    const softmax = plan.storage("softmax", 4 * count);
    const buffers = { predictions, logits, allowed, softmax, terms, projections };
    const kernels = [tokenSoftmaxKernel(2, 2, false), tokenLossKernel(2, 2)];
    const compiled = await Promise.all(kernels.map((kernel) => compileNamedKernel(device, kernel, 16)));
    const dispatches = compiled.map((kernel) => bindNamedKernel(plan, kernel, slots, buffers));
    const ring = new ReadbackRing(device, "losses", 12 * count, 1);
    const { queue } = device.device;
    const table = new Uint32Array(8 * count);
    const floats = new Float32Array(table.buffer);
    const rows = new Float32Array(8 * count);
    g.input("logp").forEach((logp, i) => {
      floats[8 * i + 2] = mask[i]!;
      floats[8 * i + 3] = g.input("advantages")[Math.floor(i / 5)]!;
      floats[8 * i + 4] = old[i]!;
      floats[8 * i + 5] = 1;
      rows[8 * i] = logp;
      rows[8 * i + 1] = Math.log(1 - Math.exp(logp));
    });
    queue.writeBuffer(predictions, 0, table);
    queue.writeBuffer(allowed, 0, Uint32Array.of(3));
    batch.set(0, "predictions", count);
    const total = mask.reduce((a, b) => a + b, 0);
    for (const [name, policy, low, high, dual] of [
      ["reinforce", 0, 0, 0, 0],
      ["ppo", 1, 0.2, 0.2, 0],
      ["clip_higher", 1, 0.2, 0.28, 0],
      ["dual_clip", 1, 0.2, 0.2, 3],
    ] as const) {
      batch.set(0, "objective", policy);
      batch.set(0, "clipLow", low);
      batch.set(0, "clipHigh", high);
      batch.set(0, "dualClip", dual);
      queue.writeBuffer(slots, 0, batch.bytes);
      queue.writeBuffer(logits, 0, rows);
      const encoder = device.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      for (const dispatch of dispatches) plan.encodeSized(pass, dispatch, 0, count);
      pass.end();
      const read = ring.copy(encoder, [
        { buffer: terms, length: 4 * count },
        { buffer: logits, length: 8 * count },
      ]);
      device.submit(encoder);
      const data = await read();
      const values = mask.map((_, i) => data[4 * i]!);
      expectClose(values, g.output(`${name}/per_token_times_mask`), g.f32, name);
      const gradient = g
        .input("logp")
        .map((logp, i) => data[4 * count + 8 * i]! / (1 - Math.exp(logp)) / total);
      expectClose(gradient, g.output(`${name}/grad_token-mean`), g.f32, `gradient of ${name}`);
    }
    ring.dispose();
    plan.dispose();
  });

  test("a request's tokens are the same alone, batched, crowded, and as the CPU engine's", async () => {
    const all = manyRequests(40);
    const together = await engine.generate(all);
    const small = await createWebGpuLanguageEngine(smallShape, { seed: 1, maxBatch: 3, device });
    small.load(start);
    expect(await small.generate(all)).toEqual(together);
    for (const i of [39, 3, 17, 0]) expect((await engine.generate([all[i]!]))[0]).toEqual(together[i]!);
    const separate = await Promise.all(all.map(async (request) => (await small.generate([request]))[0]!));
    expect(separate).toEqual(together);
    small.dispose();
    const cpu = await createCpuLanguageEngine(smallShape, { seed: 1 });
    cpu.load(start);
    const twins = await cpu.generate(all);
    together.forEach((g, i) => {
      expect([...g.tokens], `request ${i}`).toEqual([...twins[i]!.tokens]);
      expect(g.finishReason).toBe(twins[i]!.finishReason);
      const tolerance = { absolute: 3e-5, relative: 3e-5 };
      expectClose(g.logProbabilities, twins[i]!.logProbabilities, tolerance);
      expectClose(g.samplerLogProbabilities, twins[i]!.samplerLogProbabilities, tolerance);
    });
    expect(new Set(together.map((g) => [...g.tokens].join())).size).toBeGreaterThan(20);
    expect(together.some((g) => g.finishReason === "stop")).toBe(true);
    expect(together.some((g) => g.finishReason === "length")).toBe(true);
  });

  test("the cached decode gives the log-probabilities of a full pass", async () => {
    const all = manyRequests(12, { allowed: null, temperature: 1, maxTokens: 100 });
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
      const first = row * length + all[row]!.prompt.length;
      const full = logProbabilities.subarray(first, first + g.tokens.length);
      expectClose(full, g.logProbabilities, { absolute: 2e-5, relative: 2e-5 });
    });
  });

  test("tokens are announced in order; aborting keeps what there is; a full context ends with length", async () => {
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
    expect(full!.tokens.length).toBe(smallShape.maxLength - 1);
    expect([...full!.tokens.subarray(0, 5)]).toEqual(seen);
  });

  test("new weights loaded in mid-completion hold from the next round on", async () => {
    const request = {
      ...manyRequests(5, { allowed: null, stopTokens: [], temperature: 1 })[4]!,
      maxTokens: 15,
    };
    const going = engine.generate([request]);
    await new Promise((resolve) => setTimeout(resolve));
    const other = { ...start, parameters: start.parameters.map((p, i) => p + 0.05 * Math.sin(i)) };
    engine.load(other);
    const [later] = await engine.generate([{ ...request, seed: 77 }]);
    const [mixed] = await going;
    const length = smallShape.maxLength;
    const zeros = new Float32Array(2 * length);
    const tokens = new Int32Array(2 * length);
    [later!, mixed!].forEach((g, row) => tokens.set([...request.prompt, ...g.tokens], row * length));
    const { logProbabilities } = await engine.score({
      ...{ rows: 2, length, tokens, lengths: Int32Array.of(20, 20), weights: zeros, advantages: zeros },
      ...{ oldLogProbabilities: zeros, importance: zeros, allowed: null },
    });
    const tolerance = { absolute: 3e-5, relative: 3e-5 };
    expectClose(logProbabilities.subarray(5, 20), later!.logProbabilities, tolerance);
    // The round in flight had the old weights: at most eight tokens on a software adapter, sixteen elsewhere.
    const full = logProbabilities.subarray(length + 5 + 8, length + 20);
    if (device.software) expectClose(full, mixed!.logProbabilities.subarray(8), tolerance);
    engine.load(start);
  });

  test("a step waits for the completions in flight; later ones see the new weights; nothing is made again", async () => {
    const rows = manyRows(smallShape);
    const first = engine.generate(manyRequests(6));
    const step = engine.step(rows, policyConfig);
    const second = engine.generate(manyRequests(6));
    expect((await first).every((g) => g.policyVersion === 0)).toBe(true);
    await step;
    expect((await second).every((g) => g.policyVersion === 1)).toBe(true);
    expect((await second).map((g) => [...g.logProbabilities])).not.toEqual(
      (await first).map((g) => [...g.logProbabilities]),
    );
    const before = { ...device.counters };
    await engine.step(rows, policyConfig);
    expect(device.counters.submits - before.submits).toBe(1);
    await engine.generate(manyRequests(6));
    const { buffers, bindGroups, pipelines, bytes } = device.counters;
    expect({ buffers, bindGroups, pipelines, bytes }).toEqual({
      ...{ buffers: before.buffers, bindGroups: before.bindGroups },
      ...{ pipelines: before.pipelines, bytes: before.bytes },
    });
    engine.load(start);
  });

  test("a run repeats bit for bit, and goes on bit for bit from a saved state; disposing frees all", async () => {
    const { bytes } = device.counters;
    const train = async (each: LanguageEngine, steps: number): Promise<void> => {
      for (let i = 0; i < steps; i++) await each.step(manyRows(smallShape), policyConfig);
    };
    const create = (seed: number): Promise<LanguageEngine> =>
      createWebGpuLanguageEngine(smallShape, { seed, device });
    const straight = await create(3);
    await train(straight, 4);
    const expected = await straight.save();
    const half = await create(3);
    await train(half, 2);
    await half.generate(manyRequests(5));
    const resumed = await create(99);
    resumed.load(structuredClone(await half.save()));
    expect(resumed.optimizerStep).toBe(2);
    await train(resumed, 2);
    expect(await resumed.save()).toEqual(expected);
    for (const each of [straight, half, resumed]) each.dispose();
    expect(device.counters.bytes).toBe(bytes);
    await expect(half.generate(manyRequests(1))).rejects.toThrow(/disposed/);
  });

  /** As in the simulated engine's test: with a buffer of the limit SwiftShader has no room for what Vulkan adds. */
  test("what the adapter has no room for is given back, and another policy trains", async ({ skip }) => {
    skip(device.device.limits.maxBufferSize !== 2 ** 30);
    const { alive, bytes, bindGroups, pipelines } = device.counters;
    const before = { alive, bytes, bindGroups, pipelines };
    const adapter = { rank: 4, alpha: 8, projections: ["q"] } as const;
    const base = { ...smallShape, width: 1024, heads: 8, headSize: 128, layers: 1, adapter, tiedHead: true };
    /** Elements that are saved: all weights, and the moments of what learns. */
    const saved = (shape: TransformerShape): number => {
      const { length, trainable } = transformerLayout(shape);
      return 3 * length - 2 * trainable;
    };
    const missing = 2 ** 28 - saved({ ...base, vocabularySize: 0 });
    const huge = { ...base, vocabularySize: missing / base.width };
    expect(saved(huge)).toBe(2 ** 28);
    await expect(createWebGpuLanguageEngine(huge, { seed: 1, device, maxBatch: 1 })).rejects.toMatchObject({
      code: "gpu/memory",
      message: expect.stringMatching(
        /^This run needs 2,\d+ MB on the GPU, 1,074 MB of them for its state readback, and SwiftShader.* has no room for that\.$/,
      ) as string,
      fix: expect.stringMatching(
        /^Use a smaller policy: a width below 1024, .*\. Or stop other runs, and/,
      ) as string,
    });
    expect(device.counters).toMatchObject(before);
    const other = await createWebGpuLanguageEngine(smallShape, { seed: 7, device });
    expect((await other.step(manyRows(smallShape), policyConfig)).gradientNorm).toBeGreaterThan(0);
    other.dispose();
    expect(device.counters.bytes).toBe(bytes);
  });

  /** A device whose shaders have the fault; what is the same as before is not compiled again. */
  const pipelines = new Map<string, Promise<GPUComputePipeline>>();
  function faulty(find: string, replace: string): { readonly device: GpuDevice; applied(): boolean } {
    const raw = device.device;
    let applied = false;
    const codes = new WeakMap<GPUShaderModule, string>();
    const view = new Proxy(raw, {
      get: (target, name): unknown => {
        if (name === "createShaderModule") {
          return (descriptor: GPUShaderModuleDescriptor): GPUShaderModule => {
            const code = descriptor.code.replace(find, () => {
              applied = true;
              return replace;
            });
            const module = raw.createShaderModule({ ...descriptor, code });
            codes.set(module, code);
            return module;
          };
        }
        if (name === "createComputePipelineAsync") {
          return (descriptor: GPUComputePipelineDescriptor): Promise<GPUComputePipeline> => {
            const code = codes.get(descriptor.compute.module)!;
            const made = pipelines.get(code) ?? raw.createComputePipelineAsync(descriptor);
            pipelines.set(code, made);
            return made;
          };
        }
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? (value as (...a: unknown[]) => unknown).bind(target) : value;
      },
    });
    return { device: new GpuDevice(view, { architecture: "swiftshader" }), applied: () => applied };
  }

  test.each([
    ["none", "no such text", ""],
    ["rotary positions turn the other way", "u * cosine - v * sine", "u * cosine + v * sine"],
    ["a gradient is not turned back", "a * cosine + b * sine", "a * cosine - b * sine"],
    ["a token sees the next one", "max(from_token, s) &&", "max(from_token, s) - 1u &&"],
    ["the norm divides by the sum", "/ f32(4u * INPUTS) + EPSILON", "+ EPSILON"],
    ["the norm's gradient has no projection", "- back * input[", "+ 0.0 * input["],
    ["the clip is mirrored", "clamp(ratio, 1.0 - batch.clip_low", "clamp(ratio, 1.0 + batch.clip_low"],
    ["entropy is punished", "+ bonus * p * (log_p + entropy)", "- bonus * p * (log_p + entropy)"],
    ["a shared prompt is counted once", "sum += gradient[p * WIDTH", "sum = gradient[p * WIDTH"],
  ])("a seeded fault is caught: %s", async (title, find, replace) => {
    const rows = manyRows(smallShape);
    const expected = reference(smallShape, start, rows);
    const fault = faulty(find, replace);
    const broken = await createWebGpuLanguageEngine(smallShape, { seed: 5, device: fault.device });
    broken.load(start);
    const gradient = await gradientOf(broken, rows);
    broken.dispose();
    const norm = Math.hypot(...expected.gradient);
    const worst = worstDifference(gradient, expected.gradient, { absolute: 1e-5 * norm, relative: 1e-4 });
    expect(fault.applied()).toBe(title !== "none");
    expect(worst === null).toBe(title === "none");
  });

  test("a lost device is announced, and what waits for it fails", async () => {
    const other = (await openGpuDevice(gpu))!;
    const doomed = await createWebGpuLanguageEngine(tinyLlamaShape, { seed: 1, device: other });
    const waiting = doomed.generate(manyRequests(3, { allowed: null, prompt: Int32Array.of(1) }));
    other.device.destroy();
    await expect(waiting).rejects.toMatchObject({ code: "gpu/lost" });
    expect(await doomed.lost).toMatch(/destroyed/i);
    doomed.dispose();
  });
});

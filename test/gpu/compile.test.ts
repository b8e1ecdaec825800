import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { randomStep } from "../../src/compile/check.ts";
import { type CompiledStepReward, compileStepReward } from "../../src/compile/compile.ts";
import { FulguriteError } from "../../src/gpu/error.ts";
import { expressionOptions, expressions, randomExpression } from "../support/expressions.ts";
import { installNodeGpu } from "../support/node-gpu.ts";

const gpu = await installNodeGpu();

const SIZE = expressionOptions.stateFields.length;
const STATES = 64;
/** Per state: s, next, action. */
const STRIDE = 2 * SIZE + 1;

/** One shader for many rewards: helpers get a prefix of their own each. */
function shader(rewards: readonly { readonly wgsl: string }[]): string {
  const functions = rewards.map(({ wgsl }, i) =>
    wgsl.replaceAll("reward_", `reward${i}_`).replace("fn step_reward(", `fn step_reward${i}(`),
  );
  const calls = rewards.map((_, i) => `  rewards[${i * STATES}u + id.x] = step_reward${i}(s, a, next);`);
  return `${functions.join("\n")}
@group(0) @binding(0) var<storage, read> steps: array<f32>;
@group(0) @binding(1) var<storage, read_write> rewards: array<f32>;
@compute @workgroup_size(${STATES}) fn main(@builtin(global_invocation_id) id: vec3u) {
  var s: array<f32, ${SIZE}>;
  var next: array<f32, ${SIZE}>;
  let at = id.x * ${STRIDE}u;
  for (var i = 0u; i < ${SIZE}u; i++) { s[i] = steps[at + i]; next[i] = steps[at + ${SIZE}u + i]; }
  let a = steps[at + ${2 * SIZE}u];
${calls.join("\n")}
}`;
}

describe.skipIf(gpu === null)("compiled rewards on the GPU", () => {
  let device: GPUDevice;
  let software = false;
  const steps = new Float32Array(STATES * STRIDE);

  beforeAll(async () => {
    const adapter = (await gpu!.requestAdapter())!;
    software = /swiftshader/i.test(
      `${adapter.info.device} ${adapter.info.description} ${adapter.info.architecture}`,
    );
    device = await adapter.requestDevice();
    for (let i = 0; i < STATES; i++) {
      const step = steps.subarray(i * STRIDE, (i + 1) * STRIDE);
      step[2 * SIZE] = randomStep(step, SIZE, expressionOptions.actionCount, 3, i);
    }
  });
  afterAll(() => device?.destroy());

  async function evaluate(rewards: readonly { readonly wgsl: string }[]): Promise<Float32Array> {
    const bytes = rewards.length * STATES * 4;
    const input = device.createBuffer({
      size: steps.byteLength,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
    });
    device.queue.writeBuffer(input, 0, steps);
    const output = device.createBuffer({
      size: bytes,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC,
    });
    const read = device.createBuffer({
      size: bytes,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    const module = device.createShaderModule({ code: shader(rewards) });
    const problems = (await module.getCompilationInfo()).messages.filter(({ type }) => type === "error");
    if (problems.length > 0) {
      throw new Error(problems.map(({ lineNum, message }) => `${lineNum}: ${message}`).join("\n"));
    }
    const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module } });
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(
      0,
      device.createBindGroup({
        layout: pipeline.getBindGroupLayout(0),
        entries: [input, output].map((buffer, binding) => ({ binding, resource: { buffer } })),
      }),
    );
    pass.dispatchWorkgroups(1);
    pass.end();
    encoder.copyBufferToBuffer(output, 0, read, 0, bytes);
    device.queue.submit([encoder.finish()]);
    await read.mapAsync(GPUMapMode.READ);
    const result = new Float32Array(read.getMappedRange().slice(0));
    for (const buffer of [input, output, read]) buffer.destroy();
    return result;
  }

  interface Outcome {
    readonly compared: number;
    /** Differences to the f64 reference that rounding does not explain. */
    readonly wrong: number;
    /** Finite results whose bits differ from the CPU's. */
    readonly otherBits: number;
  }

  async function outcomes(rewards: readonly CompiledStepReward[]): Promise<Outcome[]> {
    const results = await evaluate(rewards);
    return rewards.map((reward, k) => {
      const outcome = { compared: 0, wrong: 0, otherBits: 0 };
      for (let i = 0; i < STATES; i++) {
        const at = i * STRIDE;
        const a = steps[at + 2 * SIZE]!;
        const actual = results[k * STATES + i]!;
        const { value, error } = reward.referenceWithBound(steps, at, a, steps, at + SIZE);
        if (error < Infinity) {
          outcome.compared++;
          if (!(Math.abs(actual - value) <= error)) outcome.wrong++;
        }
        const cpu = reward.evaluate(steps, at, a, steps, at + SIZE);
        if (Number.isFinite(cpu) && cpu !== actual) outcome.otherBits++;
      }
      return outcome;
    });
  }

  const compile = (source: string): CompiledStepReward => compileStepReward(source, expressionOptions);
  const batches = <T>(items: readonly T[], size: number): T[][] =>
    Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));

  const written = expressions.map((f) => compile(String(f)));
  /**
   * Share of rewards with a result whose bits are not the CPU's. WGSL lets a driver reorder: SwiftShader's
   * optimiser turns x / 3 into x * (1 / 3) and (q - p) + p into q.
   */
  const otherShare = (found: readonly Outcome[]): number =>
    found.filter(({ otherBits }) => otherBits > 0).length / found.length;

  test("written rewards: within the bound of the reference", async () => {
    const found = await outcomes(written);
    found.forEach((outcome, i) => {
      expect(outcome, written[i]!.source).toMatchObject({ wrong: 0 });
      expect(outcome.compared, written[i]!.source).toBeGreaterThan(STATES * 0.7);
    });
    if (software) expect(otherShare(found)).toBeLessThan(0.25);
  });

  test.each([
    ["of + - * / min max sqrt rounding and comparisons", true, 0.05],
    ["of everything", false, 0.15],
  ] as const)("random rewards %s", async (_title, exact, mostOther) => {
    const rewards: CompiledStepReward[] = [];
    for (let i = 0; rewards.length < 120; i++) {
      try {
        rewards.push(compile(randomExpression(exact ? 21 : 22, i, exact)));
      } catch (error) {
        if (!(error instanceof FulguriteError) || error.code !== "compile/non-finite") throw error;
      }
    }
    const all: Outcome[] = [];
    for (const batch of batches(rewards, 40)) {
      const found = await outcomes(batch);
      found.forEach((outcome, i) => {
        expect(outcome, batch[i]!.source).toMatchObject({ wrong: 0 });
      });
      all.push(...found);
    }
    const compared = all.reduce((sum, outcome) => sum + outcome.compared, 0);
    expect(compared).toBeGreaterThan(rewards.length * STATES * 0.5);
    if (software) expect(otherShare(all)).toBeLessThan(mostOther);
  });

  test("the largest sources that compile are not too deep for a WGSL parser", async () => {
    const repeat = (n: number, part: (i: number) => string): string =>
      Array.from({ length: n }, (_, i) => part(i)).join("");
    const sources = [
      `(s) => ${repeat(190, () => "s.x + (")}1${")".repeat(190)}`,
      `(s) => ${repeat(190, () => "s.x + ")}1`,
      `(s) => ${repeat(90, () => "Math.sin(-")}s.x${")".repeat(90)}`,
      `(s) => ${repeat(190, (i) => `s.x > ${i / 8} ? ${i} : `)}-1`,
      `(s) => { ${repeat(46, (i) => `if (s.x > ${i / 16}) { `)} return 1; ${"}".repeat(46)} return 0; }`,
      `(s) => { ${repeat(46, (i) => `if (s.x > ${9 - i / 5}) return ${i}; else `)} return -1; }`,
      `(s) => { let r = 0; ${repeat(400, (i) => `r += s.x * ${i};`)} return r; }`,
    ];
    for (const { wrong, compared } of await outcomes(sources.map(compile))) {
      expect(wrong).toBe(0);
      expect(compared).toBeGreaterThan(STATES * 0.7);
    }
  });

  test.each([
    [" + ", " - "],
    [" - ", " + "],
    [" * ", " / "],
    [" / ", " * "],
    ["min(", "max("],
    ["max(", "min("],
    ["abs(", "("],
    ["floor(", "ceil("],
    ["ceil(", "floor("],
    ["trunc(", "floor("],
    ["sign(", "("],
    ["sqrt(", "abs("],
    [" < ", " > "],
    [" > ", " < "],
    [" == ", " != "],
    [" != ", " == "],
    [" && ", " || "],
    [" || ", " && "],
    ["!(", "("],
    ["-s[", "s["],
    ["s[0]", "s[1]"],
    ["next[0]", "s[0]"],
  ])("a fault in WGSL is caught: %s as %s", async (right, wrong) => {
    const logical = right === " && " || right === " || ";
    const broken = written
      // Mixing && and || without parentheses is no WGSL.
      .filter(({ wgsl }) => wgsl.includes(right) && !(logical && wgsl.includes(wrong)))
      .sort((x, y) => x.wgsl.length - y.wgsl.length)
      .slice(0, 5)
      .map((reward) => ({ ...reward, wgsl: reward.wgsl.replaceAll(right, wrong) }));
    const found = await outcomes(broken);
    expect(found.some((outcome) => outcome.wrong > 0)).toBe(true);
  });
});

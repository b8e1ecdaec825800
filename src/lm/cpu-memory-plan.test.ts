import { expect, test } from "vitest";
import { policyConfig, smallShape } from "../../test/support/language-rows.ts";
import { transformerLayout, type TransformerShape } from "../nn/transformer-layout.ts";
import { createCpuLanguageEngine } from "./cpu-language-engine.ts";
import { CpuMemory } from "./cpu-memory.ts";
import { planCpuLanguageMemory } from "./cpu-memory-plan.ts";
import { CpuTransformer } from "./cpu-transformer.ts";
import type { TokenRows } from "./language-engine.ts";

const shape: TransformerShape = { ...smallShape, layers: 3, feedForward: 64, maxLength: 64 };
/** Rows without a beginning in common, all of whose tokens learn. */
const fullRows = ({ vocabularySize, maxLength: length }: TransformerShape, rows: number): TokenRows => {
  const floats = (value: number): Float32Array => new Float32Array(rows * length).fill(value);
  return {
    ...{ rows, length, lengths: new Int32Array(rows).fill(length), allowed: null },
    tokens: Int32Array.from({ length: rows * length }, (_, at) =>
      at % length === 0 ? (at / length) % vocabularySize : (at * 7) % vocabularySize,
    ),
    ...{ oldLogProbabilities: floats(-3), advantages: floats(1), importance: floats(1), weights: floats(1) },
  };
};
const adapter = { rank: 4, alpha: 8, projections: ["q", "down"] } as const;

test.each<[string, TransformerShape, boolean]>([
  ["all weights", shape, false],
  ["checkpointing", shape, true],
  ["adapters, query-key norm", { ...shape, adapter, queryKeyNorm: true }, false],
])("the plan is the most that is then taken: %s", async (_, policy, checkpointing) => {
  const options = { maxBatch: 24, checkpointing };
  const plan = planCpuLanguageMemory(policy, options);
  const layout = transformerLayout(policy);
  const moments = 8 * (layout.length - layout.trainable);
  const of = (...labels: string[]): number =>
    plan.buffers.reduce((sum, { label, bytes }) => sum + (labels.includes(label) ? bytes : 0), 0);
  const { workspace } = new CpuTransformer(policy, layout);
  const resident = of("weights", "gradients and moments", "packed weights", "rotations") - moments;
  expect(Math.abs(resident - workspace)).toBeLessThan(200);

  let most = 0;
  const reserve = Object.getOwnPropertyDescriptor(CpuMemory.prototype, "reserve")!.value as (
    count: number,
  ) => number;
  CpuMemory.prototype.reserve = function (this: CpuMemory, count: number): number {
    const address = reserve.call(this, count);
    most = Math.max(most, this.end);
    return address;
  };
  try {
    const engine = await createCpuLanguageEngine(policy, { ...options, seed: 1 });
    await engine.step(fullRows(policy, options.maxBatch), policyConfig);
    engine.dispose();
    expect((most + moments) / plan.bytes).toBeLessThan(1);
    expect((most + moments) / plan.bytes).toBeGreaterThan(0.4);
  } finally {
    CpuMemory.prototype.reserve = reserve;
  }
});

test("what does not fit is said before anything is made, with what to reduce", () => {
  const plan =
    (changed: object, options = {}) =>
    () =>
      planCpuLanguageMemory({ ...shape, ...changed }, options);
  expect(plan({ width: 4096, heads: 32, headSize: 128, layers: 20, feedForward: 11_008 })).toThrow(
    expect.objectContaining({
      code: "cpu/memory",
      message: expect.stringMatching(
        /needs [\d,]+ MB of memory, [\d,]+ MB of them for its gradients and moments; a tab has 4,295 MB/,
      ) as string,
      fix: expect.stringMatching(/^Use a smaller policy: a width below 4096, fewer layers than 20/) as string,
    }),
  );
  expect(plan({ maxLength: 16_384 })).toThrow(
    expect.objectContaining({
      fix: expect.stringMatching(
        /^Use checkpointing: true, a maxLength below 16384, or a smaller policy/,
      ) as string,
    }),
  );
  // A cache that has room for all is not in the way: it may never come to that.
  const large = { maxLength: 1024, layers: 12, heads: 16, keyValueHeads: 16 };
  expect(plan(large, { maxBatch: 512 })()).toMatchObject({ bytes: 2 ** 32 });
});

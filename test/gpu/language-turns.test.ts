import { expect, test } from "vitest";
import { createWebGpuLanguageEngine } from "../../src/lm/webgpu-language-engine.ts";
import { planLanguageMemory } from "../../src/lm/webgpu-memory.ts";
import { manyRequests, manyRows, policyConfig } from "../support/language-rows.ts";
import { tinyLlamaShape } from "../support/tiny-llama.ts";
import { gpu } from "./support.ts";

const STEPS = 4;

test.skipIf(gpu === null)(
  "two language runs at once both get on, to the bits that they reach alone",
  async () => {
    const rows = manyRows(tinyLlamaShape);
    const order: number[] = [];
    const learn = async (seed: number): Promise<string> => {
      const engine = await createWebGpuLanguageEngine(tinyLlamaShape, { seed, device: gpu! });
      for (let step = 0; step < STEPS; step++) {
        await engine.step(rows, policyConfig);
        order.push(seed);
      }
      const { parameters } = await engine.save();
      engine.dispose();
      return parameters.join();
    };
    const alone = [await learn(1), await learn(2)];
    expect(alone[0]).not.toBe(alone[1]);
    order.length = 0;
    const submitsOfBoth = async (): Promise<number> => {
      const { submits } = gpu!.counters;
      expect(await Promise.all([learn(1), learn(2)])).toEqual(alone);
      return gpu!.counters.submits - submits;
    };
    const expected = await submitsOfBoth();
    expect(new Set(order.slice(0, STEPS)).size).toBe(2);
    expect(gpu!.turns.contended).toBe(false);
    // Every submit seems to take for ever.
    let time = 0;
    gpu!.turns.measureBy(() => (time += 1e9));
    await submitsOfBoth();
    expect(await submitsOfBoth()).toBeGreaterThan(expected);
  },
);

test.skipIf(gpu === null)(
  "a language run's memory plan is what has been allocated once it has done everything",
  async () => {
    const options = { maxBatch: 24, checkpointing: true };
    const before = { ...gpu!.counters };
    const memory = planLanguageMemory(gpu!, tinyLlamaShape, options);
    expect(gpu!.counters).toEqual(before);
    const engine = await createWebGpuLanguageEngine(tinyLlamaShape, { ...options, seed: 1, device: gpu! });
    const rows = manyRows(tinyLlamaShape);
    await engine.generate(manyRequests(5, { allowed: null }));
    await engine.score(rows);
    await engine.step(rows, policyConfig);
    await engine.save();
    expect(gpu!.counters.bytes - before.bytes).toBe(memory.bytes);
    expect(gpu!.counters.buffers - before.buffers).toBe(memory.buffers.length);
    engine.dispose();
    expect(gpu!.counters.bytes).toBe(before.bytes);
  },
);

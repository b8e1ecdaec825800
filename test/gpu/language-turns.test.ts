import { expect, test } from "vitest";
import { createWebGpuLanguageEngine } from "../../src/lm/webgpu-language-engine.ts";
import { planLanguageMemory } from "../../src/lm/webgpu-memory.ts";
import { manyRows, policyConfig } from "../support/language-rows.ts";
import { tinyLlamaShape } from "../support/tiny-llama.ts";
import { gpu } from "./support.ts";

const STEPS = 4;

test.skipIf(gpu === null)(
  "two language runs at once both get on, to the bits that they reach alone, in the memory planned",
  async () => {
    const rows = manyRows(tinyLlamaShape);
    const order: number[] = [];
    const before = gpu!.counters.bytes;
    const first = await createWebGpuLanguageEngine(tinyLlamaShape, { seed: 1, device: gpu! });
    // Beside what was planned are tables and readbacks.
    const unplanned = gpu!.counters.bytes - before - planLanguageMemory(gpu!, tinyLlamaShape).bytes;
    expect(unplanned).toBeGreaterThanOrEqual(0);
    expect(unplanned).toBeLessThan(64 * 1024);
    first.dispose();
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

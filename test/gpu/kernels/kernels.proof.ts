import { writeFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { createWebGpuLanguageEngine } from "../../../src/lm/webgpu-language-engine.ts";
import { manyRows, policyConfig, smallShape } from "../../support/language-rows.ts";
import { gpu, withFault } from "../support.ts";
import { kernelTests } from "./all-cases.ts";
import { disagreement, kernelSizes, runCase, sameBits } from "./kernel-case.ts";

interface Row {
  readonly shader: string;
  readonly variant: string;
  /** Shapes that the variant exists on, all of them tried. */
  readonly sizes: readonly number[];
  readonly sameBitsAs?: string;
}

/** Every kernel, every variant, every shape; and one seeded fault a kernel. */
describe.skipIf(!gpu)("the kernel matrix", () => {
  const rows: Row[] = [];
  const faults: { readonly shader: string; readonly fault: string; readonly found: string }[] = [];

  for (const { shader, variants, sameBits: pairs = {}, fault } of kernelTests) {
    test.each(Object.keys(variants))(`${shader}: %s`, async (name) => {
      const pair = pairs[name];
      // Most of the time goes by in compilers, and those run beside each other.
      const tried = kernelSizes.map(async (size): Promise<number[]> => {
        const c = variants[name]!(size);
        if (!c) return [];
        const after = await runCase(c);
        expect(disagreement(c, after), `${size}`).toBeNull();
        const other = pair && variants[pair]!(size);
        if (other) expect(sameBits(after, await runCase(other)), `${size}: bits of ${pair}`).toBe(true);
        return [size];
      });
      const sizes = (await Promise.all(tried)).flat();
      rows.push({ shader, variant: name, sizes, ...(pair ? { sameBitsAs: pair } : {}) });
      // Quads need subgroups, which not every adapter has.
      if (gpu!.device.features.has("subgroups") || !name.includes("quads")) expect(sizes).not.toEqual([]);
    });

    test(`a fault in ${shader} is found`, async () => {
      const [find, replace] = fault;
      const c = Object.values(variants)[0]!(65)!;
      const found = disagreement(c, await withFault({ shader, find, replace }, () => runCase(c)));
      expect(found).not.toBeNull();
      faults.push({ shader, fault: `${find} -> ${replace}`, found: found! });
    });
  }

  test("a language model's steps leave the same bits in both variants of the linear kernels", async () => {
    const { alive, bytes } = gpu!.counters;
    const rows = manyRows(smallShape);
    const states = [];
    for (const kernels of ["registers", "tiled"] as const) {
      const engine = await createWebGpuLanguageEngine(smallShape, { seed: 5, device: gpu!, kernels });
      expect(engine).toMatchObject({ variant: kernels });
      await engine.step(rows, policyConfig);
      await engine.step(rows, policyConfig);
      states.push(await engine.save());
      engine.dispose();
      expect(gpu!.counters).toMatchObject({ alive, bytes });
    }
    expect(states[1]).toEqual(states[0]);
  });

  afterAll(() => {
    const result = { adapter: gpu!.adapter, date: new Date().toISOString().slice(0, 10), rows, faults };
    const url = new URL("../../../bench/results/kernel-matrix.json", import.meta.url);
    writeFileSync(url, `${JSON.stringify(result, null, 2)}\n`);
  });
});

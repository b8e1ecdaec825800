import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { createWebGpuLanguageEngine } from "../../../src/lm/webgpu-language-engine.ts";
import { manyRows, policyConfig, smallShape } from "../../support/language-rows.ts";
import { gpu, withFault } from "../support.ts";
import { kernelTests } from "./all-cases.ts";
import { equationFaults, type EquationFault } from "./equation-faults.ts";
import { disagreement, kernelSizes, runCase, tryVariant, type KernelCase } from "./kernel-case.ts";

interface Row {
  readonly shader: string;
  readonly variant: string;
  /** Shapes that it left what its reference says on. */
  readonly sizes: readonly number[];
  /** Why there is none of the others. */
  readonly absent?: Readonly<Record<number, string>>;
  readonly sameBitsAs?: string;
}

interface Fault {
  readonly shader: string;
  readonly variant: string;
  readonly fault: string;
  readonly found: string;
}

/** Every kernel, every variant, every shape; seeded faults in each kernel, and in the terms of its equations. */
describe.skipIf(!gpu)("the kernel matrix", () => {
  const rows: Row[] = [];
  const faults: Fault[] = [];

  for (const it of kernelTests) {
    const { shader, variants, sameBits: pairs = {}, fault } = it;
    test.each(Object.keys(variants))(`${shader}: %s`, async (name) => {
      // Most of the time goes by in compilers, and those run beside each other.
      const tried = await Promise.all(kernelSizes.map((size) => tryVariant(it, name, size)));
      expect(tried.map(({ wrong }) => wrong)).toEqual(kernelSizes.map(() => null));
      const reasons = kernelSizes.flatMap((size, n) => {
        const { absent } = tried[n]!;
        return absent === null ? [] : [[size, absent] as const];
      });
      const absent = Object.fromEntries(reasons);
      const sizes = kernelSizes.filter((size) => !(size in absent));
      rows.push({
        ...{ shader, variant: name, sizes },
        ...(reasons.length > 0 ? { absent } : {}),
        ...(pairs[name] === undefined ? {} : { sameBitsAs: pairs[name] }),
      });
    });

    const first = Object.keys(variants)[0]!;
    const seeded: readonly EquationFault[] = [[first, ...fault], ...(equationFaults[shader] ?? [])];
    test.each(seeded)(`a fault in ${shader} is found: %s, %s`, async (variant, find, replace) => {
      const c = variants[variant]!(65) as KernelCase;
      const found = disagreement(c, await withFault({ shader, find, replace }, () => runCase(c)));
      expect(found).not.toBeNull();
      faults.push({ shader, variant, fault: `${find} -> ${replace}`, found: found! });
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

  // Where only some of it ran (`-t mlp`), the record keeps the rest.
  afterAll(() => {
    const url = new URL("../../../bench/results/kernel-matrix.json", import.meta.url);
    const before = JSON.parse(readFileSync(url, "utf8")) as {
      readonly rows: Row[];
      readonly faults: Fault[];
    };
    const merged = <T extends Row | Fault>(
      kept: readonly T[],
      ran: readonly T[],
      name: (row: T) => string,
    ): T[] =>
      kernelTests.flatMap(({ shader, variants }) => {
        const own = [...kept, ...ran].filter((row) => row.shader === shader && row.variant in variants);
        return [...new Map(own.map((row) => [name(row), row])).values()];
      });
    const result = {
      ...{ adapter: gpu!.adapter, date: new Date().toISOString().slice(0, 10) },
      ...{
        rows: merged(before.rows, rows, ({ variant }) => variant),
        faults: merged(before.faults, faults, ({ variant, fault }) => `${variant}: ${fault}`),
      },
    };
    writeFileSync(url, `${JSON.stringify(result, null, 2)}\n`);
  });
});

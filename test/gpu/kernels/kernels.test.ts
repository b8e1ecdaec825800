import { describe, expect, test } from "vitest";
import { gpu } from "../support.ts";
import { kernelTests } from "./all-cases.ts";
import { disagreement, kernelSizes, runCase, sameBits } from "./kernel-case.ts";

const shaders: Readonly<Record<string, string>> = import.meta.glob("../../../shaders/**/*.wgsl", {
  query: "?raw",
  import: "default",
  eager: true,
});

test("every shader with an entry point is among them", () => {
  const entries = Object.entries(shaders).filter(([, source]) => source.includes("@compute"));
  const names = entries.map(([path]) => /shaders\/(.*)\.wgsl$/.exec(path)![1]!);
  expect(kernelTests.map(({ shader }) => shader).sort()).toEqual(names.sort());
});

describe.skipIf(!gpu)("kernels against their f64 references", () => {
  test.each(kernelTests)("$shader", async ({ variants, proofOnly = [], sameBits: pairs = {} }) => {
    // Every shape occurs; every variant on every shape is `npm run proof`'s.
    const names = Object.keys(variants).filter((name) => !proofOnly.includes(name));
    await Promise.all(
      names.map(async (name, n) => {
        for (let k = 0; k < kernelSizes.length; k++) {
          const size = kernelSizes[(n + k + 1) % kernelSizes.length]!;
          const c = variants[name]!(size);
          if (!c) continue;
          const after = await runCase(c);
          expect(disagreement(c, after), `${name}, ${size}`).toBeNull();
          const other = pairs[name] && variants[pairs[name]]!(size);
          if (other) expect(sameBits(after, await runCase(other)), `${name}, ${size}`).toBe(true);
          return;
        }
      }),
    );
  });
});

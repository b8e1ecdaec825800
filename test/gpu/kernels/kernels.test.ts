import { describe, expect, test } from "vitest";
import { gpu } from "../support.ts";
import { kernelTests } from "./all-cases.ts";
import { disagreement, kernelSizes, runCase, sameBits } from "./kernel-case.ts";

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

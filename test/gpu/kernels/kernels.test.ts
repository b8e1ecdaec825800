import { describe, expect, test } from "vitest";
import { gpu } from "../support.ts";
import { kernelTests } from "./all-cases.ts";
import { kernelSizes, tryVariant } from "./kernel-case.ts";

describe.skipIf(!gpu)("kernels against their f64 references", () => {
  test.each(kernelTests)("$shader", async (it) => {
    // Every shape occurs; every variant on every shape is `npm run proof`'s.
    const names = Object.keys(it.variants).filter((name) => !it.proofOnly?.includes(name));
    await Promise.all(
      names.map(async (name, n) => {
        for (let k = 0; k < kernelSizes.length; k++) {
          const size = kernelSizes[(n + k + 1) % kernelSizes.length]!;
          const { wrong, absent } = await tryVariant(it, name, size);
          expect(wrong, `${name}, ${size}`).toBeNull();
          if (absent === null) return;
        }
      }),
    );
  });
});

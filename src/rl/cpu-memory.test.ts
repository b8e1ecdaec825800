import { expect, test } from "vitest";
import { algorithmVariants } from "../../test/support/algorithm-variants.ts";
import type { PolicyGradientConfig } from "./config.ts";
import { CpuCredit } from "./cpu-credit.ts";
import { planCpuMemory } from "./cpu-memory.ts";
import { CpuRollout } from "./cpu-rollout.ts";
import { cpuKernelsFor } from "./engine-kernels.ts";
import { networkLayout } from "./network.ts";
import { normalizes, RunningNormalization } from "./normalization.ts";

const [, plain] = algorithmVariants[0]!;

test.each(algorithmVariants)("the plan is what is then made: %s", async (_, request) => {
  const { environment, algorithm } = request;
  const layout = networkLayout(environment, algorithm);
  const kernels = await cpuKernelsFor(request, layout);
  const normalization = normalizes(algorithm)
    ? new RunningNormalization(environment.observationSize, algorithm.envs)
    : null;
  const rollout = new CpuRollout(request, kernels, { layout, normalization });
  const credit = new CpuCredit(algorithm, rollout, normalization);
  const buffers = new Set<ArrayBufferLike>();
  for (const owner of [kernels, rollout, credit, normalization ?? {}]) {
    for (const value of Object.values(owner) as unknown[]) {
      if (ArrayBuffer.isView(value)) buffers.add(value.buffer);
    }
  }
  const made = [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0);
  const planned = planCpuMemory(request).bytes;
  // The order of the rows and who still plays are nobody's to see.
  const hidden = algorithm.envs * (4 * algorithm.steps + 1);
  expect(Math.abs(planned - made - hidden)).toBeLessThan(100);
});

test("what does not fit is said before anything is made, with what to reduce", () => {
  const plan = (changes: Partial<PolicyGradientConfig>) => () =>
    planCpuMemory({ ...plain, algorithm: { ...plain.algorithm, ...changes } });
  expect(plan({ envs: 2 ** 18, steps: 2 ** 10 })).toThrow(
    expect.objectContaining({
      code: "cpu/memory",
      message: expect.stringMatching(/needs [\d,]+ MB of memory, [\d,]+ MB of them for its steps/) as string,
      fix: "Use fewer environments (now 262144) or fewer steps an update (now 1024).",
    }),
  );
  expect(plan({ hidden: [20_000, 20_000] })).toThrow(
    expect.objectContaining({ fix: expect.stringMatching(/narrower hidden layers than 20000/) as string }),
  );
});

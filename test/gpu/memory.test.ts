import { describe, expect, test } from "vitest";
import { cartPole } from "../../src/env/cartpole.ts";
import { GpuDevice } from "../../src/gpu/device.ts";
import { createPpoReadbacks } from "../../src/rl/webgpu-readbacks.ts";
import { createPpoPlan, planPpoMemory, type PpoPlanRequest } from "../../src/rl/webgpu-plan.ts";
import { minibatchStages } from "../../src/rl/webgpu-minibatch.ts";
import { ppo } from "../../src/rl/ppo.ts";
import { planLanguageMemory } from "../../src/lm/webgpu-memory.ts";
import { transformerLayout } from "../../src/nn/transformer-layout.ts";
import { tinyLlamaShape } from "../support/tiny-llama.ts";
import { gpu } from "./support.ts";

/** A view of the device with counters and, where given, a budget of its own. */
const view = (budget?: number): GpuDevice =>
  new GpuDevice(gpu!.device, { architecture: "swiftshader" }, budget);

const request = (options: Parameters<typeof ppo>[0]): PpoPlanRequest => ({
  ...ppo({ totalSteps: 1e9, ...options }),
  environment: cartPole(),
  reward: null,
});

describe.skipIf(gpu === null)("memory of a run", () => {
  test("the plan is what is then allocated, and disposing gives all of it back", () => {
    for (const options of [{}, { envs: 64, steps: 7, minibatchSize: 64, hidden: [16, 24, 8] }] as const) {
      const before = { ...gpu!.counters };
      const memory = planPpoMemory(gpu!, request(options));
      expect(gpu!.counters).toEqual(before);
      const ppoPlan = createPpoPlan(gpu!, request(options));
      minibatchStages(ppoPlan);
      const { readState, readMetrics } = createPpoReadbacks(ppoPlan);
      expect(gpu!.counters.bytes - before.bytes).toBe(memory.bytes);
      expect(gpu!.counters.buffers - before.buffers).toBe(memory.buffers.length);
      for (const made of [ppoPlan.plan, readState, readMetrics]) made.dispose();
      expect(gpu!.counters.bytes).toBe(before.bytes);
    }
  });

  test("what does not fit is said before anything is made, with what to reduce", () => {
    const before = { ...gpu!.counters };
    const plan = (options: Parameters<typeof ppo>[0]) => () => planPpoMemory(gpu!, request(options));
    const transitions = { envs: 32_768, steps: 128, minibatchSize: 32_768, epochs: 100 };
    expect(plan(transitions)).toThrow(
      expect.objectContaining({
        code: "gpu/memory",
        message: expect.stringMatching(
          /needs [\d,]+ MB on the GPU, [\d,]+ MB of them in one piece/,
        ) as string,
        fix: expect.stringMatching(/fewer environments \(now 32768\) or fewer steps/) as string,
      }),
    );
    const activations = { envs: 65_536, steps: 64, minibatchSize: 4_194_304, epochs: 1 };
    expect(plan(activations)).toThrow(
      expect.objectContaining({
        fix: expect.stringMatching(/Lower minibatchSize \(now 4194304\)/) as string,
      }),
    );
    expect(gpu!.counters).toEqual(before);
  });

  test("what comes to more than the budget beside what is taken is refused, on both engines", () => {
    const simulated = { envs: 256, steps: 64, minibatchSize: 1024 };
    const { bytes, mostly } = planPpoMemory(gpu!, request(simulated));
    const tight = view(bytes);
    planPpoMemory(tight, request(simulated));
    tight.createBuffer("another run's", 16, 0x80);
    expect(() => planPpoMemory(tight, request(simulated))).toThrow(
      expect.objectContaining({
        code: "gpu/memory",
        message: expect.stringMatching(
          new RegExp(
            `needs [\\d.]+ MB on the GPU, [\\d.]+ MB of them for its ${mostly.label}; of .* are free`,
          ),
        ) as string,
        fix: expect.stringMatching(/\(now \d+.*\)\. Or stop other runs\.$/) as string,
      }),
    );
    const wide = { ...tinyLlamaShape, width: 64, feedForward: 128, layers: 6, maxLength: 64 };
    const plan = (options: object, spare = 0) => {
      const all = planLanguageMemory(gpu!, wide, { maxBatch: 64, ...options }).bytes;
      return () => planLanguageMemory(view(all + spare), wide, { maxBatch: 64, ...options });
    };
    plan({})();
    expect(plan({}, -16)).toThrow(
      expect.objectContaining({
        code: "gpu/memory",
        message: expect.stringMatching(/MB of them for its gate; of/) as string,
        fix: "Use checkpointing: true, a maxLength below 64, or a smaller policy: a width below 64, fewer layers than 6, or a vocabulary below 11.",
      }),
    );
    expect(plan({ checkpointing: true }, -16)).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(/MB of them for its (cache|input); of/) as string,
        fix: expect.not.stringContaining("checkpointing") as string,
      }),
    );
  });

  test("too large a language policy says what to reduce", () => {
    const before = gpu!.counters.bytes;
    const huge = { ...tinyLlamaShape, width: 8192, layers: 40, feedForward: 32_768 };
    expect(() => planLanguageMemory(gpu!, huge, {})).toThrow(
      expect.objectContaining({
        code: "gpu/memory",
        message: expect.stringMatching(
          /MB of them in one piece for its (partial gradients|moments)/,
        ) as string,
        fix: expect.stringMatching(/a width below 8192, fewer layers than 40/) as string,
      }),
    );
    expect(gpu!.counters.bytes).toBe(before);
  });

  test("adapters and checkpointing take less, and the plan says so", () => {
    const shape = { ...tinyLlamaShape, width: 64, layers: 6, feedForward: 128, maxLength: 128 };
    const adapter = { rank: 4, alpha: 8, projections: ["q", "v"] } as const;
    const bytes = (changed: object, options = {}): number =>
      planLanguageMemory(gpu!, { ...shape, ...changed }, { maxBatch: 32, ...options }).bytes;
    const all = bytes({});
    expect(bytes({}, { checkpointing: true })).toBeLessThan(0.7 * all);
    // No moments and gradients of frozen weights.
    const { length } = transformerLayout(shape);
    expect(bytes({ adapter })).toBeLessThan(all - 4 * length);
  });

  test("a language policy whose dispatches would hold up the driver is refused, with what to reduce", () => {
    const before = gpu!.counters.bytes;
    const plan = (changed: object) => () => planLanguageMemory(gpu!, { ...tinyLlamaShape, ...changed }, {});
    const words = { vocabularySize: 2 ** 15, width: 256, maxLength: 16_384 };
    expect(plan(words)).toThrow(
      expect.objectContaining({
        code: "gpu/dispatch",
        message: expect.stringMatching(/busy for about [\d.]+ s, and 0\.5 s is the limit/) as string,
        fix: expect.stringMatching(
          /a vocabulary smaller than 32768, or a maxLength of at most \d+ \(now 16384\)/,
        ) as string,
      }),
    );
    const wide = { width: 1024, feedForward: 2048, maxLength: 16_384 };
    expect(plan(wide)).toThrow(
      expect.objectContaining({ fix: expect.stringMatching(/a policy narrower than 1024/) as string }),
    );
    expect(gpu!.counters.bytes).toBe(before);
  });

  test("a dispatch that would hold up the driver is refused, with what to reduce, and nothing is made", () => {
    const before = { ...gpu!.counters };
    const large = { envs: 1024, steps: 256, minibatchSize: 262_144, epochs: 1 };
    expect(() => planPpoMemory(gpu!, request(large))).toThrow(
      expect.objectContaining({
        code: "gpu/dispatch",
        message: expect.stringMatching(/busy for about [\d.]+ s, and 0\.5 s is the limit/) as string,
        fix: expect.stringMatching(/Lower minibatchSize \(now 262144\), to 65536 for example/) as string,
      }),
    );
    planPpoMemory(gpu!, request({ ...large, minibatchSize: 65_536 }));
    const wide = { envs: 32_768, steps: 4, minibatchSize: 4096 };
    expect(() => planPpoMemory(gpu!, request(wide))).toThrow(
      expect.objectContaining({ fix: expect.stringMatching(/fewer environments \(now 32768\)/) as string }),
    );
    expect(gpu!.counters).toEqual(before);
  });
});

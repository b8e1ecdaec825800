import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openGpuDevice, type GpuDevice } from "../../src/gpu/device.ts";
import { compileConstraint, parseGrammar } from "../../src/lm/constraint/index.ts";
import { createCpuLanguageEngine } from "../../src/lm/cpu-language-engine.ts";
import type { GenerateRequest, LanguageEngine } from "../../src/lm/language-engine.ts";
import { createWebGpuLanguageEngine } from "../../src/lm/webgpu-language-engine.ts";
import { expectClose } from "../support/goldens.ts";
import { manyRequests, smallShape, strengthen } from "../support/language-rows.ts";
import { installNodeGpu } from "../support/node-gpu.ts";

const gpu = await installNodeGpu();

const letters = Array.from({ length: 13 }, (_, id) => (id < 3 ? null : Uint8Array.of(94 + id)));
const shapes: readonly Partial<GenerateRequest>[] = [
  { topK: 3 },
  { topP: 0.8 },
  { minP: 0.2, temperature: 0.7 },
  { topK: 5, topP: 0.6, temperature: 1.4 },
  {
    logitBias: new Map([
      [4, 2],
      [5, -100],
    ]),
  },
  { temperature: 0, logitBias: new Map([[7, 100]]) },
  { allowed: null, constraint: compileConstraint(parseGrammar('root ::= "ab"? [c-f]{2,4}'), letters, [2]) },
  {},
];
/** All shapes among each other, prompts in common. */
const requests = manyRequests(32).map((request, i): GenerateRequest => ({ ...request, ...shapes[i % 8] }));

describe.skipIf(gpu === null)("filters, biases and constraints on WebGPU", () => {
  let device: GpuDevice;
  let engine: LanguageEngine;
  let cpu: LanguageEngine;
  beforeAll(async () => {
    device = (await openGpuDevice(gpu))!;
    engine = await createWebGpuLanguageEngine(smallShape, { seed: 5, device });
    cpu = await createCpuLanguageEngine(smallShape, { seed: 5 });
    await strengthen(engine);
    cpu.load(await engine.save());
  });
  afterAll(() => {
    device.check();
    device.dispose();
  });

  test("tokens and both log-probabilities are the CPU engine's, and a request's are its own", async () => {
    const together = await engine.generate(requests);
    const expected = await cpu.generate(requests);
    together.forEach(({ tokens, ...made }, i) => {
      expect([...tokens]).toEqual([...expected[i]!.tokens]);
      const tolerance = { absolute: 2e-5, relative: 2e-5 };
      expectClose(
        made.samplerLogProbabilities,
        expected[i]!.samplerLogProbabilities,
        tolerance,
        `sampler of ${i}`,
      );
      expectClose(made.logProbabilities, expected[i]!.logProbabilities, tolerance, `plain of ${i}`);
      expect(made.finishReason).toBe(expected[i]!.finishReason);
    });
    // What a filter leaves out makes the rest likelier.
    const shaped = together.filter((_, i) => i % 8 < 4);
    const higher = shaped.some(({ samplerLogProbabilities: s, logProbabilities: p }) =>
      s.some((v, t) => v > p[t]! + 0.01),
    );
    expect(higher).toBe(true);
    for (const i of [6, 3, 12, 31]) expect((await engine.generate([requests[i]!]))[0]).toEqual(together[i]);
  });
});

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openGpuDevice, type GpuDevice } from "../../src/gpu/device.ts";
import { createWebGpuLanguageEngine } from "../../src/lm/webgpu-language-engine.ts";
import { checkAdapter } from "../support/check-adapter.ts";
import { afterStep, expectMergedIsApart } from "../support/check-invariants.ts";
import { trajectoryDifference } from "../support/check-trajectory.ts";
import { expectClose } from "../support/goldens.ts";
import {
  checkGoldenContinuation,
  expectGoldenGradient,
  likelihood,
  loadParameters,
  tinyModel,
} from "../support/hf-tiny.ts";
import { everythingShape, promptedRows } from "../support/language-rows.ts";
import { installNodeGpu } from "../support/node-gpu.ts";

const gpu = await installNodeGpu();

describe.skipIf(gpu === null)("decoders on WebGPU", () => {
  let device: GpuDevice;
  beforeAll(async () => {
    device = (await openGpuDevice(gpu))!;
  });
  afterAll(() => device.dispose());

  // Llama's layout is tiny_llama's, which language-engine.test.ts tries.
  test.each(["qwen2", "qwen3"] as const)(
    "%s: log-probabilities, loss, gradients, greedy tokens",
    async (family) => {
      const tiny = tinyModel(family);
      const engine = await createWebGpuLanguageEngine(tiny.shape, { seed: 1, device });
      await loadParameters(engine, tiny.parameters);
      const { logProbabilities } = await engine.score(tiny.rows);
      expectClose(logProbabilities, tiny.logProbabilities, { absolute: 1e-5, relative: 1e-4 });
      await checkGoldenContinuation(engine, tiny);
      const { loss } = await engine.step(tiny.rows, likelihood);
      expectClose(loss, tiny.golden.loss, { absolute: 0, relative: 1e-5 });
      const { firstMoment } = await engine.save();
      expectGoldenGradient(
        tiny,
        firstMoment.map((m) => m / (1 - likelihood.betas[0])),
        1e-4,
      );
      engine.dispose();
    },
  );

  test("an adapter merged into the weights is the adapter beside them", async () => {
    await expectMergedIsApart((shape) => createWebGpuLanguageEngine(shape, { seed: 1, device }));
  });

  test("biases, norms, every adapter and a soft prompt together, and the reference without them", async () => {
    const engine = await createWebGpuLanguageEngine(everythingShape, { seed: 1, device });
    await checkAdapter(engine);
    const { loss, path } = await trajectoryDifference(engine);
    expect(loss).toBeLessThan(1e-4);
    expect(path).toBeLessThan(1e-3);

    const rows = promptedRows(everythingShape);
    const kept = await afterStep(engine, rows);
    engine.dispose();
    const again = await createWebGpuLanguageEngine(everythingShape, { seed: 1, device, checkpointing: true });
    expect(await afterStep(again, rows)).toBe(kept);
    again.dispose();
  });
});

import { afterAll, beforeAll, describe, test } from "vitest";
import { openGpuDevice, type GpuDevice } from "../../src/gpu/device.ts";
import { createWebGpuLanguageEngine } from "../../src/lm/webgpu-language-engine.ts";
import { installNodeGpu } from "../support/node-gpu.ts";
import { engineGoldens } from "../support/token-goldens.ts";

const gpu = await installNodeGpu();

describe.skipIf(gpu === null)("the WebGPU engine", () => {
  let device: GpuDevice;
  beforeAll(async () => {
    device = (await openGpuDevice(gpu))!;
  });
  afterAll(() => {
    device.check();
    device.dispose();
  });

  test.each(engineGoldens)("%s", async (_, check) => {
    await check((shape) => createWebGpuLanguageEngine(shape, { seed: 1, device }));
  });
});

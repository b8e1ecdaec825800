import { describe, expect, test } from "vitest";
import { createWebGpuLanguageEngine } from "../../src/lm/webgpu-language-engine.ts";
import { planLanguageMemory } from "../../src/lm/webgpu-memory.ts";
import type { WebGpuModelOptions } from "../../src/lm/webgpu-model.ts";
import type { LanguageEngine } from "../../src/lm/language-engine.ts";
import {
  expectFiniteDifference,
  expectSameLearning,
  headDisagreement,
  largeVocabulary,
  smoothing,
} from "../support/check-head.ts";
import { gpu, withFault } from "./support.ts";

/** Room for 160 predictions. */
const options = (headIds?: number): WebGpuModelOptions => ({ maxBatch: 8, ...(headIds ? { headIds } : {}) });
const create = (headIds?: number): Promise<LanguageEngine> =>
  createWebGpuLanguageEngine(largeVocabulary, { seed: 1, device: gpu!, ...options(headIds) });

describe.skipIf(!gpu)("the head in chunks of ids, on WebGPU", () => {
  test("4,099 ids: f64, finite differences, the same learning as written out", async () => {
    const start = gpu!.counters.bytes;
    const [chunked, whole] = [await create(), await create(4099)];
    await expectSameLearning([chunked, whole]);
    expect(await headDisagreement(chunked)).toBeNull();
    await expectFiniteDifference(chunked);
    for (const engine of [chunked, whole]) expect(await headDisagreement(engine, smoothing)).toBeNull();
    await expectFiniteDifference(chunked, smoothing);
    chunked.dispose();
    whole.dispose();
    expect(gpu!.counters.bytes).toBe(start);
  });

  test("the memory plan says how many logits there are", () => {
    const logits = (headIds?: number): number =>
      planLanguageMemory(gpu!, largeVocabulary, options(headIds)).buffers.find(
        ({ label }) => label === "logits",
      )!.bytes;
    expect([logits(), logits(4099)]).toEqual([4 * 160 * 1368, 4 * 160 * 4104]);
  });

  test("a fault in what runs along the chunks is found", async () => {
    const fault = { shader: "loss/token_softmax", find: "shrink * so_far.y;", replace: "so_far.y;" };
    const broken = await withFault(fault, () => create());
    expect(await headDisagreement(broken)).toMatch(/log-probability/);
    broken.dispose();
  });
});

import type { GpuDevice } from "../gpu/device.ts";
import { MemoryPlan } from "../gpu/memory-plan.ts";
import { StaticPlan } from "../gpu/plan.ts";
import type { TransformerShape } from "../nn/transformer-layout.ts";
import { createDecodingBuffers } from "./webgpu-decoding-buffers.ts";
import { createStateReadback, WebGpuModel, type WebGpuModelOptions } from "./webgpu-model.ts";
import { createTrainingArenas, createTrainingBuffers } from "./webgpu-training-buffers.ts";

/**
 * All that an engine makes on the device once it has trained, scored, completed and saved: weights, moments, gradients, a
 * micro-batch's activations, the cache of completions, readbacks. Nothing is made. Throws "gpu/memory" where the adapter
 * has no buffers of that size and "gpu/dispatch" where one dispatch would take too long, with what to reduce.
 */
export function planLanguageMemory(
  gpu: GpuDevice,
  shape: TransformerShape,
  options: WebGpuModelOptions,
): MemoryPlan {
  const memory = new MemoryPlan();
  const model = new WebGpuModel(gpu, shape, options, memory);
  const plan = new StaticPlan(gpu, memory);
  createTrainingArenas(model, plan);
  const { width, layers, vocabularySize } = shape;
  const reduce = (): string =>
    `Use a smaller policy: a width below ${width}, fewer layers than ${layers}, or a vocabulary below ${vocabularySize}.`;
  // Weights that do not fit are said before a dispatch that takes too long.
  memory.check(gpu, reduce);
  createTrainingBuffers(model, plan);
  createDecodingBuffers(model, plan);
  createStateReadback(model, memory);
  memory.check(gpu, reduce);
  return memory;
}

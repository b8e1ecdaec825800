import type { GpuDevice } from "../gpu/device.ts";
import { MemoryPlan } from "../gpu/memory-plan.ts";
import { transformerLayout, type TransformerShape } from "../nn/transformer-layout.ts";
import { partialLength } from "./webgpu-training-kernels.ts";
import { kernelSizes } from "./webgpu-model.ts";

/**
 * What lives as long as a language run: weights, moments, gradients and their partial sums; nothing is made. A
 * micro-batch's activations and the cache of completions come on top, each within `KernelSizes`' bounds. Throws
 * "gpu/memory" where the adapter has no buffers of that size, with what to reduce.
 */
export function planLanguageMemory(gpu: GpuDevice, shape: TransformerShape): MemoryPlan {
  const { length, trainable } = transformerLayout(shape);
  const learning = shape.adapter ? length - trainable : length;
  const { splits } = kernelSizes(gpu, shape, "registers");
  const memory = new MemoryPlan();
  const add = (label: string, floats: number): void => void memory.createBuffer(label, 4 * floats);
  add("parameters", shape.adapter ? trainable : length);
  if (shape.adapter) add("adapters", learning);
  add("moments", 2 * learning);
  add("gradients", learning);
  add("partial gradients", shape.adapter ? 4 : splits * partialLength({ layout: { length }, shape }));
  const { width, layers, vocabularySize } = shape;
  memory.check(
    gpu,
    () =>
      `Use a smaller policy: a width below ${width}, fewer layers than ${layers}, or a vocabulary below ${vocabularySize}.`,
  );
  return memory;
}

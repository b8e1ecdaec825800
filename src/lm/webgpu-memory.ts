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
 * has no buffers of that size or all of them are beyond its budget, and "gpu/dispatch" where one dispatch would take too long,
 * with what to reduce.
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
  const reduce = reduceLanguageMemory(shape, options);
  // Weights that do not fit are said before a dispatch that takes too long.
  memory.check(gpu, reduce);
  createTrainingBuffers(model, plan);
  createDecodingBuffers(model, plan);
  createStateReadback(model);
  memory.check(gpu, reduce);
  return memory;
}

/** Says for the label of an engine's buffer what makes it smaller. */
export const reduceLanguageMemory =
  (
    { width, layers, vocabularySize, maxLength }: TransformerShape,
    { maxBatch, checkpointing }: WebGpuModelOptions,
  ) =>
  (label: string): string => {
    const smaller = `a width below ${width}, fewer layers than ${layers}, or a vocabulary below ${vocabularySize}`;
    if (weights.test(label)) return `Use a smaller policy: ${smaller}.`;
    const shorter = `a maxLength below ${maxLength}`;
    if (completions.test(label)) {
      const fewer = maxBatch === undefined ? "fewer rollouts" : `fewer rollouts than ${maxBatch}`;
      return `Use ${shorter}, ${fewer} at once, or a smaller policy: ${smaller}.`;
    }
    const less = checkpointing === true ? "" : "checkpointing: true, ";
    return `Use ${less}${shorter}, or a smaller policy: ${smaller}.`;
  };

const weights = /^(parameters|adapters|moments|rotations|partial gradients|gradients|squares|state readback)/;
/** As `createDecodingBuffers` calls them. */
const completions = /^(cache|cache runs|sequences|requests|allowed|biases|samples|samples readback)$/;

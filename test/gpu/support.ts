import { openGpuDevice, type GpuDevice } from "../../src/gpu/device.ts";
import { forgetKernels } from "../../src/gpu/kernel.ts";
import { runRows } from "../../src/gpu/run-rows.ts";
import type { ShaderOptions } from "../../src/gpu/shader-source.ts";
import { random4, stream, uniform } from "../../src/kernels/philox.ts";
import { ScalarSlots, type Scalar } from "../../src/kernels/scalars.ts";
import { installNodeGpu } from "../support/node-gpu.ts";

/** The device all GPU tests of one file share; null (said aloud by `installNodeGpu`) where there is none. */
export const gpu: GpuDevice | null = await openGpuDevice(await installNodeGpu());

/** Uniform in [-1, 1), from the counter RNG's `check` stream. */
export function random(count: number, step: number): Float32Array<ArrayBuffer> {
  const words = new Uint32Array(4);
  return Float32Array.from({ length: count }, (_, i) => {
    random4(5, stream.check, step, i, words);
    return uniform(words[0]!) * 2 - 1;
  });
}

/** A uniform slot with these fields set, the others 0. */
export function scalarSlot(values: Partial<Record<Scalar, number>>): ScalarSlots {
  const slots = new ScalarSlots(1);
  for (const [name, value] of Object.entries(values)) slots.set(0, name as Scalar, value);
  return slots;
}

/** Copies a buffer back. */
export async function read(
  buffer: GPUBuffer,
  elements = buffer.size / 4,
): Promise<Float32Array<ArrayBuffer>> {
  const { device } = gpu!;
  const staging = device.createBuffer({ size: elements * 4, usage: 0x1 | 0x8 });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, elements * 4);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  const data = new Float32Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return data;
}

/** `runRows` on the device of these tests. */
export const runPerElement = (
  declarations: string,
  body: string,
  input: Uint32Array<ArrayBuffer>,
  count: number,
  stride: number,
  { parts = {} }: Pick<ShaderOptions, "parts"> = {},
): Promise<Uint32Array<ArrayBuffer>> =>
  runRows(gpu!, { name: "test", declarations, body, parts }, input, count, stride);

/** A seeded fault in a shader: the text that must occur exactly once in it, and what takes its place. */
export interface ShaderFault {
  /** Label of the shader module, for example "rl/gae". */
  readonly shader: string;
  readonly find: string;
  readonly replace: string;
}

/** Runs `work` with one shader's text changed as it reaches WebGPU; throws where the text is not there once. */
export async function withFault<T>(fault: ShaderFault | null, work: () => Promise<T>): Promise<T> {
  if (fault === null) return work();
  const { device } = gpu!;
  const create = device.createShaderModule.bind(device);
  let hits = 0;
  forgetKernels(gpu!);
  device.createShaderModule = (descriptor) => {
    if (descriptor.label !== fault.shader) return create(descriptor);
    const parts = descriptor.code.split(fault.find);
    hits++;
    if (parts.length !== 2) throw new Error(`"${fault.find}" occurs ${parts.length - 1} times`);
    return create({ ...descriptor, code: parts.join(fault.replace) });
  };
  try {
    return await work();
  } finally {
    device.createShaderModule = create;
    forgetKernels(gpu!);
    if (hits === 0) throw new Error(`no shader "${fault.shader}" was made`);
  }
}

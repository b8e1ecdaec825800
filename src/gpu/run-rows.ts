import { deviceLost, type GpuDevice } from "./device.ts";
import { compileKernel } from "./kernel.ts";
import { StaticPlan } from "./plan.ts";
import { ReadbackRing } from "./readback.ts";
import type { ShaderOptions } from "./shader-source.ts";

/** A computation over rows of 32-bit words. */
export interface RowWork {
  /** Names its shader in errors. */
  readonly name: string;
  /** Declarations and `#include` lines. */
  readonly declarations: string;
  /** What is done for row `i`: reads words of `input`, writes words of `output`, both array<u32>. */
  readonly body: string;
  readonly parts?: NonNullable<ShaderOptions["parts"]>;
}

const WORKGROUP = 64;

/**
 * Runs `work` once over `rows` rows and gives their `rows * stride` words back. Its buffers are there for that time only; the
 * compiled shader is kept as any other. Rejects with "gpu/shader" where it does not compile and "gpu/lost".
 */
export async function runRows(
  gpu: GpuDevice,
  work: RowWork,
  input: Uint32Array<ArrayBuffer>,
  rows: number,
  stride: number,
): Promise<Uint32Array<ArrayBuffer>> {
  const source = `${work.declarations}
@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  if (i >= ${rows}u) { return; }
${work.body}
}`;
  const plan = new StaticPlan(gpu);
  let readback: ReadbackRing | null = null;
  try {
    const given = plan.storage(`${work.name} input`, input.length);
    const made = plan.storage(`${work.name} output`, rows * stride);
    const { parts } = work;
    const kernel = { name: work.name, source, bindings: ["read", "write"] as const };
    const compiled = await compileKernel(gpu, kernel, {
      constants: { WORKGROUP },
      ...(parts === undefined ? {} : { parts }),
    });
    const dispatch = plan.bind(compiled, [given, made], rows, WORKGROUP);
    readback = new ReadbackRing(gpu, `${work.name} readback`, rows * stride, 1);
    gpu.device.queue.writeBuffer(given, 0, input);
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    plan.encode(pass, dispatch, 0);
    pass.end();
    const read = readback.copy(encoder, [{ buffer: made, length: rows * stride }]);
    gpu.submit(encoder);
    const data = await read().catch((cause: unknown) => {
      throw deviceLost(cause instanceof Error ? cause.message : String(cause));
    });
    return new Uint32Array(data.buffer);
  } finally {
    readback?.dispose();
    plan.dispose();
  }
}

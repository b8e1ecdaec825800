import type { GpuDevice } from "../gpu/device.ts";
import { StaticPlan } from "../gpu/plan.ts";
import { linearKernel } from "./linear.ts";
import { bindNamedKernel, compileNamedKernel } from "./named-kernel.ts";
import { TokenBatchSlots } from "./token-batch.ts";
import { probeVariants } from "./variant-probe.ts";

/** How the matrix kernels share what they load; see `LinearSharing`. The first one needs no measurement. */
export const linearVariants = ["registers", "tiled"] as const;
export type LinearVariant = (typeof linearVariants)[number];

const WIDTH = 256;

/**
 * Which variant is the faster one on this device, as `probeVariants` finds it: 32 products of [512 x 256] by [256 x 256],
 * one of [64 x 256] on a software adapter.
 */
export async function probeLinearVariant(gpu: GpuDevice, now: () => number): Promise<LinearVariant> {
  const { rows: count, products } = gpu.software ? { rows: 64, products: 1 } : { rows: 512, products: 32 };
  const plan = new StaticPlan(gpu);
  try {
    const slots = plan.slots(1);
    const batch = new TokenBatchSlots(1);
    batch.set(0, "tokens", count);
    gpu.device.queue.writeBuffer(slots, 0, batch.bytes);
    const buffers = {
      parameters: plan.storage("probe weights", WIDTH * WIDTH),
      input: plan.storage("probe input", count * WIDTH),
      output: plan.storage("probe output", count * WIDTH),
    };
    const place = { weight: 0, inputs: WIDTH, outputs: WIDTH, gain: null };
    const contestants = await Promise.all(
      linearVariants.map(async (variant) => {
        const { kernel, tiles, rows } = linearKernel(
          place,
          { kind: "store" },
          {
            ...{ tile: { rows: 4, columns: 8 }, epsilon: 0, save: false, gather: false },
            ...{ tiled: variant === "tiled", quads: gpu.quads },
          },
        );
        const compiled = await compileNamedKernel(gpu, kernel, gpu.software ? 16 : 64);
        const dispatch = bindNamedKernel(plan, compiled, slots, buffers);
        const invocations = Math.ceil(count / rows) * tiles;
        const encode = (pass: GPUComputePassEncoder): void => {
          for (let n = 0; n < products; n++) plan.encodeSized(pass, dispatch, 0, invocations);
        };
        return { variant, encode };
      }),
    );
    return await probeVariants(gpu, contestants, now);
  } finally {
    plan.dispose();
  }
}

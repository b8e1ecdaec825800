import type { GpuDevice } from "../gpu/device.ts";
import { StaticPlan } from "../gpu/plan.ts";
import { linearKernel } from "./linear.ts";
import { bindNamedKernel, compileNamedKernel } from "./named-kernel.ts";
import { TokenBatchSlots } from "./token-batch.ts";

/** How the matrix kernels share what they load; see `LinearSharing`. The first one needs no measurement. */
export type LinearVariant = "registers" | "tiled";

export const isLinearVariant = (name: unknown): name is LinearVariant =>
  name === "registers" || name === "tiled";

/** The other variant must be faster by this factor: a tie is no reason to leave what is known to work. */
const CLEARLY = 1.1;
const WIDTH = 256;
const ROUNDS = 3;

/**
 * Which variant is the faster one on this device: 32 products of [512 x 256] by [256 x 256], one of [64 x 256] on a
 * software adapter, the best of three submits each, in turn; `now` gives milliseconds. To be called when nothing else
 * runs.
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
      (["registers", "tiled"] as const).map(async (variant) => {
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
        return { variant, dispatch, invocations: Math.ceil(count / rows) * tiles };
      }),
    );
    const best: Record<LinearVariant, number> = { registers: Infinity, tiled: Infinity };
    for (let round = 0; round <= ROUNDS; round++) {
      for (const { variant, dispatch, invocations } of contestants) {
        const start = now();
        const encoder = gpu.device.createCommandEncoder();
        const pass = encoder.beginComputePass();
        for (let n = 0; n < products; n++) plan.encodeSized(pass, dispatch, 0, invocations);
        pass.end();
        gpu.submit(encoder);
        await gpu.device.queue.onSubmittedWorkDone();
        const time = now() - start;
        // The first round warms up.
        if (round > 0) best[variant] = Math.min(best[variant], time);
      }
    }
    gpu.check();
    return best.tiled * CLEARLY < best.registers ? "tiled" : "registers";
  } finally {
    plan.dispose();
  }
}

import type { GpuDevice } from "../gpu/device.ts";

/** One variant of some work. */
export interface Contestant<Variant extends string> {
  readonly variant: Variant;
  encode(pass: GPUComputePassEncoder): void;
}

/** Another variant must be faster than the first by this factor: a tie is no reason to leave what is known to work. */
const CLEARLY = 1.1;
const ROUNDS = 3;

/**
 * The fastest of several variants of the same work on this device, where it beats the first one clearly: the best of
 * three submits each, in turn; `now` gives milliseconds. To be called when nothing else runs.
 */
export async function probeVariants<Variant extends string>(
  gpu: GpuDevice,
  contestants: readonly Contestant<Variant>[],
  now: () => number,
): Promise<Variant> {
  const best = contestants.map(() => Infinity);
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [n, { encode }] of contestants.entries()) {
      const start = now();
      const encoder = gpu.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      encode(pass);
      pass.end();
      gpu.submit(encoder);
      await gpu.device.queue.onSubmittedWorkDone();
      const time = now() - start;
      // The first round warms up.
      if (round > 0) best[n] = Math.min(best[n]!, time);
    }
  }
  gpu.check();
  const fastest = best.indexOf(Math.min(...best));
  return contestants[best[fastest]! * CLEARLY < best[0]! ? fastest : 0]!.variant;
}

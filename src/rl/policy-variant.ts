import type { GpuDevice } from "../gpu/device.ts";

/**
 * How the kernels of a minibatch share what they load. "registers": tiles of two by two blocks, each thread for itself.
 * "wide": two by four on the way back, which saves loads and takes more registers. "quads": wide, and four lanes share
 * their loads. None has a barrier.
 */
export type PolicyVariant = "registers" | "wide" | "quads";

type Adapter = Pick<GpuDevice, "software" | "canShareQuads">;

/** Before anything was measured: on software adapters, which read memory lane by lane, loads are what takes the time. */
export const usualPolicyVariant = ({ software, canShareQuads }: Adapter): PolicyVariant =>
  !software ? "registers" : canShareQuads ? "quads" : "wide";

/** All that the adapter has, the usual one first. */
export function policyVariants(gpu: Adapter): readonly PolicyVariant[] {
  const usual = usualPolicyVariant(gpu);
  const others = (["registers", "wide", "quads"] as const).filter((variant) => variant !== usual);
  return [usual, ...others.filter((variant) => variant !== "quads" || gpu.canShareQuads)];
}

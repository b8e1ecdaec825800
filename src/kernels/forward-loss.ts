import type { Kernel } from "../gpu/kernel.ts";
import source from "../../shaders/mlp/forward_loss.wgsl?raw";

/**
 * Last hidden layer, heads, PPO loss and dz. Bindings: scalars, parameters, indices, transitions, statistics,
 * partials, then the layer below's hidden and dz; a network of one layer has observations instead (FIRST).
 */
export const forwardLossKernel = (first: boolean): Kernel => ({
  name: "mlp/forward_loss",
  source,
  bindings: [
    ...(["scalars", "read", "read", "read", "read", "write"] as const),
    ...(first ? (["read"] as const) : (["read", "write"] as const)),
  ],
});

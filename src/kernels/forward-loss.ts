import type { Kernel } from "../gpu/kernel.ts";
import source from "../../shaders/mlp/forward_loss.wgsl?raw";

/**
 * Last hidden layer, heads, PPO loss and dz. Bindings: scalars, parameters, indices, transitions, statistics,
 * partials, dz, then the layer below's hidden; a network of one layer has observations instead (FIRST). Thread
 * per row of tiles.
 */
export const forwardLossKernel: Kernel = {
  name: "mlp/forward_loss",
  source,
  bindings: ["scalars", "read", "read", "read", "read", "write", "write", "read"],
};

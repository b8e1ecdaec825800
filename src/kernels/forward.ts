import type { Kernel } from "../gpu/kernel.ts";
import source from "../../shaders/mlp/forward.wgsl?raw";

/**
 * One hidden layer. Bindings: scalars, parameters, hidden, then the layer below's hidden; the first layer has
 * observations and indices instead (constant FIRST). Thread per tile.
 */
export const forwardKernel = (first: boolean): Kernel => ({
  name: "mlp/forward",
  source,
  bindings: first ? ["scalars", "read", "write", "read", "read"] : ["scalars", "read", "write", "read"],
});

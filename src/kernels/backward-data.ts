import type { Kernel } from "../gpu/kernel.ts";
import source from "../../shaders/mlp/backward_data.wgsl?raw";

/**
 * dz of the layer below. Bindings: scalars, parameters, dz above, hidden below, then dz below; where that is the
 * first layer (FIRST), observations, indices and partials instead, for its weight gradient.
 */
export const backwardDataKernel = (first: boolean): Kernel => ({
  name: "mlp/backward_data",
  source,
  bindings: first
    ? ["scalars", "read", "read", "read", "read", "read", "write"]
    : ["scalars", "read", "read", "read", "write"],
});

import type { Kernel } from "../gpu/kernel.ts";
import source from "../../shaders/mlp/weight_gradient.wgsl?raw";

/** Bindings: the layer's input, its dz, partials. Thread per tile of weights and range of the batch. */
export const weightGradientKernel: Kernel = {
  name: "mlp/weight_gradient",
  source,
  bindings: ["read", "read", "write"],
};

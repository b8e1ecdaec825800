import type { Kernel } from "../gpu/kernel.ts";
import source from "../../shaders/optim/reduce_gradient.wgsl?raw";

/** Bindings: partials, gradients, squares (and the loss terms behind them). */
export const reduceGradientKernel: Kernel = {
  name: "optim/reduce_gradient",
  source,
  bindings: ["read", "write", "write"],
};

import type { Kernel } from "../gpu/kernel.ts";
import source from "../../shaders/rl/normalization.wgsl?raw";

/** Bindings: scalars, transitions, raw observations, running statistics. Workgroup per quantity. */
export const normalizationKernel: Kernel = {
  name: "rl/normalization",
  source,
  bindings: ["scalars", "read", "read", "write"],
};

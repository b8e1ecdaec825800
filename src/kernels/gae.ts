import type { Kernel } from "../gpu/kernel.ts";
import source from "../../shaders/rl/gae.wgsl?raw";

/** Bindings: scalars, transitions. Thread per environment. Constants: STEPS, ENVS, WORKGROUP. */
export const gaeKernel: Kernel = {
  name: "rl/gae",
  source,
  bindings: ["scalars", "write"],
};

import type { Kernel } from "../gpu/kernel.ts";
import source from "../../shaders/rl/rollout.wgsl?raw";

/** Bindings: scalars, parameters, environments, episodes, observations, transitions. Thread per environment. */
export const rolloutKernel: Kernel = {
  name: "rl/rollout",
  source,
  bindings: ["scalars", "read", "write", "write", "write", "write"],
};

import type { Kernel } from "../gpu/kernel.ts";
import source from "../../shaders/rl/statistics.wgsl?raw";

/** Bindings: transitions, indices, episodes, statistics, metrics. Workgroup per minibatch, and one for the rollout. */
export const statisticsKernel: Kernel = {
  name: "rl/statistics",
  source,
  bindings: ["read", "read", "read", "write", "write"],
};

import type { Kernel } from "../gpu/kernel.ts";
import source from "../../shaders/rl/rollout.wgsl?raw";

/**
 * Bindings: scalars, parameters, environments, episodes, observations, transitions; and where observations are
 * normalised (NORMALIZE_OBSERVATIONS) the running statistics and the raw observations. Thread per environment.
 */
export const rolloutKernel = (normalizes: boolean): Kernel => ({
  name: "rl/rollout",
  source,
  bindings: [
    "scalars",
    "read",
    "write",
    "write",
    "write",
    "write",
    ...(normalizes ? (["read", "write"] as const) : []),
  ],
});

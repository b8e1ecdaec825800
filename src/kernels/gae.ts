import type { Kernel } from "../gpu/kernel.ts";
import source from "../../shaders/rl/gae.wgsl?raw";

/**
 * Bindings: scalars, transitions; and where rewards are normalised (NORMALIZE_REWARDS) the running statistics. Thread
 * per environment. Constants: STEPS, ENVS, COSTED, NORMALIZE_REWARDS, WORKGROUP, and with the last OBSERVATION_SIZE.
 */
export const gaeKernel = (normalizes = false): Kernel => ({
  name: "rl/gae",
  source,
  bindings: ["scalars", "write", ...(normalizes ? (["read"] as const) : [])],
});

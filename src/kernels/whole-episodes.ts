import type { Kernel } from "../gpu/kernel.ts";
import source from "../../shaders/rl/whole_episodes.wgsl?raw";

/** Bindings: episodes, transitions. Thread per environment. */
export const wholeEpisodesKernel: Kernel = {
  name: "rl/whole_episodes",
  source,
  bindings: ["read", "write"],
};

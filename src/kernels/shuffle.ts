import type { Kernel } from "../gpu/kernel.ts";
import source from "../../shaders/rl/shuffle.wgsl?raw";

/** Bindings: scalars, indices [epochs x steps x envs]. Thread per index. Twin: `permutation.ts`. */
export const shuffleKernel: Kernel = {
  name: "rl/shuffle",
  source,
  bindings: ["scalars", "write"],
};

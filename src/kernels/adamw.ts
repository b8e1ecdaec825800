import type { Kernel } from "../gpu/kernel.ts";
import source from "../../shaders/optim/adamw.wgsl?raw";

/** Bindings: scalars, gradients, squares, parameters, moments [first, second], metrics. Thread per `vectors` vec4s. */
export const adamwKernel: Kernel = {
  name: "optim/adamw",
  source,
  bindings: ["scalars", "read", "read", "write", "write", "write"],
};

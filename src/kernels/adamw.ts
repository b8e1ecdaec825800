import type { Kernel } from "../gpu/kernel.ts";
import source from "../../shaders/optim/adamw.wgsl?raw";

/**
 * Bindings: scalars, gradients, squares, parameters, moments [first, second], metrics. Thread per `vectors` vec4s.
 * Constants besides: `optimizerConstants`.
 */
export const adamwKernel: Kernel = {
  name: "optim/adamw",
  source,
  bindings: ["scalars", "read", "read", "write", "write", "write"],
};

export interface OptimizerVariant {
  readonly optimizer: "adamw" | "rmsprop" | "rmsprop-tensorflow";
  /** Whether no more steps are taken once a minibatch's KL is above `kl_limit`; "step": before that one's. */
  readonly klStop: "epoch" | "step" | null;
  /** Samples of a minibatch. */
  readonly batch: number;
}

/** Plain AdamW without a KL stop where nothing is given. */
export const optimizerConstants = (
  { optimizer, klStop, batch }: OptimizerVariant = { optimizer: "adamw", klStop: null, batch: 1 },
): Record<string, number | boolean> => ({
  RMSPROP: optimizer !== "adamw",
  INSIDE_ROOT: optimizer === "rmsprop-tensorflow",
  KL_STOP: klStop !== null,
  STOP_BEFORE_STEP: klStop === "step",
  BATCH: batch,
});

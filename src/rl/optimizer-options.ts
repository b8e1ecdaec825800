import { FulguriteError } from "../gpu/error.ts";
import type { TokenLossConfig } from "./token-loss-config.ts";

/** AdamW's part of a token loss. */
export type OptimizerOptions = Pick<
  TokenLossConfig,
  "learningRate" | "betas" | "adamEpsilon" | "weightDecay" | "maxGradientNorm"
>;

/** AdamW 1e-3 (0.9, 0.99), gradient norm 1: what suits models of 0.1 to 10 M parameters. */
export const defaultOptimizer: OptimizerOptions = {
  learningRate: 1e-3,
  betas: [0.9, 0.99],
  adamEpsilon: 1e-8,
  weightDecay: 0,
  maxGradientNorm: 1,
};

/** The fields of `defaults`, each as `options` has it or else as it is. */
export const pickOptions = <T extends object>(defaults: T, options: Partial<T>): T =>
  Object.fromEntries(
    Object.entries(defaults).map(([key, value]) => [key, options[key as keyof T] ?? value]),
  ) as T;

/** Throws "rl/invalid-config" where a setting named in `examples` is not a whole number above 0. */
export function checkWhole(
  config: Readonly<Partial<Record<string, unknown>>>,
  examples: Readonly<Record<string, number>>,
): void {
  for (const name of Object.keys(examples)) {
    const value = config[name];
    if (Number.isInteger(value) && (value as number) > 0) continue;
    throw new FulguriteError(
      "rl/invalid-config",
      `${name} is ${String(value)}, not a whole number above 0.`,
      `Pass ${name}: ${String(examples[name])}.`,
    );
  }
}

import { FulguriteError } from "../gpu/error.ts";
import type { TokenStepMetrics } from "../lm/language-engine.ts";

/** Throws "train/not-finite" where an optimizer step of a language policy went wrong. */
export function checkFinite(step: TokenStepMetrics, update: number): void {
  const wrong = (["loss", "gradientNorm"] as const).find((name) => !Number.isFinite(step[name]));
  if (wrong === undefined) return;
  throw new FulguriteError(
    "train/not-finite",
    `${wrong} became ${String(step[wrong])} in update ${update}; the run stopped and kept its checkpoint from before.`,
    "Lower the learning rate, or look for very large rewards.",
  );
}

import { FulguriteError } from "../gpu/error.ts";
import type { TokenStepMetrics } from "../lm/language-engine.ts";

/** How a run ends that breaks in `update`, for people; 0 is the warm start. */
export const stoppedWords = (update: number): string =>
  update > 1
    ? "the run stopped and kept its checkpoint from before."
    : "the run stopped before it had learned anything to keep.";

/** Throws "train/not-finite" where an optimizer step of a language policy went wrong. */
export function checkFinite(step: TokenStepMetrics, update: number): void {
  const wrong = (["loss", "gradientNorm"] as const).find((name) => !Number.isFinite(step[name]));
  if (wrong === undefined) return;
  throw new FulguriteError(
    "train/not-finite",
    `${wrong} became ${String(step[wrong])} in update ${update}; ${stoppedWords(update)}`,
    "Lower the learning rate, or look for very large rewards.",
  );
}

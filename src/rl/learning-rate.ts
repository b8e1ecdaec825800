/** How the learning rate runs over a training. */
export interface LearningRateSchedule {
  /** Reached after the warm-up. */
  readonly peak: number;
  /** Approached towards the end. */
  readonly final: number;
  /** Updates over which it rises in a line from peak / warmup; 0: none. */
  readonly warmup: number;
  /** Way from peak to final: a line, or half a cosine (Loshchilov and Hutter 2017, arXiv 1608.03983, equation 5). */
  readonly shape: "linear" | "cosine";
}

/** Learning rate of the update after `done` updates, of `updates` in all. */
export function scheduledLearningRate(
  { peak, final, warmup, shape }: LearningRateSchedule,
  done: number,
  updates: number,
): number {
  if (done < warmup) return (peak * (done + 1)) / warmup;
  const progress = updates > warmup ? (done - warmup) / (updates - warmup) : 0;
  const left = shape === "linear" ? 1 - progress : (1 + Math.cos(Math.PI * progress)) / 2;
  return final + (peak - final) * left;
}

import type { LossRow, LossSettings, LossTerm } from "../kernels/row-loss.ts";

/**
 * PPO's clipped surrogate (Schulman et al. 2017, arXiv 1707.06347, equation 7) with its derivative by log pi. With
 * r = pi(a|s) / pi_old(a|s), max(-A r, -A clip(r, 1 - e, 1 + e)); e above 1 may be another (clip-higher, DAPO, arXiv
 * 2503.14476), and -c A bounds the loss of a negative advantage (dual clip, Ye et al. 2020, arXiv 1912.09729).
 */
export function clippedSurrogate(
  { logProbability, oldLogProbability, advantage }: LossRow,
  { clip, clipHigh, dualClip }: LossSettings,
): LossTerm {
  const ratio = Math.exp(logProbability - oldLogProbability);
  const clippedRatio = Math.min(Math.max(ratio, 1 - clip), 1 + (clipHigh ?? clip));
  const unclipped = -advantage * ratio;
  const clipped = -advantage * clippedRatio;
  const loss = Math.max(unclipped, clipped);
  if (dualClip != null && advantage < 0 && loss > -advantage * dualClip) {
    return { loss: -advantage * dualClip, slope: 0 };
  }
  // Where the clipped branch is the larger one its derivative is 0, the clamp being active.
  return { loss, slope: unclipped >= clipped ? unclipped : 0 };
}

/** -A log pi(a|s), whose gradient is that of the policy gradient theorem (Williams 1992), with its derivative by log pi. */
export const scoreSurrogate = ({ logProbability, advantage }: LossRow): LossTerm => ({
  loss: -advantage * logProbability,
  slope: -advantage,
});

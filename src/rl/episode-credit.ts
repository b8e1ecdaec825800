import type { EpisodeGroups } from "./config.ts";
import { groupAdvantages } from "./group-advantages.ts";

/** Guards the division by a group's deviation (TRL). */
export const GROUP_EPSILON = 1e-4;

export interface EpisodeCredit {
  /** [envs], of the episode that each environment played. */
  readonly returns: Float32Array;
  readonly lengths: Uint32Array;
  /** Longest an episode could be, T. */
  readonly steps: number;
  readonly groups: EpisodeGroups | null;
}

/** Advantage of an episode where groups give it, and the weight of each of its steps in a mean over all T x N rows. */
export interface EpisodeShares {
  readonly advantages: Float32Array | null;
  readonly weights: Float32Array;
}

/**
 * What a whole episode's steps count for. Without groups every step counts the same: T N / sum of lengths. With
 * groups of siblings (GRPO, arXiv 2402.03300; Dr.GRPO, arXiv 2503.20783; RLOO, arXiv 2402.14740) the weights are
 * T / length ("episode-mean"), T N / sum of lengths ("step-mean") or 1 ("constant-length").
 */
export function episodeShares({ returns, lengths, steps, groups }: EpisodeCredit): EpisodeShares {
  const envs = returns.length;
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const aggregation = groups?.aggregation ?? "step-mean";
  const weights = Float32Array.from(lengths, (length) =>
    aggregation === "episode-mean"
      ? steps / length
      : aggregation === "step-mean"
        ? (steps * envs) / total
        : 1,
  );
  if (!groups) return { advantages: null, weights };
  const kind =
    groups.advantage === "standardized"
      ? ({ name: "standardized", epsilon: GROUP_EPSILON } as const)
      : { name: groups.advantage };
  const members = Array.from({ length: envs }, (_, n) => Math.floor(n / groups.size));
  return { advantages: Float32Array.from(groupAdvantages(kind, returns, members).advantages), weights };
}

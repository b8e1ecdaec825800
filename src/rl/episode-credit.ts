import type { EpisodeGroups } from "./config.ts";

/**
 * What each step of a whole episode counts for in the mean over all T x N rows, by the episodes' `lengths` [N]:
 * T / length ("episode-mean": GRPO, arXiv 2402.03300), T N / sum of lengths ("step-mean": every step alike, as in
 * REINFORCE and RLOO, arXiv 2402.14740) or 1 ("constant-length": Dr.GRPO, arXiv 2503.20783).
 */
export function episodeWeights(
  lengths: Uint32Array,
  steps: number,
  aggregation: EpisodeGroups["aggregation"],
): Float32Array {
  const total = lengths.reduce((sum, length) => sum + length, 0);
  return Float32Array.from(lengths, (length) =>
    aggregation === "episode-mean"
      ? steps / length
      : aggregation === "step-mean"
        ? (steps * lengths.length) / total
        : 1,
  );
}

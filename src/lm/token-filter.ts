import { exp, log } from "../kernels/math.ts";

/** What is cut off a distribution before a token is drawn; each in the order given here, on what the one before left. */
export interface TokenFilters {
  /** Only the k most likely; 0 or absent: all. Equals of the k-th stay too. */
  readonly topK?: number;
  /** Only the most likely up to the first whose cumulative probability reaches p (Holtzman et al. 2020); default 1. */
  readonly topP?: number;
  /** Only those at least p times as likely as the likeliest (Nguyen et al. 2024); default 0. */
  readonly minP?: number;
}

export const filters = ({ topK = 0, topP = 1, minP = 0 }: TokenFilters): boolean =>
  topK > 0 || topP < 1 || minP > 0;

/**
 * Smallest of the scaled logits that stays, -Infinity where all do. `values` may hold -Infinity for ids that cannot be
 * drawn. The twin is `shaders/transformer/sample.wgsl`.
 */
export function filterThreshold(
  values: Float32Array,
  { topK = 0, topP = 1, minP = 0 }: TokenFilters,
): number {
  const sorted = values.toSorted().reverse();
  const largest = sorted[0]!;
  let threshold = -Infinity;
  if (topK > 0 && topK < sorted.length) threshold = sorted[topK - 1]!;
  if (topP < 1) {
    const mass = sorted.map((value) => (value >= threshold ? exp(Math.fround(value - largest)) : 0));
    const total = mass.reduce((sum, m) => sum + m, 0);
    let cumulative = 0;
    const crossing = mass.findIndex((m) => (cumulative += m) >= topP * total);
    threshold = Math.max(threshold, sorted[Math.max(0, crossing)]!);
  }
  if (minP > 0) threshold = Math.max(threshold, Math.fround(largest + log(minP)));
  return threshold;
}

/** How a rollout's advantage follows from its group's rewards; all statistics are over whole rollouts. */
export type GroupAdvantage =
  /** r - mean (Dr.GRPO, 2503.20783). The default for small models. */
  | { readonly name: "mean" }
  /** (r - mean) / (std + epsilon) (GRPO, 2402.03300); unbiased standard deviation unless `population`. */
  | { readonly name: "standardized"; readonly epsilon: number; readonly population?: boolean }
  /** r - mean of the others = G / (G - 1) (r - mean) (RLOO, 2402.14740). */
  | { readonly name: "leave-one-out" }
  /** (r - group mean) / (std of all rewards of the batch + epsilon) (LitePPO, 2508.08221). */
  | { readonly name: "batch-standardized"; readonly epsilon: number }
  /** r - group mean, whitened over the batch: rsqrt(unbiased variance + 1e-8) (REINFORCE++-baseline, 2501.03262). */
  | { readonly name: "whitened" }
  /** r - mean weighted by response lengths (OPO, 2505.23585). */
  | { readonly name: "length-weighted" }
  /** (r - mean) / mean, 0 where the mean is not above 0 (MaxRL, 2602.02710, for successes of 0 or 1). */
  | { readonly name: "mean-normalized" }
  /**
   * Every component of the reward standardized in its group by itself, (r_k - mean) / (std + epsilon), then their weighted
   * sum a, then (a - mean) / (std + epsilon) over the batch: no component drowns in another's variance (GDPO,
   * 2601.05242).
   */
  | { readonly name: "separately-standardized"; readonly epsilon: number };

export interface GroupAdvantages {
  /** One a rollout; 0 for a rollout without reward and in a group of one. */
  readonly advantages: Float64Array;
  /** Whether the rollout has a reward and its group tells rollouts apart: what DAPO's dynamic sampling keeps. */
  readonly kept: readonly boolean[];
  readonly groups: number;
  /** Groups whose rewards are all equal, with at least one reward. */
  readonly zeroVarianceGroups: number;
  /** Rollouts without reward (NaN): failed ones, excluded from every statistic. */
  readonly excluded: number;
}

/**
 * Advantages of rollouts by their group. `groups[i]` names the task of rollout i, in any order; a NaN reward marks a
 * rollout that failed and is left out. Groups may differ in size. `lengths` (tokens a rollout) are needed for
 * "length-weighted" only. A group whose rewards are all equal gets exactly 0, whatever the rounding.
 */
export function groupAdvantages(
  kind: GroupAdvantage,
  rewards: ArrayLike<number>,
  groups: ArrayLike<string | number>,
  lengths?: ArrayLike<number>,
): GroupAdvantages {
  if (kind.name === "separately-standardized") {
    return separateAdvantages([{ values: rewards, weight: 1 }], groups, kind.epsilon);
  }
  const advantages = new Float64Array(rewards.length);
  const kept = Array.from({ length: rewards.length }, () => false);
  const members = new Map<string | number, number[]>();
  const known: number[] = [];
  for (let i = 0; i < rewards.length; i++) {
    const group = members.get(groups[i]!) ?? [];
    members.set(groups[i]!, group);
    if (Number.isNaN(rewards[i]!)) continue;
    group.push(i);
    known.push(i);
  }
  const batchDeviation = deviation(known.map((i) => rewards[i]!));
  let zeroVarianceGroups = 0;
  for (const group of members.values()) {
    if (group.length === 0) continue;
    const values = group.map((i) => rewards[i]!);
    if (values.every((value) => value === values[0])) {
      zeroVarianceGroups++;
      continue;
    }
    const weights = group.map((i) => (kind.name === "length-weighted" ? lengths![i]! : 1));
    const baseline = weightedMean(values, weights);
    const scale = groupScale(kind, values, baseline, batchDeviation);
    group.forEach((i, k) => {
      advantages[i] = (values[k]! - baseline) * scale;
      kept[i] = true;
    });
  }
  if (kind.name === "whitened") whiten(advantages, known);
  return {
    advantages,
    kept,
    groups: members.size,
    zeroVarianceGroups,
    excluded: rewards.length - known.length,
  };
}

/** "separately-standardized" over a reward's components, each with a value a rollout; NaN as in `groupAdvantages`. */
export function separateAdvantages(
  components: readonly { readonly values: ArrayLike<number>; readonly weight: number }[],
  groups: ArrayLike<string | number>,
  epsilon: number,
): GroupAdvantages {
  const parts = components.map(({ values }) =>
    groupAdvantages({ name: "standardized", epsilon }, values, groups),
  );
  const count = groups.length;
  const known = Array.from({ length: count }, (_, i) => i).filter((i) =>
    components.some(({ values }) => !Number.isNaN(values[i]!)),
  );
  const kept = Array.from({ length: count }, (_, i) => parts.some((part) => part.kept[i]));
  const sums = Float64Array.from({ length: count }, (_, i) =>
    parts.reduce((sum, { advantages }, k) => sum + components[k]!.weight * advantages[i]!, 0),
  );
  const all = known.map((i) => sums[i]!);
  const mean = all.reduce((a, b) => a + b, 0) / all.length;
  const scale = 1 / (deviation(all) + epsilon);
  const telling = new Set(known.filter((i) => kept[i]).map((i) => groups[i]!));
  const named = new Set(known.map((i) => groups[i]!));
  return {
    advantages: sums.map((sum, i) => (kept[i] ? (sum - mean) * scale : 0)),
    kept,
    groups: new Set(Array.from(groups)).size,
    zeroVarianceGroups: named.size - telling.size,
    excluded: count - known.length,
  };
}

function groupScale(
  kind: Exclude<GroupAdvantage, { readonly name: "separately-standardized" }>,
  values: readonly number[],
  mean: number,
  batchDeviation: number,
): number {
  const count = values.length;
  switch (kind.name) {
    case "mean":
    case "length-weighted":
    case "whitened":
      return 1;
    case "standardized": {
      const unbiased = deviation(values);
      const used = kind.population === true ? unbiased * Math.sqrt((count - 1) / count) : unbiased;
      return 1 / (used + kind.epsilon);
    }
    case "leave-one-out":
      return count / (count - 1);
    case "batch-standardized":
      return 1 / (batchDeviation + kind.epsilon);
    case "mean-normalized":
      // Below 0 it would turn every sign around.
      return mean > 0 ? 1 / mean : 0;
  }
}

/** Unbiased standard deviation in two passes; 0 for fewer than two values. */
function deviation(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (values.length - 1));
}

function weightedMean(values: readonly number[], weights: readonly number[]): number {
  const total = weights.reduce((a, b) => a + b, 0);
  return values.reduce((sum, v, i) => sum + v * weights[i]!, 0) / total;
}

function whiten(advantages: Float64Array, known: readonly number[]): void {
  if (known.length < 2) return;
  const values = known.map((i) => advantages[i]!);
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = deviation(values) ** 2;
  for (const i of known) advantages[i] = (advantages[i]! - mean) / Math.sqrt(variance + 1e-8);
}

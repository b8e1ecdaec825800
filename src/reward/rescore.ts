/** One stored rollout with what the old reward said of it and what the new one says; null where it failed. */
export interface RescoredRollout {
  readonly id: string;
  /** Its siblings share it: rollouts of one task. */
  readonly group: string;
  readonly old: number | null;
  readonly new: number | null;
}

/** Rollouts counted by reward. */
export interface RewardHistogram {
  /** Bins + 1 edges, ascending, the same for both rewards; a bin holds [left, right), the last one its right edge too. */
  readonly edges: readonly number[];
  readonly old: readonly number[];
  readonly new: readonly number[];
}

/** How a rollout's place changes; rank 1 is the best, equal rewards share the mean of their ranks. */
export interface RankChange {
  readonly id: string;
  readonly group: string;
  readonly oldRank: number;
  readonly newRank: number;
}

/** What a new reward would have said of stored rollouts. */
export interface RewardComparison {
  /** Rollouts with both rewards: all below is about them. */
  readonly compared: number;
  /** Rollouts that the reward in question could not score. */
  readonly failures: { readonly old: number; readonly new: number; readonly both: number };
  readonly mean: { readonly old: number; readonly new: number };
  readonly histogram: RewardHistogram;
  /** Spearman's rank correlation, ties at their mean rank; null where one reward is the same everywhere. */
  readonly rankCorrelation: number | null;
  /** Rollouts whose rank changed, the largest change first. */
  readonly rankChanges: readonly RankChange[];
  /** Pairs of siblings. */
  readonly pairs: {
    readonly total: number;
    /** One was better, now the other is. */
    readonly flipped: number;
    /** Told apart before, equal now. */
    readonly tied: number;
    /** Equal before, told apart now. */
    readonly untied: number;
  };
  /** Rollouts whose advantage (reward minus the mean of the group) changes its sign: trained the other way. */
  readonly advantageFlips: readonly string[];
  /** Groups whose rewards are all equal, so that nothing is learned from them. */
  readonly zeroVarianceGroups: { readonly old: number; readonly new: number; readonly groups: number };
}

const BINS = 20;

/** Compares two rewards on the same rollouts. Rollouts without a finite number from both count as failures. */
export function compareRewards({
  rollouts,
}: {
  readonly rollouts: readonly RescoredRollout[];
}): RewardComparison {
  const scored = (value: number | null): value is number => value !== null && Number.isFinite(value);
  const both = rollouts.flatMap(({ id, group, old, new: fresh }) =>
    scored(old) && scored(fresh) ? [{ id, group, old, fresh }] : [],
  );
  const count = (test: (it: RescoredRollout) => boolean): number => rollouts.filter(test).length;
  const old = both.map((it) => it.old);
  const fresh = both.map((it) => it.fresh);
  const oldRanks = ranks(old);
  const newRanks = ranks(fresh);
  const groups = new Map<string, number[]>();
  both.forEach(({ group }, i) => {
    const members = groups.get(group);
    if (members) members.push(i);
    else groups.set(group, [i]);
  });
  const pairs = { total: 0, flipped: 0, tied: 0, untied: 0 };
  const zeroVariance = { old: 0, new: 0, groups: groups.size };
  const advantageFlips: string[] = [];
  for (const members of groups.values()) {
    const [before, after] = [members.map((i) => old[i]!), members.map((i) => fresh[i]!)];
    if (isConstant(before)) zeroVariance.old++;
    if (isConstant(after)) zeroVariance.new++;
    const oldSigns = advantageSigns(before);
    const newSigns = advantageSigns(after);
    members.forEach((i, k) => {
      if (oldSigns[k]! * newSigns[k]! < 0) advantageFlips.push(both[i]!.id);
      for (let j = 0; j < k; j++) {
        const was = Math.sign(before[k]! - before[j]!);
        const is = Math.sign(after[k]! - after[j]!);
        pairs.total++;
        if (was * is < 0) pairs.flipped++;
        else if (was !== 0 && is === 0) pairs.tied++;
        else if (was === 0 && is !== 0) pairs.untied++;
      }
    });
  }
  return {
    compared: both.length,
    failures: {
      old: count((it) => !scored(it.old)),
      new: count((it) => !scored(it.new)),
      both: count((it) => !scored(it.old) && !scored(it.new)),
    },
    mean: { old: mean(old), new: mean(fresh) },
    histogram: histogram(old, fresh),
    rankCorrelation: correlation(oldRanks, newRanks),
    rankChanges: both
      .map(({ id, group }, i) => ({ id, group, oldRank: oldRanks[i]!, newRank: newRanks[i]! }))
      .filter(({ oldRank, newRank }) => oldRank !== newRank)
      .sort((a, b) => Math.abs(b.newRank - b.oldRank) - Math.abs(a.newRank - a.oldRank)),
    pairs,
    advantageFlips,
    zeroVarianceGroups: zeroVariance,
  };
}

/** NaN of none. */
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const isConstant = (values: readonly number[]): boolean => values.every((value) => value === values[0]);

/** Signs of reward minus mean; exactly 0 in a group of equals, whatever the rounding. */
function advantageSigns(values: readonly number[]): number[] {
  if (isConstant(values)) return values.map(() => 0);
  const middle = mean(values);
  const noise = 1e-12 * Math.max(...values.map(Math.abs));
  return values.map((value) => (Math.abs(value - middle) <= noise ? 0 : Math.sign(value - middle)));
}

/** Rank of each value, 1 for the largest; equal values get the mean of the ranks they take up. */
function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[b]! - values[a]!);
  const result = new Array<number>(values.length).fill(0);
  for (let from = 0, to = 0; from < order.length; from = to) {
    const value = values[order[from]!];
    for (to = from; to < order.length && values[order[to]!] === value;) to++;
    for (let k = from; k < to; k++) result[order[k]!] = (from + 1 + to) / 2;
  }
  return result;
}

function correlation(a: readonly number[], b: readonly number[]): number | null {
  const middle = (a.length + 1) / 2;
  let [both, ofA, ofB] = [0, 0, 0];
  a.forEach((value, i) => {
    both += (value - middle) * (b[i]! - middle);
    ofA += (value - middle) ** 2;
    ofB += (b[i]! - middle) ** 2;
  });
  return ofA === 0 || ofB === 0 ? null : both / Math.sqrt(ofA * ofB);
}

function histogram(old: readonly number[], fresh: readonly number[]): RewardHistogram {
  let [low, high] = [Infinity, -Infinity];
  for (const value of [...old, ...fresh]) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return { edges: [], old: [], new: [] };
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const edges = Array.from({ length: BINS + 1 }, (_, i) =>
    i === BINS ? high : low + ((high - low) * i) / BINS,
  );
  const fill = (values: readonly number[]): number[] => {
    const counts = new Array<number>(BINS).fill(0);
    for (const value of values) {
      const bin = edges.findLastIndex((edge) => edge <= value);
      counts[Math.min(bin, BINS - 1)]!++;
    }
    return counts;
  };
  return { edges, old: fill(old), new: fill(fresh) };
}

import {
  groupAdvantages,
  separateAdvantages,
  type GroupAdvantage,
  type GroupAdvantages,
} from "../rl/group-advantages.ts";
import type { Score } from "../runner/protocol.ts";

/** What one rollout's reward said; null where it failed or the rollout did. */
export interface Scored {
  readonly components: Readonly<Record<string, Score>>;
  readonly weights: Readonly<Record<string, number>>;
}

/** Weighted sum of the components, kept in f32; a component of several parts counts with their mean. */
export function totalReward({ components, weights }: Scored): number {
  let sum = 0;
  for (const [name, score] of Object.entries(components)) sum += (weights[name] ?? 1) * meanScore(score);
  return Math.fround(sum);
}

/** Whether a reward, which is kept in f32, reaches `successAt`: 0.9 in f32 is below 0.9. */
export const succeeds = (reward: number, { successAt }: { readonly successAt: number }): boolean =>
  reward >= Math.fround(successAt);

/** A component as one number: its parts' mean where it has parts. */
export function meanScore(score: Score): number {
  if (typeof score === "number") return score;
  return score.length === 0 ? 0 : score.reduce((sum, value) => sum + value, 0) / score.length;
}

/** Credit of a batch of rollouts. */
export interface Credit {
  /** Weighted reward of each rollout; NaN where it has none. */
  readonly rewards: Float32Array;
  /** One a rollout: what the curves and the siblings view show. */
  readonly advantages: Float64Array;
  /** Whether the rollout's group tells its siblings apart, as a whole or in a part. */
  readonly kept: readonly boolean[];
  readonly zeroVarianceGroups: number;
  readonly groups: number;
  /**
   * Advantage of the rollout's `part`-th response token: components without parts give every token the same; a
   * component with parts gives token `part` its own, compared with that part of the siblings, and tokens past
   * the parts their mean's.
   */
  of(rollout: number, part: number): number;
}

/**
 * Group statistics over whole rollouts, before any row is dropped (rl.md 1.6; per-part credit: rl.md 3.1b). `shaping` is
 * added to each rollout's reward for its advantage alone (overlong answers, KL in the reward).
 */
export function assignCredit(
  kind: GroupAdvantage,
  scored: readonly (Scored | null)[],
  groups: readonly number[],
  lengths: readonly number[],
  shaping: readonly number[] = [],
): Credit {
  const rewards = Float32Array.from(scored, (it) => (it ? totalReward(it) : Number.NaN));
  const whole =
    kind.name === "separately-standardized"
      ? separately(kind.epsilon, scored, groups, shaping, meanScore)
      : groupAdvantages(
          kind,
          rewards.map((reward, i) => reward + (shaping[i] ?? 0)),
          groups,
          lengths,
        );
  const parts = Math.max(0, ...scored.map((it) => (it ? partCount(it) : 0)));
  const perPart = Array.from({ length: parts }, (_, part) =>
    kind.name === "separately-standardized"
      ? separately(kind.epsilon, scored, groups, shaping, (score) => scoreOfPart(score, part))
      : groupAdvantages(
          kind,
          scored.map((it, i) => (it ? rewardOfPart(it, part) + (shaping[i] ?? 0) : Number.NaN)),
          groups,
          lengths,
        ),
  );
  return {
    rewards,
    advantages: whole.advantages,
    kept: whole.kept.map((kept, i) => kept || perPart.some((it) => it.kept[i])),
    zeroVarianceGroups: whole.zeroVarianceGroups,
    groups: whole.groups,
    of: (rollout, part) => (perPart[part] ?? whole).advantages[rollout]!,
  };
}

/** Advantages of the components, and of what is added, each by itself. */
function separately(
  epsilon: number,
  scored: readonly (Scored | null)[],
  groups: readonly number[],
  shaping: readonly number[],
  value: (score: Score) => number,
): GroupAdvantages {
  const weights = new Map(
    scored.flatMap((it) =>
      Object.keys(it?.components ?? {}).map((name) => [name, it!.weights[name] ?? 1] as const),
    ),
  );
  const components = Array.from(weights, ([name, weight]) => ({
    weight,
    values: scored.map((it) => (it ? value(it.components[name] ?? 0) : Number.NaN)),
  }));
  const added = scored.map((it, i) => (it ? (shaping[i] ?? 0) : Number.NaN));
  return separateAdvantages([...components, { weight: 1, values: added }], groups, epsilon);
}

const partCount = ({ components }: Scored): number =>
  Math.max(0, ...Object.values(components).map((score) => (typeof score === "number" ? 0 : score.length)));

/** The reward as seen from one part: components with parts count with that part alone. */
function rewardOfPart({ components, weights }: Scored, part: number): number {
  let sum = 0;
  for (const [name, score] of Object.entries(components)) {
    sum += (weights[name] ?? 1) * scoreOfPart(score, part);
  }
  return sum;
}

const scoreOfPart = (score: Score, part: number): number =>
  typeof score === "number" ? score : (score[part] ?? meanScore(score));

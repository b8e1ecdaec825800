import type { RewardSum, RolloutStatistics } from "./lightning-records.ts";
import type { Rollout } from "./records.ts";

export const noStatistics: RolloutStatistics = {
  spans: 0,
  rollouts: 0,
  attempts: 0,
  calls: 0,
  inputTokens: 0,
  outputTokens: 0,
  statuses: {},
  rewards: {},
};

type Counted<Key extends string, Value> = Readonly<Partial<Record<Key, Value>>>;

function merge<Key extends string, Value>(
  a: Counted<Key, Value>,
  b: Counted<Key, Value>,
  add: (a: Value, b: Value) => Value,
): Counted<Key, Value> {
  const merged: Partial<Record<Key, Value>> = { ...a };
  for (const key of Object.keys(b) as Key[]) {
    const before = merged[key];
    merged[key] = before === undefined ? b[key]! : add(before, b[key]!);
  }
  return merged;
}

const addRewards = (a: RewardSum, b: RewardSum): RewardSum => ({
  count: a.count + b.count,
  // Without rewards the sum is nothing, not what rounding left of it.
  sum: a.count + b.count === 0 ? 0 : a.sum + b.sum,
});

/** Both together. */
export const addStatistics = (a: RolloutStatistics, b: RolloutStatistics): RolloutStatistics => ({
  spans: a.spans + b.spans,
  rollouts: a.rollouts + b.rollouts,
  attempts: a.attempts + b.attempts,
  calls: a.calls + b.calls,
  inputTokens: a.inputTokens + b.inputTokens,
  outputTokens: a.outputTokens + b.outputTokens,
  statuses: merge(a.statuses, b.statuses, (left, right) => left + right),
  rewards: merge(a.rewards, b.rewards, addRewards),
});

/** What one rollout adds; with `sign` -1, what a row that is replaced takes away. */
export const statisticsOf = (rollout: Rollout, sign: 1 | -1 = 1): RolloutStatistics => ({
  spans: 0,
  rollouts: sign,
  attempts: sign * rollout.attempts,
  calls: sign * rollout.calls,
  inputTokens: sign * rollout.inputTokens,
  outputTokens: sign * rollout.outputTokens,
  statuses: { [rollout.status]: sign },
  rewards:
    rollout.reward === null ? {} : { [rollout.mode ?? "none"]: { count: sign, sum: sign * rollout.reward } },
});

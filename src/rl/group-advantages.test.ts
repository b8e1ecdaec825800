import { expect, test } from "vitest";
import { expectClose, golden } from "../../test/support/goldens.ts";
import { groupAdvantages, separateAdvantages, type GroupAdvantage } from "./group-advantages.ts";
import { aggregationWeights, tokenLosses } from "./token-losses.ts";

const variants: readonly (readonly [string, GroupAdvantage])[] = [
  ["grpo_trl", { name: "standardized", epsilon: 1e-4 }],
  ["grpo_verl", { name: "standardized", epsilon: 1e-6 }],
  ["grpo_population_std", { name: "standardized", epsilon: 1e-4, population: true }],
  ["dr_grpo", { name: "mean" }],
  ["rloo", { name: "leave-one-out" }],
  ["batch_std_lite_ppo", { name: "batch-standardized", epsilon: 1e-4 }],
  ["reinforce_pp_baseline", { name: "whitened" }],
  ["opo_length_weighted", { name: "length-weighted" }],
  ["max_rl_mean_normalised", { name: "mean-normalized" }],
];
const g = golden("group_advantages");
const rewards = g.input("rewards");
const lengths = g.input("lengths");
const groups = rewards.map((_, i) => Math.floor(i / 5));

test.each(variants)("group_advantages: %s", (name, kind) => {
  const result = groupAdvantages(kind, rewards, groups, lengths);
  expectClose(result.advantages, g.output(name));
  expect(result.zeroVarianceGroups / result.groups).toBe(g.scalar("frac_reward_zero_std"));
  expect(result.kept).toEqual(groups.map((group) => g.output("keep_after_dynamic_sampling")[group] === 1));
});

test("the best of a group never has a negative advantage, also where all rewards are negative", () => {
  for (const [, kind] of variants) {
    const { advantages } = groupAdvantages(kind, [-3, -2, -1], [0, 0, 0], [4, 4, 4]);
    expect(advantages[2]).toBeGreaterThanOrEqual(0);
    expect(advantages[0]).toBeLessThanOrEqual(0);
  }
});

/** Mean over all groups of G actions, each as likely as the policy makes it, of sum A d log pi / scale. */
function expectedGradient(
  kind: GroupAdvantage,
  policy: readonly number[],
  rewardOf: readonly number[],
): number[] {
  const size = 3;
  const gradient = policy.map(() => 0);
  for (let code = 0; code < policy.length ** size; code++) {
    const actions = Array.from(
      { length: size },
      (_, i) => Math.floor(code / policy.length ** i) % policy.length,
    );
    const chance = actions.reduce((product, action) => product * policy[action]!, 1);
    const { advantages } = groupAdvantages(
      kind,
      actions.map((action) => rewardOf[action]!),
      actions.map(() => 0),
    );
    actions.forEach((action, i) => {
      policy.forEach((p, k) => {
        gradient[k]! += (chance * advantages[i]! * (Number(k === action) - p)) / size;
      });
    });
  }
  return gradient;
}

test("softmax_bandit: leave-one-out is unbiased, the mean shrinks by (G - 1) / G, deviations bend the direction", () => {
  const c = golden("softmax_bandit");
  const exponentials = c.input("logits").map(Math.exp);
  const total = exponentials.reduce((a, b) => a + b);
  const policy = exponentials.map((value) => value / total);
  const rewardOf = c.input("rewards");
  expectClose(
    policy.reduce((sum, p, k) => sum + p * rewardOf[k]!, 0),
    c.scalar("J"),
  );
  const exact = c.output("grad");
  expectClose(expectedGradient({ name: "leave-one-out" }, policy, rewardOf), exact);
  const shrunk = exact.map((value) => (value * 2) / 3);
  expectClose(expectedGradient({ name: "mean" }, policy, rewardOf), shrunk);
  const bent = expectedGradient({ name: "standardized", epsilon: 1e-4 }, policy, rewardOf);
  expect(Math.abs(bent[1]! / bent[0]! - exact[1]! / exact[0]!)).toBeGreaterThan(1e-3);
  // The natural gradient is the one that the Fisher matrix diag(p) - p p' maps to the plain one.
  const natural = c.output("exact_natural_grad");
  const along = policy.reduce((sum, p, k) => sum + p * natural[k]!, 0);
  expectClose(
    policy.map((p, k) => p * (natural[k]! - along)),
    exact,
  );
});

test("permuting siblings permutes advantages; a failed rollout is excluded, not counted as 0", () => {
  const order = [3, 0, 4, 1, 2, 9, 8, 7, 6, 5, 10, 12, 14, 11, 13, 19, 15, 18, 16, 17];
  for (const [, kind] of variants) {
    const straight = groupAdvantages(kind, rewards, groups, lengths).advantages;
    const pick = <T>(values: readonly T[]): T[] => order.map((i) => values[i]!);
    const permuted = groupAdvantages(kind, pick(rewards), pick(groups), pick(lengths)).advantages;
    expectClose(
      permuted,
      order.map((i) => straight[i]!),
    );
  }
  const failed = groupAdvantages({ name: "mean" }, [1, NaN, 0, NaN], ["a", "a", "a", "b"]);
  expect([...failed.advantages]).toEqual([0.5, 0, -0.5, 0]);
  expect(failed.kept).toEqual([true, false, true, false]);
  expect(failed).toMatchObject({ groups: 2, zeroVarianceGroups: 0, excluded: 2 });
});

test("equal rewards give exactly 0, even where their mean is rounded", () => {
  const equal = [0.1, 0.1, 0.1, 0.1, 0.1, 0.1];
  const result = groupAdvantages({ name: "standardized", epsilon: 0 }, equal, [0, 0, 0, 0, 0, 0]);
  expect([...result.advantages]).toEqual([0, 0, 0, 0, 0, 0]);
});

test("rollout_level_advantage: statistics over rollouts, broadcast to rows", () => {
  const c = golden("rollout_level_advantage");
  const ids = ["A", "A", "B", "C", "C", "C"];
  const byRollout = groupAdvantages(
    { name: "standardized", epsilon: 1e-6 },
    [1, 0, 0.5],
    [0, 0, 0],
  ).advantages;
  expectClose(byRollout, c.output("rollout_adv"));
  const mask = c.input("mask");
  const advantages = mask.map((m, i) => m * byRollout["ABC".indexOf(ids[Math.floor(i / 4)]!)]!);
  expectClose(advantages, c.output("adv_rows"));

  const weights = aggregationWeights({ name: "per-rollout-mean", rollouts: ids }, mask, 6, 4);
  const divisors = c.output("row_divisor");
  expectClose(
    weights,
    mask.map((m, i) => m / divisors[Math.floor(i / 4)]!),
  );
  const { values, slopes } = tokenLosses(
    { name: "ppo", low: 0.2, high: 0.2, dual: 3 },
    {
      rows: 6,
      length: 4,
      logProbabilities: c.input("logp"),
      oldLogProbabilities: c.input("old_logp"),
      mask,
      advantages,
    },
  );
  expectClose(
    values.reduce((sum, v, i) => sum + v * weights[i]!, 0),
    c.scalar("loss"),
  );
  expectClose(
    slopes.map((s, i) => s * weights[i]!),
    c.output("grad_logp"),
  );
});

test("multi_reward_aggregation and turn_level_credit: sums over components or turns first, then the group", () => {
  const several = golden("multi_reward_aggregation");
  const [first, second] = (several.raw.params["weights"] as { data: number[] }).data;
  const components = several.input("reward_components");
  const totals = Array.from(
    { length: 15 },
    (_, i) => first! * components[2 * i]! + second! * components[2 * i + 1]!,
  );
  expectClose(totals, several.output("total"));
  const groups = totals.map((_, i) => Math.floor(i / 5));
  const standardized = { name: "standardized", epsilon: 1e-4 } as const;
  expectClose(groupAdvantages(standardized, totals, groups).advantages, several.output("sum_then_normalize"));
  const apart = [first!, second!].map((weight, k) => ({
    weight,
    values: totals.map((_, i) => components[2 * i + k]!),
  }));
  expectClose(separateAdvantages(apart, groups, 1e-4).advantages, several.output("normalize_then_sum"));
  const turns = golden("turn_level_credit");
  const rewards = [0, 1, 2, 3].map((row) =>
    turns
      .input("turn_rewards")
      .slice(4 * row, 4 * row + 4)
      .reduce((sum, reward) => sum + reward, 0),
  );
  expectClose(groupAdvantages(standardized, rewards, [0, 0, 0, 0]).advantages, turns.output("outcome_adv"));
});

import { expect, test } from "vitest";
import { expectClose, golden } from "../../test/support/goldens.ts";
import { assignCredit, succeeds, totalReward } from "./credit.ts";

test("multi_reward_aggregation: a reward's components standardized apart, failed rollouts left out", () => {
  const g = golden("multi_reward_aggregation");
  const [right, short] = (g.raw.params["weights"] as { data: number[] }).data as [number, number];
  const values = g.input("reward_components");
  const groups = Array.from({ length: 15 }, (_, i) => Math.floor(i / 5));
  const scored = groups.map((_, i) => ({
    components: { right: values[2 * i]!, short: values[2 * i + 1]! },
    weights: { right, short },
  }));
  const kind = { name: "separately-standardized", epsilon: 1e-4 } as const;
  const lengths = new Array<number>(17).fill(1);
  const credit = assignCredit(kind, [...scored, null, null], [...groups, 3, 3], lengths);
  expectClose(credit.advantages.slice(0, 15), g.output("normalize_then_sum"));
  expect([...credit.advantages.slice(15)]).toEqual([0, 0]);
  expect(credit).toMatchObject({ groups: 4, zeroVarianceGroups: 0 });
  // Credit by parts is what it is by numbers, where each component has one part.
  const parts = scored.map(({ components, weights }) => ({
    weights,
    components: { right: [components.right], short: [components.short] },
  }));
  const byPart = assignCredit(kind, parts, groups, lengths);
  expectClose(
    groups.map((_, i) => byPart.of(i, 0)),
    g.output("normalize_then_sum"),
  );
});

test("a token past a rollout's parts has their mean's credit, against the siblings' parts", () => {
  const scored = [
    [1, 2, 3],
    [0, 0, 0, 6],
  ].map((each) => ({ components: { each }, weights: { each: 2 } }));
  const { of, advantages } = assignCredit({ name: "mean" }, scored, [0, 0], [4, 4]);
  expect([0, 1, 2, 3, 4].map((part) => of(0, part))).toEqual([1, 2, 3, 2 - 6, 2 - 1.5]);
  expect([0, 3, 4].map((part) => of(1, part))).toEqual([-1, 4, -0.5]);
  expect([...advantages]).toEqual([0.5, -0.5]);
});

test("a reward of exactly successAt succeeds, whatever f32 makes of it", () => {
  for (const successAt of [0.1, 0.3, 0.7, 0.9, 1, -0.3]) {
    const reward = totalReward({ components: { r: successAt }, weights: {} });
    expect(succeeds(reward, { successAt })).toBe(true);
    expect(succeeds(reward, { successAt: successAt + 1e-4 })).toBe(false);
  }
});

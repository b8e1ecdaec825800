import { describe, expect, test } from "vitest";
import { compareRewards, type RescoredRollout } from "./rescore.ts";

const group = (
  name: string,
  pairs: readonly (readonly [number | null, number | null])[],
): RescoredRollout[] => pairs.map(([old, fresh], i) => ({ id: `${name}${i}`, group: name, old, new: fresh }));

describe("comparing a new reward with the one of stored rollouts", () => {
  test("the same reward changes nothing", () => {
    const rollouts = [
      ...group("a", [
        [0, 0],
        [1, 1],
        [0.5, 0.5],
      ]),
      ...group("b", [
        [0.1, 0.1],
        [0.7, 0.7],
      ]),
    ];
    const result = compareRewards({ rollouts });
    expect(result.rankCorrelation).toBeCloseTo(1, 12);
    expect(result).toMatchObject({
      compared: 5,
      rankChanges: [],
      pairs: { total: 4, flipped: 0, tied: 0, untied: 0 },
      advantageFlips: [],
    });
    expect(result.histogram.old).toEqual(result.histogram.new);
  });

  test("ranks, ties and Spearman's correlation are those of the textbook", () => {
    // Ranks of 9 7 7 3 are 1 2.5 2.5 4, of 1 2 4 3 are 4 3 1 2: rho = -3 / sqrt(4.5 x 5).
    const rollouts = group("a", [
      [9, 1],
      [7, 2],
      [7, 4],
      [3, 3],
    ]);
    const { rankCorrelation, rankChanges, pairs } = compareRewards({ rollouts });
    expect(rankCorrelation).toBeCloseTo(-3 / Math.sqrt(4.5 * 5), 12);
    expect(rankChanges[0]).toEqual({ id: "a0", group: "a", oldRank: 1, newRank: 4 });
    expect(rankChanges.map(({ id }) => id)).toEqual(["a0", "a3", "a2", "a1"]);
    expect(pairs).toEqual({ total: 6, flipped: 4, tied: 0, untied: 1 });
  });

  test("advantages flip by group, and groups of equals teach nothing", () => {
    const rollouts = [
      ...group("a", [
        [0, 1],
        [1, 0],
        [0.5, 0.5],
      ]),
      ...group("b", [
        [1, 0.3],
        [0, 0.3],
      ]),
      ...group("c", [
        [0.1, 0],
        [0.1, 1],
      ]),
    ];
    const result = compareRewards({ rollouts });
    expect(result.advantageFlips).toEqual(["a0", "a1"]);
    expect(result.zeroVarianceGroups).toEqual({ old: 1, new: 1, groups: 3 });
    expect(result.pairs).toEqual({ total: 5, flipped: 3, tied: 1, untied: 1 });
  });

  test("what could not be scored is counted and left out", () => {
    const rollouts = group("a", [
      [null, 1],
      [1, null],
      [NaN, Infinity],
      [0.5, 0.25],
      [1, 1],
    ]);
    const result = compareRewards({ rollouts });
    expect(result.failures).toEqual({ old: 2, new: 2, both: 1 });
    expect(result.compared).toBe(2);
    expect(result.mean).toEqual({ old: 0.75, new: 0.625 });
  });

  test("both histograms share their edges and hold every rollout", () => {
    const rollouts = group("a", [
      [-1, 3],
      [0, 0],
      [2, -0.2],
    ]);
    const { edges, old, new: fresh } = compareRewards({ rollouts }).histogram;
    expect([edges[0], edges.at(-1), edges.length]).toEqual([-1, 3, 21]);
    expect(old[0]).toBe(1);
    expect(fresh.at(-1)).toBe(1);
    for (const counts of [old, fresh]) expect(counts.reduce((a, b) => a + b)).toBe(3);
    expect(compareRewards({ rollouts: [] })).toMatchObject({
      rankCorrelation: null,
      histogram: { edges: [] },
    });
    const { histogram } = compareRewards({
      rollouts: group("a", [
        [1, 1],
        [1, 1],
      ]),
    });
    expect(histogram.old.reduce((a, b) => a + b)).toBe(2);
  });
});

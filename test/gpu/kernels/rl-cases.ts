import { gaeKernel } from "../../../src/kernels/gae.ts";
import { METRICS_LENGTH, metricWord } from "../../../src/kernels/metrics.ts";
import { normalizationKernel } from "../../../src/kernels/normalization.ts";
import { epochPermutation, permutationHalfBits } from "../../../src/kernels/permutation.ts";
import { gae } from "../../../src/kernels/reference/gae.ts";
import { RunningStatistics, explainedVariance } from "../../../src/kernels/reference/statistics.ts";
import { shuffleKernel } from "../../../src/kernels/shuffle.ts";
import { statisticsKernel } from "../../../src/kernels/statistics.ts";
import { wholeEpisodesKernel } from "../../../src/kernels/whole-episodes.ts";
import type { EpisodeGroups } from "../../../src/rl/config.ts";
import { episodeWeights } from "../../../src/rl/episode-credit.ts";
import { episodeAdvantages } from "../../../src/rl/episode-grpo.ts";
import { constrainedAdvantage } from "../../../src/rl/lagrangian.ts";
import { EPISODE_WORDS } from "../../../src/rl/webgpu-plan.ts";
import { FulguriteError } from "../../../src/gpu/error.ts";
import { episodeGrpo } from "../../../src/rl/episode-grpo.ts";
import { random, scalarSlot } from "../support.ts";
import { Expectation, wordsOf, type KernelTest, type MakeCase } from "./kernel-case.ts";

const STEPS = 5;

/** Sections of shaders/common/transitions.wgsl for `steps` x `envs`: the word where each begins. */
export const sections = (steps: number, envs: number): Readonly<Record<string, number>> => {
  const n = steps * envs;
  const share = 9 * n + envs;
  return {
    ...{ action: 0, mask: n, logProbability: 2 * n, reward: 3 * n, ended: 4 * n, finalValue: 5 * n },
    ...{ advantage: 6 * n, return: 7 * n, value: 8 * n, share, cost: share + n },
    ...{ finalCostValue: share + 2 * n, costReturn: share + 3 * n, costValue: share + 4 * n },
    end: share + 5 * n + envs,
  };
};

/** A rollout's transitions, random: one step in ten terminates, one in ten is truncated. */
function transitionsOf(envs: number, steps = STEPS): Float32Array<ArrayBuffer> {
  const at = sections(steps, envs);
  const transitions = random(at["end"]!, 1);
  const ends = random(steps * envs, 2);
  wordsOf(transitions).set(
    [...ends].map((x) => (x > 0.8 ? 1 : x > 0.6 ? 2 : 0)),
    at["ended"]!,
  );
  return transitions;
}

const gaeCase =
  (costed = false, normalizes = false): MakeCase =>
  (envs) => {
    const n = STEPS * envs;
    const at = sections(STEPS, envs);
    const transitions = transitionsOf(envs);
    const [gamma, lambda, multiplier, size] = [0.97, 0.9, 0.7, 2];
    const normalization = random(3 * (size + 1) + envs, 3).map(Math.abs);
    const variance = normalization[3 * (size + 1) - 1]!;
    const ended = [...wordsOf(transitions).subarray(at["ended"]!, at["ended"]! + n)];
    const column = (name: string): Float32Array => transitions.subarray(at[name]!, at[name]! + n);
    const estimate = (reward: string, value: string, final: string): ReturnType<typeof gae> => {
      const values = transitions.subarray(at[value]!, at[value]! + n + envs);
      const scaled = [...column(reward)].map((r) =>
        normalizes && reward === "reward" ? Math.min(Math.max(r / Math.sqrt(variance + 1e-8), -10), 10) : r,
      );
      const next = ended.map((e, i) => (e === 0 ? values[i + envs]! : column(final)[i]!));
      return gae(
        { steps: STEPS, envs, gamma, lambda },
        scaled,
        values,
        next,
        ended.map((e) => e & 1),
        ended.map((e) => e >> 1),
      );
    };
    const own = estimate("reward", "value", "finalValue");
    const cost = estimate("cost", "costValue", "finalCostValue");
    const expected = new Expectation();
    for (let i = 0; i < n; i++) {
      const both = constrainedAdvantage(own.advantages[i]!, cost.advantages[i]!, multiplier);
      expected.float("transitions", at["advantage"]! + i, costed ? both : own.advantages[i]!);
      expected.float("transitions", at["return"]! + i, own.returns[i]!);
      if (costed) expected.float("transitions", at["costReturn"]! + i, cost.returns[i]!);
    }
    return {
      kernel: gaeKernel(normalizes),
      constants: {
        ...{ STEPS, ENVS: envs, COSTED: costed, NORMALIZE_REWARDS: normalizes, OBSERVATION_SIZE: size },
      },
      ...{ invocations: envs, workgroup: 16, slot: scalarSlot({ gamma, lambda, multiplier }).bytes },
      buffers: { transitions, ...(normalizes ? { normalization } : {}) },
      expected,
    };
  };

const normalizationCase =
  (whole: boolean, observations = true): MakeCase =>
  (envs) => {
    const [size, gamma, n] = [3, 0.9, STEPS * envs];
    const at = sections(STEPS, envs);
    const transitions = transitionsOf(envs);
    const shares = transitions.subarray(at["share"]!, at["share"]! + n);
    shares.forEach((s, i) => (shares[i] = i < envs ? 1 : Math.max(0, s)));
    const rawObservations = random(n * size, 4).map((x) => 3 * x + 1);
    const normalization = random(3 * (size + 1) + envs, 5);
    for (let q = 0; q <= size; q++) {
      normalization[q] = 40 + q;
      normalization[2 * (size + 1) + q] = 1 + q;
    }
    const counts = (row: number): boolean => !whole || shares[row]! > 0;
    const expected = new Expectation();
    const ended = wordsOf(transitions);
    for (let q = observations ? 0 : size; q <= size; q++) {
      const samples: number[] = [];
      if (q < size) {
        for (let row = 0; row < n; row++) if (counts(row)) samples.push(rawObservations[row * size + q]!);
      } else {
        for (let env = 0; env < envs; env++) {
          let discounted = normalization[3 * (size + 1) + env]!;
          for (let t = 0; t < STEPS; t++) {
            const row = t * envs + env;
            if (!counts(row)) continue;
            discounted = discounted * gamma + transitions[at["reward"]! + row]!;
            samples.push(discounted);
            if (ended[at["ended"]! + row] !== 0) discounted = 0;
          }
          expected.float("normalization", 3 * (size + 1) + env, discounted);
        }
      }
      const running = new RunningStatistics();
      running.count = normalization[q]!;
      running.mean = normalization[size + 1 + q]!;
      running.variance = normalization[2 * (size + 1) + q]!;
      running.merge(samples);
      expected.float("normalization", q, running.count);
      expected.float("normalization", size + 1 + q, running.mean);
      expected.float("normalization", 2 * (size + 1) + q, running.variance);
    }
    return {
      kernel: normalizationKernel,
      constants: {
        ...{ STEPS, ENVS: envs, WHOLE: whole, OBSERVATION_SIZE: size },
        FIRST_QUANTITY: observations ? 0 : size,
      },
      ...{
        invocations: (observations ? size + 1 : 1) * 64,
        workgroup: 64,
        slot: scalarSlot({ gamma }).bytes,
      },
      buffers: { transitions, rawObservations, normalization },
      expected,
    };
  };

const statisticsCase =
  (whole: boolean, normalize = true): MakeCase =>
  (envs) => {
    const n = STEPS * envs;
    const at = sections(STEPS, envs);
    const batch = envs;
    const minibatches = STEPS;
    const transitions = transitionsOf(envs);
    const shares = transitions.subarray(at["share"]!, at["share"]! + n);
    shares.forEach((s, i) => (shares[i] = i % 3 === 0 ? 0 : Math.abs(s) + 0.1));
    const column = (name: string): number[] => [...transitions.subarray(at[name]!, at[name]! + n)];
    // A permutation: n is odd.
    const indices = Uint32Array.from({ length: n }, (_, i) => (i * 2 + 1) % n);
    const episodes = new Float32Array(EPISODE_WORDS * envs);
    const words = wordsOf(episodes);
    for (let e = 0; e < envs; e++) {
      words[e * EPISODE_WORDS + 3] = e + 1;
      episodes.set([10.5 * e, 11.25 * e], e * EPISODE_WORDS + 4);
      words[e * EPISODE_WORDS + 6] = 12 * e;
      episodes[e * EPISODE_WORDS + 8] = 0.5 * e;
    }
    const live = (row: number): boolean => !whole || shares[row]! > 0;
    const expected = new Expectation();
    const advantages = column("advantage");
    for (let m = 0; m < minibatches; m++) {
      const rows = [...indices.subarray(m * batch, (m + 1) * batch)].filter(live);
      const count = Math.max(1, rows.length);
      const mean = rows.reduce((sum, row) => sum + advantages[row]!, 0) / count;
      const squares = rows.reduce((sum, row) => sum + (advantages[row]! - mean) ** 2, 0);
      const scale = 1 / (Math.sqrt(squares / Math.max(1, rows.length - 1)) + 1e-8);
      // The scale of equal advantages is nothing to be exact about.
      if (normalize && squares < 1e-12) expected.free("statistics", 2 * m + 1, 2 * m + 2);
      else expected.float("statistics", 2 * m + 1, normalize ? scale : 1);
      expected.float("statistics", 2 * m, normalize ? mean : 0);
    }
    const sum = (envs * (envs - 1)) / 2;
    expected.float("metrics", metricWord.episodes, sum + envs);
    expected.float("metrics", metricWord.episodeReturn, 10.5 * sum);
    expected.float("metrics", metricWord.environmentReturn, 11.25 * sum);
    expected.float("metrics", metricWord.episodeLength, 12 * sum);
    expected.float("metrics", metricWord.episodeCost, 0.5 * sum);
    const rows = Array.from({ length: n }, (_, i) => i).filter(live);
    const pick = (name: string): number[] => {
      const all = column(name);
      return rows.map((row) => all[row]!);
    };
    const count = rows.length;
    expected.float("metrics", metricWord.rewardMean, pick("reward").reduce((a, b) => a + b, 0) / count);
    const [returns, values] = [pick("return"), pick("value")];
    const meanReturn = returns.reduce((a, b) => a + b, 0) / count;
    const variance = returns.reduce((total, r) => total + (r - meanReturn) ** 2, 0) / count;
    expected.float("metrics", metricWord.returnVariance, variance);
    const explained = explainedVariance(returns, values);
    expected.float("metrics", metricWord.residualVariance, (1 - explained) * variance);
    for (const word of [0, 1, 2, 3, 4, 5, metricWord.optimizerSteps]) expected.float("metrics", word, 0);
    return {
      kernel: statisticsKernel,
      constants: {
        ...{ STEPS, ENVS: envs, BATCH: batch, MINIBATCHES: minibatches },
        ...{ NORMALIZE: normalize, WHOLE: whole },
      },
      ...{ invocations: (minibatches + 1) * 64, workgroup: 64 },
      buffers: {
        ...{ transitions, indices, episodes, statistics: random(2 * minibatches, 6) },
        metrics: random(METRICS_LENGTH, 7),
      },
      expected,
    };
  };

const shuffle: MakeCase = (count) => {
  const [epochs, seed, baseEpoch] = [3, 99, 40];
  const expected = new Expectation();
  const order = new Uint32Array(count);
  for (let epoch = 0; epoch < epochs; epoch++) {
    epochPermutation(seed, baseEpoch + epoch, order);
    order.forEach((row, i) => {
      expected.word("indices", epoch * count + i, row);
    });
  }
  return {
    kernel: shuffleKernel,
    constants: { STEPS: count, ENVS: 1, EPOCHS: epochs, HALF_BITS: permutationHalfBits(count) },
    ...{ invocations: count * epochs, workgroup: 64, slot: scalarSlot({ seed, baseEpoch }).bytes },
    buffers: { indices: new Uint32Array(count * epochs).fill(7) },
    expected,
  };
};

/** Siblings of the smallest groups that `envs` make, 1 where they make none. */
export const smallestGroup = (envs: number): number =>
  Array.from({ length: envs }, (_, i) => i + 2).find((size) => envs % size === 0) ?? 1;

const wholeEpisodes =
  (groups: Omit<EpisodeGroups, "size"> | null): MakeCase =>
  (envs) => {
    const size = smallestGroup(envs);
    if (groups && size === 1) {
      const shown = refuses(() => episodeGrpo({ groupSize: 1, groupCount: envs }));
      return { absent: "a group is at least two siblings", shown };
    }
    const n = STEPS * envs;
    const at = sections(STEPS, envs);
    const transitions = transitionsOf(envs);
    const lengths = Uint32Array.from({ length: envs }, (_, e) => 1 + (e % STEPS));
    const returns = random(envs, 8).map((x) => 4 * x);
    const episodes = new Float32Array(EPISODE_WORDS * envs);
    for (let e = 0; e < envs; e++) {
      wordsOf(episodes)[e * EPISODE_WORDS + 3] = 1;
      episodes[e * EPISODE_WORDS + 4] = returns[e]!;
      wordsOf(episodes)[e * EPISODE_WORDS + 6] = lengths[e]!;
    }
    const weights = episodeWeights(lengths, STEPS, groups?.aggregation ?? "step-mean");
    const advantages = groups && episodeAdvantages(returns, { size, ...groups });
    const expected = new Expectation();
    for (let row = 0; row < n; row++) {
      const env = row % envs;
      const inside = Math.floor(row / envs) < lengths[env]!;
      if (!inside) continue;
      expected.float("transitions", at["share"]! + row, weights[env]!);
      if (advantages) expected.float("transitions", at["advantage"]! + row, advantages[env]!);
    }
    return {
      kernel: wholeEpisodesKernel,
      constants: {
        ...{ STEPS, ENVS: envs, GROUPED: groups !== null, GROUP: groups ? size : 1 },
        EPISODE_MEAN: groups?.aggregation === "episode-mean",
        STEP_MEAN: !groups || groups.aggregation === "step-mean",
        STANDARDIZED: groups?.advantage === "standardized",
        LEAVE_ONE_OUT: groups?.advantage === "leave-one-out",
      },
      ...{ invocations: envs, workgroup: 16 },
      buffers: { episodes, transitions },
      expected,
      tolerance: 1e-4,
    };
  };

function refuses(make: () => unknown): boolean {
  try {
    make();
    return false;
  } catch (error) {
    return error instanceof FulguriteError;
  }
}

export const rlTests: readonly KernelTest[] = [
  {
    shader: "rl/gae",
    variants: {
      plain: gaeCase(),
      "with a cost": gaeCase(true),
      "normalised rewards": gaeCase(false, true),
      "a cost and normalised rewards": gaeCase(true, true),
    },
    fault: ["(ended & 1u) != 0u", "(ended & 1u) == 0u"],
  },
  {
    shader: "rl/normalization",
    variants: {
      "all steps": normalizationCase(false),
      "whole episodes": normalizationCase(true),
      "the return alone": normalizationCase(false, false),
    },
    fault: ["squares / total", "squares / before"],
  },
  {
    shader: "rl/statistics",
    variants: {
      normalised: statisticsCase(false),
      "as they are": statisticsCase(false, false),
      "whole episodes": statisticsCase(true),
      "whole episodes, as they are": statisticsCase(true, false),
    },
    fault: ["max(counted, 2.0) - 1.0", "max(counted, 2.0)"],
  },
  { shader: "rl/shuffle", variants: { plain: shuffle }, fault: ["mix(right ^ key)", "mix(right + key)"] },
  {
    shader: "rl/whole_episodes",
    variants: {
      "no groups": wholeEpisodes(null),
      GRPO: wholeEpisodes({ advantage: "standardized", aggregation: "episode-mean" }),
      "Dr.GRPO": wholeEpisodes({ advantage: "mean", aggregation: "constant-length" }),
      RLOO: wholeEpisodes({ advantage: "leave-one-out", aggregation: "step-mean" }),
    },
    fault: ["t < length", "t <= length"],
  },
];

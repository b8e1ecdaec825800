import type { EpisodeGroups, PolicyGradientConfig } from "./config.ts";
import { neutral, presetOf, resolveConfig, type ConfigOptions } from "./resolve-config.ts";
import { invalid } from "./validate-config.ts";

export type EpisodeGrpoOptions = Omit<
  ConfigOptions,
  | "episodes"
  | "surrogate"
  | "gamma"
  | "lambda"
  | "valueClip"
  | "valueCoefficient"
  | "normalizeAdvantages"
  | "normalizeRewards"
  | "truncationBootstrap"
  | "envs"
  | "groups"
  | "costLimit"
> & {
  /** Which of the three; default "dr-grpo". */
  readonly variant?: EpisodeGrpoVariant;
  /** Episodes from one start state, G; default 8. */
  readonly groupSize?: number;
  /** Start states an update; default 4. */
  readonly groupCount?: number;
};

export type EpisodeGrpoVariant = "grpo" | "dr-grpo" | "rloo";

const base: PolicyGradientConfig = {
  ...neutral,
  kind: "episode-grpo",
  episodes: "whole",
  envs: 32,
  steps: 500,
  minibatchSize: (32 * 500) / 4,
  epochs: 4,
  totalSteps: 3_200_000,
  learningRate: { start: 1e-3, end: 1e-3 },
  gamma: 1,
  lambda: 1,
  // There is no critic: the group is the baseline.
  valueCoefficient: 0,
  normalizeAdvantages: false,
  truncationBootstrap: false,
};

const groups = (advantage: EpisodeGroups["advantage"], aggregation: EpisodeGroups["aggregation"]) => ({
  ...base,
  groups: { size: 8, advantage, aggregation },
});

const variants: Readonly<Record<EpisodeGrpoVariant, PolicyGradientConfig>> = {
  grpo: groups("standardized", "episode-mean"),
  "dr-grpo": groups("mean", "constant-length"),
  rloo: groups("leave-one-out", "step-mean"),
};

/**
 * Group-relative policy optimisation over whole episodes. An update plays G episodes from each of a few start states;
 * every step of episode i has the advantage of its undiscounted return R_i among its G siblings:
 *
 * - "grpo" (DeepSeekMath, arXiv 2402.03300): A = (R - mean) / (std + 1e-4), mean over an episode's steps, then over episodes;
 * - "dr-grpo" (arXiv 2503.20783): A = R - mean, sum of the steps over the constant T;
 * - "rloo" (arXiv 2402.14740): A = R - mean of the others, mean over all steps.
 *
 * Then PPO's clipped surrogate as in `ppo()`, without a critic. A group whose returns are all equal teaches nothing.
 * Throws `rl/invalid-config`.
 */
export function episodeGrpo(options: EpisodeGrpoOptions = {}): PolicyGradientConfig {
  const { variant = "dr-grpo", groupSize = 8, groupCount = 4, ...given } = options;
  const config = presetOf("GRPO", variants, variant);
  if (!Number.isInteger(groupCount) || groupCount < 1) {
    invalid(`groupCount is ${String(groupCount)}.`, "Use a whole number of at least 1.");
  }
  return resolveConfig("episodeGrpo", config, {
    ...given,
    envs: groupSize * groupCount,
    groups: { ...config.groups!, size: groupSize },
  });
}

import type { RowLossFunction } from "../kernels/row-loss.ts";
import { actorCriticLoss, valueLoss } from "./actor-critic-loss.ts";
import type { EpisodeGroups, PolicyGradientConfig } from "./config.ts";
import { generalizedAdvantages, type AdvantageFunction } from "./credit.ts";
import { groupAdvantages } from "./group-advantages.ts";
import { neutral, presetOf, resolveConfig, type ConfigOptions } from "./resolve-config.ts";
import { clippedSurrogate } from "./surrogate.ts";
import { invalid } from "./validate-config.ts";

/**
 * Group-relative policy optimisation over whole episodes. An update plays G episodes from each of a few start states;
 * every step of episode i has the advantage of its undiscounted return R_i among its G siblings:
 *
 * - "grpo" (DeepSeekMath, arXiv 2402.03300): A = (R - mean) / (std + 1e-4), mean over an episode's steps, then over episodes;
 * - "dr-grpo" (arXiv 2503.20783): A = R - mean, sum of the steps over the constant T;
 * - "rloo" (arXiv 2402.14740): A = R - mean of the others, mean over all steps.
 *
 * (A: `episodeGrpoAdvantages`; what a step counts for: `episodeWeights`.) Then PPO's clipped surrogate, without a critic:
 * max(-A r, -A clip(r, 1 - e, 1 + e)) - c_e H (`episodeGrpoRowLoss`). A group whose returns are all equal teaches nothing.
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

/** A of each episode by its return; siblings stand side by side. */
export function episodeAdvantages(returns: Float32Array, groups: EpisodeGroups): Float32Array {
  const { size, advantage } = groups;
  const kind =
    advantage === "standardized"
      ? ({ name: "standardized", epsilon: GROUP_EPSILON } as const)
      : { name: advantage };
  const members = Array.from(returns, (_, n) => Math.floor(n / size));
  return Float32Array.from(groupAdvantages(kind, returns, members).advantages);
}

/** Every step has its episode's; the returns are for the figures only, there being no critic. */
export const episodeGrpoAdvantages: AdvantageFunction = (collected, config, credit, multiplier) => {
  generalizedAdvantages(collected, config, credit, multiplier);
  const ofEpisode = episodeAdvantages(collected.endedReturns, config.groups!);
  const { advantages } = credit;
  for (let row = 0; row < advantages.length; row++) advantages[row] = ofEpisode[row % config.envs]!;
};

/** The loss of one row, in f64: what the kernels of every engine are held to. Its value's coefficient is 0. */
export const episodeGrpoRowLoss: RowLossFunction = (row, settings) =>
  actorCriticLoss(clippedSurrogate(row, settings), valueLoss(row, settings.valueClip), row, settings);

/** Guards the division by a group's deviation (TRL). */
const GROUP_EPSILON = 1e-4;

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

import type { RowLossFunction } from "../kernels/row-loss.ts";
import { actorCriticLoss, valueLoss } from "./actor-critic-loss.ts";
import type { PolicyGradientConfig } from "./config.ts";
import { generalizedAdvantages, type AdvantageFunction } from "./credit.ts";
import { neutral, presetOf, resolveConfig, type ConfigOptions } from "./resolve-config.ts";
import { clippedSurrogate } from "./surrogate.ts";

export type { Schedule } from "./resolve-config.ts";

/**
 * Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347), a preset's values with the given ones over
 * them. An update of N environments and T steps:
 *
 * 1. Collect N x T transitions with pi_old. Where the time limit ended an episode, gamma V(last observation) stands
 *    for what would have come (`truncationBootstrap`).
 * 2. GAE: delta = r + gamma V' - V; A = delta + gamma lambda A'; R = A + V (`ppoAdvantages`).
 * 3. `epochs` times over all of them in shuffled minibatches, of each (`ppoRowLoss` is the loss of one row):
 *    A <- (A - mean) / (std + 1e-8) (`normalizeAdvantages`), r = pi(a|s) / pi_old(a|s),
 *    L = mean max(-A r, -A clip(r, 1 - e, 1 + e))            (equation 7; `clip`, `clipHigh`, `dualClip`)
 *        - c_e mean H + c_v mean 1/2 (V - R)^2               (equation 9; `valueClip`: the larger of it and the clipped)
 *    gradient norm clipped, one AdamW step, learning rate and clip range annealed.
 *    Ends early where pi has moved too far from pi_old (`klStop`).
 *
 * Throws `rl/invalid-config` for a value that cannot work, an unknown option or an unknown preset.
 */
export function ppo(options: PpoOptions = {}): PolicyGradientConfig {
  const { preset = "sb3-zoo-cartpole", ...given } = options;
  return resolveConfig("ppo", presetOf("PPO", ppoPresets, preset), given);
}

/** Step 2. */
export const ppoAdvantages: AdvantageFunction = generalizedAdvantages;

/** Step 3 for one row, in f64: what the kernels of every engine are held to. */
export const ppoRowLoss: RowLossFunction = (row, settings) =>
  actorCriticLoss(clippedSurrogate(row, settings), valueLoss(row, settings.valueClip), row, settings);

/** Options of `ppo()`: any field of the configuration, over a preset's values. Defaults are those of "sb3-zoo-cartpole". */
export type PpoOptions = Omit<ConfigOptions, "surrogate" | "groups" | "costLimit"> & {
  /** Where the values come from that are not given; default "sb3-zoo-cartpole". */
  readonly preset?: PpoPreset;
};

export type PpoPreset =
  "cleanrl" | "sb3" | "sb3-zoo-cartpole" | "sb3-zoo-acrobot" | "sb3-zoo-mountaincar" | "sb3-zoo-pendulum";

const common = { ...neutral, kind: "ppo" } as const;

/** Stable-Baselines3's own defaults. It has no default length; 100,000 steps here. */
const sb3: PolicyGradientConfig = {
  ...common,
  envs: 1,
  steps: 2048,
  minibatchSize: 64,
  epochs: 10,
  totalSteps: 100_000,
  learningRate: { start: 3e-4, end: 3e-4 },
  gamma: 0.99,
  lambda: 0.95,
  // Its `vf_coef` of 0.5 stands before the whole mean square (`F.mse_loss` in ppo.py); the loss here has a half of its own.
  valueCoefficient: 1,
};

/** Published settings, by name. */
export const ppoPresets: Readonly<Record<PpoPreset, PolicyGradientConfig>> = {
  /** CleanRL `ppo.py`: 4 x 128, value clip, entropy bonus, `vf_coef` 0.5 before half the mean square; a time limit counts as termination. */
  cleanrl: {
    ...common,
    envs: 4,
    steps: 128,
    minibatchSize: 128,
    epochs: 4,
    totalSteps: 500_000,
    learningRate: { start: 2.5e-4, end: 0 },
    gamma: 0.99,
    lambda: 0.95,
    valueClip: 0.2,
    entropyCoefficient: 0.01,
    truncationBootstrap: false,
  },
  sb3,
  /** RL Baselines3 Zoo's `ppo.yml`, CartPole-v1: short rollouts, many epochs; solved by about 70,000 steps. */
  "sb3-zoo-cartpole": {
    ...sb3,
    envs: 8,
    steps: 32,
    minibatchSize: 256,
    epochs: 20,
    learningRate: { start: 1e-3, end: 0 },
    gamma: 0.98,
    lambda: 0.8,
    clip: { start: 0.2, end: 0 },
  },
  /** The same, Acrobot-v1. */
  "sb3-zoo-acrobot": {
    ...sb3,
    envs: 16,
    steps: 256,
    epochs: 4,
    totalSteps: 1_000_000,
    lambda: 0.94,
    normalizeObservations: true,
    normalizeRewards: true,
  },
  /** The same, MountainCar-v0. */
  "sb3-zoo-mountaincar": {
    ...sb3,
    envs: 16,
    steps: 16,
    epochs: 4,
    totalSteps: 1_000_000,
    lambda: 0.98,
    normalizeObservations: true,
    normalizeRewards: true,
  },
  /** The same, Pendulum-v1, without its state-dependent exploration. */
  "sb3-zoo-pendulum": {
    ...sb3,
    envs: 4,
    steps: 1024,
    learningRate: { start: 1e-3, end: 1e-3 },
    gamma: 0.9,
  },
};

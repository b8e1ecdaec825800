import type { RowLossFunction } from "../kernels/row-loss.ts";
import { actorCriticLoss, valueLoss } from "./actor-critic-loss.ts";
import type { PolicyGradientConfig } from "./config.ts";
import { generalizedAdvantages, type AdvantageFunction } from "./credit.ts";
import { neutral, presetOf, resolveConfig, type ConfigOptions } from "./resolve-config.ts";
import { scoreSurrogate } from "./surrogate.ts";

/**
 * Advantage actor-critic (Mnih et al. 2016, arXiv 1602.01783, synchronous). An update of N environments and a few
 * steps T takes one step on all of them:
 *
 * A = r_t + gamma r_t+1 + ... + gamma^n V(s_t+n) - V(s_t)     (GAE with lambda 1; `a2cAdvantages`)
 * L = -mean A log pi(a|s) - c_e mean H + c_v mean 1/2 (V - R)^2              (`a2cRowLoss`)
 *
 * with RMSprop and a clipped gradient norm. Throws `rl/invalid-config`.
 */
export function a2c(options: A2cOptions = {}): PolicyGradientConfig {
  const { preset = "sb3-zoo-cartpole", ...given } = options;
  return resolveConfig("a2c", presetOf("A2C", a2cPresets, preset), given);
}

/** A of every step: with lambda 1 the sum that the bootstrap ends, minus V. */
export const a2cAdvantages: AdvantageFunction = generalizedAdvantages;

/** The loss of one row, in f64: what the kernels of every engine are held to. */
export const a2cRowLoss: RowLossFunction = (row, settings) =>
  actorCriticLoss(scoreSurrogate(row), valueLoss(row, settings.valueClip), row, settings);

export type A2cOptions = Omit<
  ConfigOptions,
  | "surrogate"
  | "clip"
  | "clipHigh"
  | "dualClip"
  | "klStop"
  | "epochs"
  | "minibatchSize"
  | "groups"
  | "costLimit"
> & {
  /** Where the values come from that are not given; default "sb3-zoo-cartpole". */
  readonly preset?: A2cPreset;
};

export type A2cPreset = "sb3" | "sb3-zoo-cartpole";

const sb3: PolicyGradientConfig = {
  ...neutral,
  kind: "a2c",
  surrogate: "score",
  envs: 1,
  steps: 5,
  minibatchSize: 5,
  epochs: 1,
  totalSteps: 500_000,
  learningRate: { start: 7e-4, end: 7e-4 },
  gamma: 0.99,
  lambda: 1,
  normalizeAdvantages: false,
  optimizer: "rmsprop",
  adamEpsilon: 1e-5,
  rmspropDecay: 0.99,
  // Stable-Baselines3 takes 0.5 of the mean square; the loss here has a half of its own.
  valueCoefficient: 1,
};

/** Published settings, by name. */
export const a2cPresets: Readonly<Record<A2cPreset, PolicyGradientConfig>> = {
  /** Defaults of Stable-Baselines3's A2C. */
  sb3,
  /** RL Baselines3 Zoo's `a2c.yml`, CartPole-v1: eight environments. */
  "sb3-zoo-cartpole": { ...sb3, envs: 8, minibatchSize: 40 },
};

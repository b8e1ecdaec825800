import type { RowLossFunction } from "../kernels/row-loss.ts";
import { actorCriticLoss, valueLoss } from "./actor-critic-loss.ts";
import type { PolicyGradientConfig } from "./config.ts";
import { generalizedAdvantages, type AdvantageFunction } from "./credit.ts";
import { neutral, resolveConfig, type ConfigOptions } from "./resolve-config.ts";
import { scoreSurrogate } from "./surrogate.ts";

/**
 * REINFORCE with baseline (Williams 1992; Sutton and Barto 2018, section 13.4). An update plays one whole episode in
 * each of N environments, at most `steps` long, and takes one step on all of them:
 *
 * G_t = r_t + gamma r_t+1 + gamma^2 r_t+2 + ...      (to the episode's end; `reinforceAdvantages`)
 * L = -mean_t (G_t - V(s_t)) log pi(a_t|s_t) + c_v mean_t 1/2 (V(s_t) - G_t)^2      (`reinforceRowLoss`)
 *
 * The baseline V is that from before the step; the factor gamma^t in front of the gradient is dropped, as everybody
 * does; advantages are whitened over the update. `totalSteps` counts N x `steps` an update, however short the
 * episodes are. Throws `rl/invalid-config`.
 */
export function reinforce(options: ReinforceOptions = {}): PolicyGradientConfig {
  return resolveConfig("reinforce", defaults, options);
}

/** G - V: every episode ends within the update, and GAE with lambda 1 is then the sum to its end, minus V. */
export const reinforceAdvantages: AdvantageFunction = generalizedAdvantages;

/** The loss of one row, in f64: what the kernels of every engine are held to. */
export const reinforceRowLoss: RowLossFunction = (row, settings) =>
  actorCriticLoss(scoreSurrogate(row), valueLoss(row, settings.valueClip), row, settings);

export type ReinforceOptions = Omit<
  ConfigOptions,
  | "episodes"
  | "surrogate"
  | "clip"
  | "clipHigh"
  | "dualClip"
  | "klStop"
  | "lambda"
  | "epochs"
  | "minibatchSize"
  | "groups"
  | "costLimit"
>;

const defaults: PolicyGradientConfig = {
  ...neutral,
  kind: "reinforce",
  episodes: "whole",
  surrogate: "score",
  envs: 16,
  steps: 500,
  minibatchSize: 16 * 500,
  epochs: 1,
  totalSteps: 4_000_000,
  learningRate: { start: 3e-3, end: 3e-3 },
  gamma: 0.99,
  lambda: 1,
  truncationBootstrap: false,
};

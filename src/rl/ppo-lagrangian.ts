import type { RowLossFunction } from "../kernels/row-loss.ts";
import { halfSquaredError } from "./actor-critic-loss.ts";
import type { CostLimit, PolicyGradientConfig } from "./config.ts";
import type { AdvantageFunction } from "./credit.ts";
import { computeAdvantages } from "./gae.ts";
import { constrainedAdvantage } from "./lagrangian.ts";
import { ppoAdvantages, ppoPresets, ppoRowLoss, type PpoOptions, type PpoPreset } from "./ppo.ts";
import { presetOf, resolveConfig } from "./resolve-config.ts";
import { invalid } from "./validate-config.ts";

/**
 * PPO under a bound on cost (Ray et al. 2019; defaults of OmniSafe): max over pi, min over lambda >= 0 of
 * J_r - lambda (J_c - d). Beside PPO's update,
 *
 * 1. a second value is learned, of the cost, with its own advantages A_c by GAE;
 * 2. A = (A_r - lambda A_c) / (1 + lambda) (`ppoLagrangianAdvantages`), and the loss of PPO with a term for that value
 *    besides, c_v 1/2 (V_c - R_c)^2 (`ppoLagrangianRowLoss`);
 * 3. lambda <- max(0, lambda + rate (mean episode cost - d)), or by a PID controller (Stooke et al. 2020,
 *    arXiv 2007.03964), from the episodes that ended before the update (`CostMultiplier` in `lagrangian.ts`).
 *
 * The cost is `train`'s option `cost`, a step function like a reward. Throws `rl/invalid-config`.
 */
export function ppoLagrangian(options: PpoLagrangianOptions): PolicyGradientConfig {
  const { preset = "sb3-zoo-cartpole", costLimit, multiplier = 0.001, control, ...given } = options;
  if (typeof costLimit !== "number") {
    invalid(
      "ppoLagrangian() needs a cost limit.",
      "Pass costLimit: 25, the largest mean cost of an episode.",
    );
  }
  const base: PolicyGradientConfig = { ...presetOf("PPO", ppoPresets, preset), kind: "ppo-lagrangian" };
  return resolveConfig("ppoLagrangian", base, {
    ...given,
    costLimit: { limit: costLimit, initial: multiplier, control: control ?? { kind: "ascent", rate: 0.035 } },
  });
}

/** Step 2: of the reward as PPO's, of the cost the same, and one of both under the multiplier. */
export const ppoLagrangianAdvantages: AdvantageFunction = (collected, config, credit, multiplier) => {
  ppoAdvantages(collected, config, credit, multiplier);
  const { ended, costs: rewards, costValues: values } = collected;
  const { finalCostValues: finalValues, lastCostValues: lastValues } = collected;
  const { advantages, costAdvantages, costReturns } = credit;
  computeAdvantages(config, { ended, rewards, values, finalValues, lastValues }, costAdvantages, costReturns);
  for (let i = 0; i < advantages.length; i++) {
    advantages[i] = constrainedAdvantage(advantages[i]!, costAdvantages[i]!, multiplier);
  }
};

/** The loss of one row, in f64: what the kernels of every engine are held to. */
export const ppoLagrangianRowLoss: RowLossFunction = (row, settings) => {
  const own = ppoRowLoss(row, settings);
  const cost = halfSquaredError(row.costValue, row.costReturn);
  return {
    ...own,
    loss: own.loss + settings.valueCoefficient * cost.loss,
    valueLoss: own.valueLoss + cost.loss,
    byCostValue: settings.valueCoefficient * cost.slope,
  };
};

export type PpoLagrangianOptions = Omit<PpoOptions, "episodes"> & {
  /** Largest mean cost of an episode, d. */
  readonly costLimit: number;
  /** Multiplier before the first update; default 0.001. */
  readonly multiplier?: number;
  /** How the multiplier follows the cost; default dual ascent at a rate of 0.035. */
  readonly control?: CostLimit["control"];
  /** As `ppo()`'s. */
  readonly preset?: PpoPreset;
};

import type { PolicyGradientConfig } from "./config.ts";
import { computeAdvantages, type GaeRows } from "./gae.ts";

/** What an update collected: columns of [T x N], row t x N + n, where nothing else is said. */
export interface CollectedRows extends GaeRows {
  /** What `rewards`, `values`, `finalValues` and `lastValues` are of the reward. */
  readonly costs: Float32Array;
  readonly costValues: Float32Array;
  readonly finalCostValues: Float32Array;
  readonly lastCostValues: Float32Array;
  /** [N], of whole episodes: the sum of the rewards. */
  readonly endedReturns: Float32Array;
}

/** What its minibatches train on, [T x N] each; the last two only with a cost limit. */
export interface Credit {
  readonly advantages: Float32Array;
  /** What the value is to become. */
  readonly returns: Float32Array;
  readonly costAdvantages: Float32Array;
  readonly costReturns: Float32Array;
}

/**
 * An algorithm's advantages, written to `credit` from what an update collected. The CPU engine calls it; the kernels
 * of the WebGPU engine are held to the same numbers. `multiplier` is that of a cost limit, else NaN.
 */
export type AdvantageFunction = (
  collected: CollectedRows,
  config: PolicyGradientConfig,
  credit: Credit,
  multiplier: number,
) => void;

/** A_t = sum (gamma lambda)^k delta_t+k within an episode, R = A + V (GAE), of the reward. */
export const generalizedAdvantages: AdvantageFunction = (collected, config, { advantages, returns }) => {
  computeAdvantages(config, collected, advantages, returns);
};

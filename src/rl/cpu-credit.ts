import type { PolicyGradientConfig } from "./config.ts";
import type { CpuRollout } from "./cpu-rollout.ts";
import { a2cAdvantages } from "./a2c.ts";
import { behaviourCloningAdvantages } from "./behaviour-cloning.ts";
import type { AdvantageFunction, Credit } from "./credit.ts";
import { episodeWeights } from "./episode-credit.ts";
import { episodeGrpoAdvantages } from "./episode-grpo.ts";
import { cutReward, meanAndVariance, type RunningNormalization } from "./normalization.ts";
import { ppoLagrangianAdvantages } from "./ppo-lagrangian.ts";
import { ppoAdvantages } from "./ppo.ts";
import { reinforceAdvantages } from "./reinforce.ts";

/** By the algorithm's kind, from its own file. */
const advantagesOf: Readonly<Record<PolicyGradientConfig["kind"], AdvantageFunction>> = {
  ppo: ppoAdvantages,
  a2c: a2cAdvantages,
  reinforce: reinforceAdvantages,
  "ppo-lagrangian": ppoLagrangianAdvantages,
  "episode-grpo": episodeGrpoAdvantages,
  "behaviour-cloning": behaviourCloningAdvantages,
};

/** From one update's transitions to what its minibatches train on: normalised rewards, advantages, targets, weights. */
export class CpuCredit implements Credit {
  /** [T x N] each. */
  readonly advantages: Float32Array;
  readonly returns: Float32Array;
  readonly costReturns: Float32Array;
  readonly costAdvantages: Float32Array;
  readonly #config: PolicyGradientConfig;
  readonly #rollout: CpuRollout;
  readonly #normalization: RunningNormalization | null;
  #rows: number;

  constructor(config: PolicyGradientConfig, rollout: CpuRollout, normalization: RunningNormalization | null) {
    const rows = config.envs * config.steps;
    const costed = config.costLimit ? rows : 0;
    this.#config = config;
    this.#rollout = rollout;
    this.#normalization = normalization;
    this.#rows = rows;
    this.advantages = new Float32Array(rows);
    this.returns = new Float32Array(rows);
    this.costReturns = new Float32Array(costed);
    this.costAdvantages = new Float32Array(costed);
  }

  /** Steps of the last update that count. */
  get rows(): number {
    return this.#rows;
  }

  /** `multiplier` is read only where there is a cost limit. */
  assign(multiplier: number): void {
    const { episodes } = this.#config;
    const rollout = this.#rollout;
    const whole = episodes === "whole";
    if (whole) this.#rows = rollout.endedLengths.reduce((sum, length) => sum + length, 0);
    if (this.#normalization) this.#normalize(this.#normalization);
    advantagesOf[this.#config.kind](rollout, this.#config, this, multiplier);
    if (whole) this.#share();
  }

  /** What the steps of whole episodes count for; none behind the end. */
  #share(): void {
    const { envs, steps, groups } = this.#config;
    const { endedLengths, weights } = this.#rollout;
    const shares = episodeWeights(endedLengths, steps, groups?.aggregation ?? "step-mean");
    for (let row = 0; row < weights.length; row++) {
      if (weights[row] !== 0) weights[row] = shares[row % envs]!;
    }
  }

  #normalize(running: RunningNormalization): void {
    const { envs, steps, gamma, normalizeObservations, normalizeRewards } = this.#config;
    const { rewards, ended, weights, rawObservations } = this.#rollout;
    const live: number[] = [];
    for (let row = 0; row < weights.length; row++) if (weights[row] !== 0) live.push(row);
    const size = this.#rollout.observations.length / (envs * steps);
    if (normalizeObservations) {
      for (let o = 0; o < size; o++) {
        const [mean, variance] = meanAndVariance(live.length, (i) => rawObservations![live[i]! * size + o]!);
        running.merge(o, mean, variance, live.length);
      }
    }
    if (normalizeRewards) {
      const discounted = running.discountedReturns;
      const seen = new Float32Array(rewards.length);
      for (let row = 0; row < rewards.length; row++) {
        if (weights[row] === 0) continue;
        const n = row % envs;
        seen[row] = discounted[n]! * gamma + rewards[row]!;
        discounted[n] = ended[row] === 1 ? 0 : seen[row]!;
      }
      const [mean, variance] = meanAndVariance(live.length, (i) => seen[live[i]!]!);
      running.merge(size, mean, variance, live.length);
      const scale = running.rewardScale;
      for (const row of live) rewards[row] = cutReward(Math.fround(rewards[row]! * scale));
    }
  }
}

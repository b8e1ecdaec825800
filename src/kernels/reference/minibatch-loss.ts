import type { ReferenceActorCritic } from "./actor-critic.ts";
import type { PolicyHead } from "../action-space.ts";
import type { LossSettings, RowLossFunction } from "../row-loss.ts";
import { actionTerms } from "./policy-distribution.ts";
import { normalize } from "./statistics.ts";

/** B transitions; observations [B x O], mask [B x A] (0 forbids an action), of normal distributions actions [B x D], the rest [B]. */
export interface Minibatch {
  readonly observations: ArrayLike<number>;
  readonly actions: ArrayLike<number>;
  readonly oldLogProbabilities: ArrayLike<number>;
  readonly advantages: ArrayLike<number>;
  readonly returns: ArrayLike<number>;
  readonly oldValues: ArrayLike<number>;
  readonly mask?: ArrayLike<number>;
  /** Factor on a transition's share of every term, default 1. */
  readonly weights?: ArrayLike<number>;
  /** Targets of the second value, where there is one. */
  readonly costReturns?: ArrayLike<number>;
}

export interface MinibatchOptions extends LossSettings {
  /** The algorithm: what its file in `rl/` says a row's loss is. */
  readonly rowLoss: RowLossFunction;
  /** Default: one categorical choice. */
  readonly head?: PolicyHead;
  readonly normalizeAdvantages: boolean;
}

export interface MinibatchLoss {
  /** The mean of the rows' losses, by their weights; so are the next three of their parts. */
  readonly loss: number;
  readonly policyLoss: number;
  readonly valueLoss: number;
  readonly entropy: number;
  /** mean(-log ratio) */
  readonly klK1: number;
  /** mean((ratio - 1) - log ratio); Schulman, "Approximating KL divergence". */
  readonly klK3: number;
  /** Fraction of the ratios outside of the clip range. */
  readonly clipFraction: number;
  readonly ratios: Float64Array;
  readonly logProbabilities: Float64Array;
  readonly values: Float64Array;
  /** d loss / d parameters, as long as the arena. */
  readonly gradient: Float64Array;
}

/** A minibatch's loss and its gradient in f64, the loss of a row being that of the algorithm's own file. */
export function minibatchLoss(
  network: Pick<ReferenceActorCritic, "forward" | "backward" | "logStd" | "length">,
  parameters: ArrayLike<number>,
  batch: Minibatch,
  options: MinibatchOptions,
): MinibatchLoss {
  const { rowLoss, clip } = options;
  const clipHigh = options.clipHigh ?? clip;
  const size = batch.advantages.length;
  const observationSize = batch.observations.length / size;
  const advantages = options.normalizeAdvantages
    ? normalize(batch.advantages)
    : Float64Array.from(batch.advantages);
  const gradient = new Float64Array(network.length);
  const ratios = new Float64Array(size);
  const logProbabilities = new Float64Array(size);
  const values = new Float64Array(size);
  let loss = 0;
  let policyLoss = 0;
  let valueLoss = 0;
  let entropy = 0;
  let klK1 = 0;
  let klK3 = 0;
  let clipFraction = 0;
  for (let b = 0; b < size; b++) {
    const observation = slice(batch.observations, b, observationSize);
    const tape = network.forward(parameters, observation);
    const mask = batch.mask && slice(batch.mask, b, tape.logits.length);
    const count = tape.logits.length;
    const head = options.head ?? { kind: "categorical", factors: [count], outputs: count };
    const dimensions = head.kind === "gaussian" ? count : 1;
    const logStd = Float64Array.from(
      { length: dimensions },
      (_, d) => parameters[(network.logStd ?? 0) + d]!,
    );
    const action = slice(batch.actions, b, dimensions);
    const policy = actionTerms(head, tape.logits, logStd, dimensions === 1 ? action[0]! : action, mask);
    const advantage = advantages[b]!;
    const share = (batch.weights?.[b] ?? 1) / size;

    const oldLogProbability = batch.oldLogProbabilities[b]!;
    const row = rowLoss(
      {
        ...{ logProbability: policy.logProbability, oldLogProbability, advantage, entropy: policy.entropy },
        ...{ value: tape.value, oldValue: batch.oldValues[b]!, return: batch.returns[b]! },
        ...{ costValue: tape.values[1] ?? 0, costReturn: batch.costReturns?.[b] ?? 0 },
      },
      options,
    );
    const logRatio = policy.logProbability - oldLogProbability;
    const ratio = Math.exp(logRatio);
    loss += row.loss * share;
    policyLoss += row.policyLoss * share;
    valueLoss += row.valueLoss * share;
    entropy += policy.entropy * share;
    klK1 -= logRatio * share;
    klK3 += (ratio - 1 - logRatio) * share;
    if (ratio - 1 > clipHigh || 1 - ratio > clip) clipFraction += share;

    const logitsGradient = policy.logProbabilityGradient.map(
      (g, k) => (row.byLogProbability * g + row.byEntropy * policy.entropyGradient[k]!) * share,
    );
    const valuesGradient = [row.byValue * share, row.byCostValue * share].slice(0, tape.values.length);
    network.backward(parameters, tape, logitsGradient, valuesGradient, gradient);
    if (network.logStd !== null) {
      const { logProbability, entropy: towardsEntropy } = policy.logStdGradient;
      for (let d = 0; d < dimensions; d++) {
        gradient[network.logStd + d]! +=
          (row.byLogProbability * logProbability[d]! + row.byEntropy * towardsEntropy[d]!) * share;
      }
    }
    ratios[b] = ratio;
    logProbabilities[b] = policy.logProbability;
    values[b] = tape.value;
  }
  return {
    loss,
    policyLoss,
    valueLoss,
    entropy,
    klK1,
    klK3,
    clipFraction,
    ratios,
    logProbabilities,
    values,
    gradient,
  };
}

function slice(data: ArrayLike<number>, row: number, width: number): Float64Array {
  return Float64Array.from({ length: width }, (_, i) => data[row * width + i]!);
}

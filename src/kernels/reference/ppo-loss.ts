import type { ReferenceActorCritic } from "./actor-critic.ts";
import type { PolicyHead } from "../action-space.ts";
import { actionTerms } from "./policy-distribution.ts";
import { normalize } from "./statistics.ts";

/** B transitions; observations [B x O], mask [B x A] (0 forbids an action), the rest [B]. */
export interface PpoMinibatch {
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

export interface PpoLossOptions {
  /** Default: one categorical choice. */
  readonly head?: PolicyHead;
  /** "clip" (default) is PPO's; "score" is -A log pi, of which REINFORCE and A2C are made. */
  readonly surrogate?: "clip" | "score";
  /** epsilon of the probability ratio. */
  readonly clip: number;
  /** epsilon above 1, default `clip` (DAPO's clip-higher, arXiv 2503.14476). */
  readonly clipHigh?: number;
  /** Bounds the loss of A < 0 by -c A (dual clip, Ye et al. 2020, arXiv 1912.09729); default none. */
  readonly dualClip?: number | null;
  /**
   * In place of surrogate, entropy bonus and value loss: the loss of a row and its derivatives by log-probability,
   * value and entropy; `row` is [log-probability, old one, advantage, value, old value, return, entropy, 1].
   */
  readonly custom?: (row: readonly number[]) => readonly [number, number, number, number];
  /** epsilon of the value change; null for a plain 0.5 x mean squared error. */
  readonly valueClip: number | null;
  readonly entropyCoefficient: number;
  readonly valueCoefficient: number;
  readonly normalizeAdvantages: boolean;
}

export interface PpoLoss {
  /** policyLoss - entropyCoefficient x entropy + valueCoefficient x valueLoss */
  readonly loss: number;
  readonly policyLoss: number;
  /** 0.5 x mean of the squared error, or of the larger of clipped and unclipped. */
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

/**
 * The PPO minibatch loss and its gradient (Schulman et al. 2017, arXiv 1707.06347, equations 7 and 9, in the form
 * of CleanRL's `ppo.py`):
 * L = mean max(-A rho, -A clip(rho, 1 - e, 1 + e)) - c_e mean H + c_v 0.5 mean (V - R)^2,
 * with the value term clipped as mean max((V - R)^2, (V_old + clip(V - V_old, -e_v, e_v) - R)^2) if asked for.
 */
export function ppoLoss(
  network: Pick<ReferenceActorCritic, "forward" | "backward" | "logStd" | "length">,
  parameters: ArrayLike<number>,
  batch: PpoMinibatch,
  options: PpoLossOptions,
): PpoLoss {
  const { clip, clipHigh = clip, dualClip = null, surrogate = "clip" } = options;
  const { valueClip, entropyCoefficient, valueCoefficient } = options;
  const size = batch.actions.length;
  const observationSize = batch.observations.length / size;
  const advantages = options.normalizeAdvantages
    ? normalize(batch.advantages)
    : Float64Array.from(batch.advantages);
  const gradient = new Float64Array(network.length);
  const ratios = new Float64Array(size);
  const logProbabilities = new Float64Array(size);
  const values = new Float64Array(size);
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
    const logStd = network.logStd === null ? 0 : parameters[network.logStd]!;
    const count = tape.logits.length;
    const head = options.head ?? { kind: "categorical", factors: [count], outputs: count };
    const policy = actionTerms(head, tape.logits, logStd, batch.actions[b]!, mask);
    const advantage = advantages[b]!;
    const share = (batch.weights?.[b] ?? 1) / size;

    const logRatio = policy.logProbability - batch.oldLogProbabilities[b]!;
    const ratio = Math.exp(logRatio);
    const clippedRatio = Math.min(Math.max(ratio, 1 - clip), 1 + clipHigh);
    const unclippedLoss = -advantage * ratio;
    const clippedLoss = -advantage * clippedRatio;
    let surrogateLoss = Math.max(unclippedLoss, clippedLoss);
    // Where the clipped branch is the larger one its derivative is 0, the clamp being active.
    let logProbabilityWeight = unclippedLoss >= clippedLoss ? -advantage * ratio : 0;
    if (dualClip !== null && advantage < 0 && surrogateLoss > -advantage * dualClip) {
      surrogateLoss = -advantage * dualClip;
      logProbabilityWeight = 0;
    }
    if (surrogate === "score") {
      surrogateLoss = -advantage * policy.logProbability;
      logProbabilityWeight = -advantage;
    }
    policyLoss += surrogateLoss * share;

    const target = batch.returns[b]!;
    const error = tape.value - target;
    let squared = error * error;
    let valueGradient = error;
    if (valueClip !== null) {
      const oldValue = batch.oldValues[b]!;
      const change = tape.value - oldValue;
      const clippedError = oldValue + Math.min(Math.max(change, -valueClip), valueClip) - target;
      if (clippedError * clippedError > squared) {
        squared = clippedError * clippedError;
        valueGradient = Math.abs(change) < valueClip ? clippedError : 0;
      }
    }
    valueLoss += 0.5 * squared * share;
    const valuesGradient = [valueCoefficient * valueGradient * share];
    if (batch.costReturns) {
      const costError = tape.values[1]! - batch.costReturns[b]!;
      valueLoss += 0.5 * costError * costError * share;
      valuesGradient.push(valueCoefficient * costError * share);
    }
    let entropyWeight = -entropyCoefficient;
    if (options.custom) {
      const row = [policy.logProbability, batch.oldLogProbabilities[b]!, advantage, tape.value];
      const term = options.custom([...row, batch.oldValues[b]!, target, policy.entropy, 1]);
      policyLoss += (term[0] - surrogateLoss) * share;
      logProbabilityWeight = term[1];
      valuesGradient[0] = term[2] * share;
      entropyWeight = term[3];
    }
    entropy += policy.entropy * share;
    klK1 -= logRatio * share;
    klK3 += (ratio - 1 - logRatio) * share;
    if (ratio - 1 > clipHigh || 1 - ratio > clip) clipFraction += share;

    const logitsGradient = policy.logProbabilityGradient.map(
      (g, k) => (logProbabilityWeight * g + entropyWeight * policy.entropyGradient[k]!) * share,
    );
    network.backward(parameters, tape, logitsGradient, valuesGradient, gradient);
    if (network.logStd !== null) {
      const { logProbability, entropy: towardsEntropy } = policy.logStdGradient;
      gradient[network.logStd]! +=
        (logProbabilityWeight * logProbability + entropyWeight * towardsEntropy) * share;
    }
    ratios[b] = ratio;
    logProbabilities[b] = policy.logProbability;
    values[b] = tape.value;
  }
  const loss = policyLoss - entropyCoefficient * entropy + valueCoefficient * valueLoss;
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

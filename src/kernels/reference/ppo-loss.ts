import type { ReferenceActorCritic } from "./actor-critic.ts";
import { categorical, entropyGradient, logProbabilityGradient } from "./categorical.ts";
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
}

export interface PpoLossOptions {
  /** epsilon of the probability ratio. */
  readonly clip: number;
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
  /** Fraction of |ratio - 1| > clip. */
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
  network: ReferenceActorCritic,
  parameters: ArrayLike<number>,
  batch: PpoMinibatch,
  options: PpoLossOptions,
): PpoLoss {
  const { clip, valueClip, entropyCoefficient, valueCoefficient } = options;
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
    const policy = categorical(tape.logits, mask);
    const action = batch.actions[b]!;
    const advantage = advantages[b]!;

    const logRatio = policy.logProbabilities[action]! - batch.oldLogProbabilities[b]!;
    const ratio = Math.exp(logRatio);
    const clippedRatio = Math.min(Math.max(ratio, 1 - clip), 1 + clip);
    const unclippedLoss = -advantage * ratio;
    const clippedLoss = -advantage * clippedRatio;
    policyLoss += Math.max(unclippedLoss, clippedLoss) / size;
    // Where the clipped branch is the larger one its derivative is 0, the clamp being active.
    const logProbabilityWeight = unclippedLoss >= clippedLoss ? -advantage * ratio : 0;

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
    valueLoss += (0.5 * squared) / size;
    entropy += policy.entropy / size;
    klK1 -= logRatio / size;
    klK3 += (ratio - 1 - logRatio) / size;
    if (Math.abs(ratio - 1) > clip) clipFraction += 1 / size;

    const towardsAction = logProbabilityGradient(policy, action, mask);
    const towardsEntropy = entropyGradient(policy, mask);
    const logitsGradient = towardsAction.map(
      (g, k) => (logProbabilityWeight * g - entropyCoefficient * towardsEntropy[k]!) / size,
    );
    network.backward(parameters, tape, logitsGradient, (valueCoefficient * valueGradient) / size, gradient);
    ratios[b] = ratio;
    logProbabilities[b] = policy.logProbabilities[action]!;
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

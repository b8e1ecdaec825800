import type { PolicyHead } from "../action-space.ts";
import { factorOffsets, splitAction } from "../action-space.ts";
import { categorical, entropyGradient, logProbabilityGradient } from "./categorical.ts";

/** One state's policy and one action in it, in f64: what a loss needs of them. */
export interface ActionTerms {
  readonly logProbability: number;
  /** Nats; of a normal distribution the differential entropy. */
  readonly entropy: number;
  /** d log-probability / d outputs and d entropy / d outputs. */
  readonly logProbabilityGradient: Float64Array;
  readonly entropyGradient: Float64Array;
  /** The same with respect to the logarithm of a normal distribution's deviation, else 0. */
  readonly logStdGradient: { readonly logProbability: number; readonly entropy: number };
}

const LOG_ROOT_TWO_PI = 0.5 * Math.log(2 * Math.PI);

/**
 * `outputs` are the logits of all factors one after the other, or the mean. Log-probability and entropy of several
 * factors are sums over them. `mask` [outputs]: 0 forbids. A normal distribution's are
 * -(a - mu)^2 / (2 sigma^2) - log sigma - log sqrt(2 pi) and log sigma + 1/2 + log sqrt(2 pi).
 */
export function actionTerms(
  head: PolicyHead,
  outputs: ArrayLike<number>,
  logStd: number,
  action: number,
  mask?: ArrayLike<number>,
): ActionTerms {
  if (head.kind === "gaussian") {
    const deviation = (action - outputs[0]!) / Math.exp(logStd);
    return {
      logProbability: -0.5 * deviation * deviation - logStd - LOG_ROOT_TWO_PI,
      entropy: logStd + 0.5 + LOG_ROOT_TWO_PI,
      logProbabilityGradient: Float64Array.of(deviation / Math.exp(logStd)),
      entropyGradient: Float64Array.of(0),
      logStdGradient: { logProbability: deviation * deviation - 1, entropy: 1 },
    };
  }
  const offsets = factorOffsets(head.factors);
  const choices = new Uint32Array(head.factors.length);
  splitAction(action, head.factors, choices);
  const terms = {
    logProbability: 0,
    entropy: 0,
    logProbabilityGradient: new Float64Array(head.outputs),
    entropyGradient: new Float64Array(head.outputs),
    logStdGradient: { logProbability: 0, entropy: 0 },
  };
  head.factors.forEach((count, f) => {
    const at = offsets[f]!;
    const cut = (data: ArrayLike<number>): Float64Array =>
      Float64Array.from({ length: count }, (_, k) => data[at + k]!);
    const allowed = mask && cut(mask);
    const policy = categorical(cut(outputs), allowed);
    terms.logProbability += policy.logProbabilities[choices[f]!]!;
    terms.entropy += policy.entropy;
    terms.logProbabilityGradient.set(logProbabilityGradient(policy, choices[f]!, allowed), at);
    terms.entropyGradient.set(entropyGradient(policy, allowed), at);
  });
  return terms;
}

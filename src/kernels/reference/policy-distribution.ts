import type { Action, PolicyHead } from "../action-space.ts";
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
  /** The same with respect to the logarithms of normal distributions' deviations, else empty. */
  readonly logStdGradient: { readonly logProbability: Float64Array; readonly entropy: Float64Array };
}

const LOG_ROOT_TWO_PI = 0.5 * Math.log(2 * Math.PI);

/**
 * `outputs` are the logits of all factors one after the other, or the means. Log-probability and entropy of several
 * factors or dimensions are sums over them. `mask` [outputs]: 0 forbids. A normal distribution's are
 * -(a - mu)^2 / (2 sigma^2) - log sigma - log sqrt(2 pi) and log sigma + 1/2 + log sqrt(2 pi).
 */
export function actionTerms(
  head: PolicyHead,
  outputs: ArrayLike<number>,
  logStd: ArrayLike<number>,
  action: Action,
  mask?: ArrayLike<number>,
): ActionTerms {
  if (head.kind === "gaussian") {
    const { outputs: size } = head;
    const taken = typeof action === "number" ? [action] : action;
    const deviations = Float64Array.from(
      { length: size },
      (_, d) => (taken[d]! - outputs[d]!) / Math.exp(logStd[d]!),
    );
    const sum = (term: (d: number) => number): number =>
      deviations.reduce((total, _, d) => total + term(d), 0);
    return {
      logProbability: sum((d) => -0.5 * deviations[d]! ** 2 - logStd[d]! - LOG_ROOT_TWO_PI),
      entropy: sum((d) => logStd[d]! + 0.5 + LOG_ROOT_TWO_PI),
      logProbabilityGradient: deviations.map((deviation, d) => deviation / Math.exp(logStd[d]!)),
      entropyGradient: new Float64Array(size),
      logStdGradient: {
        logProbability: deviations.map((deviation) => deviation * deviation - 1),
        entropy: new Float64Array(size).fill(1),
      },
    };
  }
  const offsets = factorOffsets(head.factors);
  const choices = new Uint32Array(head.factors.length);
  splitAction(Number(action), head.factors, choices);
  const terms = {
    logProbability: 0,
    entropy: 0,
    logProbabilityGradient: new Float64Array(head.outputs),
    entropyGradient: new Float64Array(head.outputs),
    logStdGradient: { logProbability: new Float64Array(), entropy: new Float64Array() },
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

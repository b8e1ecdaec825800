import type { FilteredCloningConfig, GrpoConfig } from "./grpo.ts";
import type { RolloutCorrection } from "./rollout-correction.ts";
import type { SupervisedPlan } from "./sft.ts";
import type { TokenLossConfig } from "./token-loss-config.ts";
import { between, oneOf } from "./validate-config.ts";

// A name that nobody knows must not train as something else, nor a number that is none as NaN: notebooks run unchecked.

/** Throws "rl/invalid-config" where no engine can use the loss. */
export function checkTokenLoss(loss: TokenLossConfig): void {
  oneOf("surrogate", loss.kind, ["policy", "likelihood", "cispo", "sapo"]);
  between("clipLow", loss.clipLow, 0, 1e6);
  between("clipHigh", loss.clipHigh, 0, 1e6);
  if (loss.dualClip !== null) between("dualClip", loss.dualClip, 1, 1e6);
  between("entropyCoefficient", loss.entropyCoefficient, -1e6, 1e6);
  if (loss.gate) {
    between("gate.positive", loss.gate.positive, 1e-6, 1e6);
    between("gate.negative", loss.gate.negative, 1e-6, 1e6);
  }
  if (loss.kl) oneOf("kl.estimator", loss.kl.estimator, ["k1", "k2", "k3", "k3+"]);
  between("learningRate", loss.learningRate, 0, 1e6);
  const betas: readonly unknown[] = Array.isArray(loss.betas) ? loss.betas : [];
  between("betas[0]", betas[0], 0, 1 - 1e-9);
  between("betas[1]", betas[1], 0, 1 - 1e-9);
  between("adamEpsilon", loss.adamEpsilon, 1e-12, 1);
  between("weightDecay", loss.weightDecay, 0, 1e6);
  between("maxGradientNorm", loss.maxGradientNorm, 0, 1e30);
}

export function checkSchedule({ schedule, finalLearningRate }: SupervisedPlan): void {
  oneOf("schedule", schedule, ["linear", "cosine"]);
  between("finalLearningRate", finalLearningRate, 0, 1e6);
}

/** Throws "rl/invalid-config" where a name or a number of an algorithm over rollouts cannot be used. */
export function checkRolloutAlgorithm(config: GrpoConfig | FilteredCloningConfig): void {
  checkTokenLoss(config.loss);
  between("finalLearningRate", config.finalLearningRate, 0, 1e6);
  between("temperature", config.temperature, 1e-3, 1e6);
  between("successAt", config.successAt, -1e30, 1e30);
  oneOf("aggregation", config.aggregation, [
    ...["token-mean", "sequence-mean-token-mean", "sequence-mean-token-sum"],
    ...["constant-length", "per-rollout-mean"],
  ]);
  if (config.kind === "filtered-cloning") {
    oneOf("sampledFrom", config.sampledFrom ?? "current", ["current", "start"]);
    return;
  }
  const { advantage, ratio = "token", oldPolicy = "sampled", overlong, correction } = config;
  oneOf("advantage", (advantage as { readonly name?: unknown } | null)?.name, [
    ...["mean", "standardized", "leave-one-out", "batch-standardized", "whitened", "length-weighted"],
    ...["mean-normalized", "separately-standardized"],
  ]);
  if ("epsilon" in advantage) between("advantage.epsilon", advantage.epsilon, 0, 1);
  oneOf("ratio", ratio, ["token", "sequence"]);
  oneOf("oldPolicy", oldPolicy, ["sampled", "scored"]);
  if (overlong) between("overlong.factor", overlong.factor, 0, 1e6);
  if (!correction) return;
  oneOf("correction.name", (correction as { readonly name?: unknown }).name, [
    ...["token", "sequence", "token-mask", "sequence-mask", "geometric-mean", "k3"],
  ]);
  for (const [name, value] of Object.entries(limitsOf(correction)))
    between(`correction.${name}`, value, 0, 1e6);
}

/** The numbers that a correction needs, which one made elsewhere may lack. */
function limitsOf(correction: RolloutCorrection): Readonly<Record<string, unknown>> {
  switch (correction.name) {
    case "token":
    case "sequence":
      return { cap: correction.cap };
    case "k3":
      return { limit: correction.limit };
    case "token-mask":
    case "sequence-mask":
    case "geometric-mean":
      return { low: correction.low, high: correction.high };
  }
}

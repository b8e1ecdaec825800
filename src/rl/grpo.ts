import { FulguriteError } from "../gpu/error.ts";
import { checkWhole, defaultOptimizer, pickOptions, type OptimizerOptions } from "./optimizer-options.ts";
import { likelihood } from "./sft.ts";
import type { GroupAdvantage } from "./group-advantages.ts";
import type { TokenLossConfig } from "./token-loss-config.ts";

/** What makes rollouts and how they become optimizer steps: shared by the algorithms over language policies. */
export interface RolloutPlan {
  /** Rollouts of one task, siblings, G. */
  readonly groupSize: number;
  /** Tasks of one update; an update makes groups x groupSize rollouts. */
  readonly groups: number;
  /** Optimizer steps in all: one an update, on-policy. */
  readonly updates: number;
  readonly temperature: number;
  /** Most tokens of one answer, the end included. */
  readonly maxTokens: number;
  /** Most tokens of a row's prompt; longer ones are dropped and counted. */
  readonly promptLength: number;
  /** Most tokens of a row's response, observations between calls included; longer ones are cut and counted. */
  readonly responseLength: number;
  /** Updates between evaluations on held-out tasks. */
  readonly evaluateEvery: number;
  /** Held-out tasks of an evaluation, from the first. */
  readonly evaluationTasks: number;
  /** A rollout succeeds at this reward. */
  readonly successAt: number;
  /**
   * Learning rate of the last update, reached linearly from `loss.learningRate`. A tenth of it keeps a policy where it
   * has arrived: at a constant rate it wanders off again.
   */
  readonly finalLearningRate: number;
}

export type Aggregation =
  | "token-mean"
  | "sequence-mean-token-mean"
  | "sequence-mean-token-sum"
  | "constant-length"
  | "per-rollout-mean";

/** Group-relative policy optimization; every field is a resolved number, `grpo()` fills the defaults. */
export interface GrpoConfig extends RolloutPlan {
  readonly kind: "grpo";
  readonly advantage: GroupAdvantage;
  readonly aggregation: Aggregation;
  readonly loss: TokenLossConfig;
}

/** Filtered cloning, the honest baseline: the same rollouts, but imitates those that succeeded and nothing else. */
export interface FilteredCloningConfig extends RolloutPlan {
  readonly kind: "filtered-cloning";
  readonly aggregation: Aggregation;
  readonly loss: TokenLossConfig;
}

export type LanguageAlgorithm = GrpoConfig | FilteredCloningConfig;

const wholePlan = {
  groupSize: 8,
  groups: 32,
  updates: 200,
  maxTokens: 16,
  promptLength: 64,
  responseLength: 64,
  evaluateEvery: 10,
  evaluationTasks: 100,
};
const plan: Omit<RolloutPlan, "finalLearningRate"> = { ...wholePlan, temperature: 1, successAt: 1 };

export type GrpoOptions = Partial<RolloutPlan> &
  Partial<Omit<TokenLossConfig, "kind">> & {
    /** Default "mean": reward minus the group's mean (Dr.GRPO). */
    readonly advantage?: GroupAdvantage | GroupAdvantage["name"];
    /** Default "token-mean" (DAPO). */
    readonly aggregation?: Aggregation;
  };

/**
 * GRPO (2402.03300) with the defaults that suit models of 0.1 to 10 M parameters: advantage r - group mean without
 * division (Dr.GRPO, 2503.20783), mean over tokens and clip 0.2 / 0.28 (DAPO, 2503.14476), no KL term, entropy
 * bonus 0.02, AdamW 1e-3 (0.9, 0.99) at a constant rate, gradient norm 1, one update a batch of 32 groups of 8. Throws
 * "rl/invalid-config".
 */
export function grpo(options: GrpoOptions = {}): GrpoConfig {
  const { advantage = "mean", aggregation = "token-mean", ...rest } = options;
  const config: GrpoConfig = {
    kind: "grpo",
    ...pickPlan(rest),
    advantage: typeof advantage === "string" ? namedAdvantage(advantage) : advantage,
    aggregation,
    loss: {
      kind: "policy",
      clipLow: rest.clipLow ?? 0.2,
      clipHigh: rest.clipHigh ?? 0.28,
      dualClip: rest.dualClip ?? null,
      entropyCoefficient: rest.entropyCoefficient ?? 0.02,
      ...pickOptions(defaultOptimizer, rest),
    },
  };
  validate(config);
  return config;
}

export type FilteredCloningOptions = Partial<RolloutPlan> &
  Partial<OptimizerOptions> & { readonly aggregation?: Aggregation };

/** Rejection sampling and cloning: likelihood of the rollouts whose reward reached `successAt`, nothing of the others. */
export function filteredCloning(options: FilteredCloningOptions = {}): FilteredCloningConfig {
  const config: FilteredCloningConfig = {
    kind: "filtered-cloning",
    ...pickPlan(options),
    aggregation: options.aggregation ?? "token-mean",
    loss: likelihood(options),
  };
  validate(config);
  return config;
}

function namedAdvantage(name: GroupAdvantage["name"]): GroupAdvantage {
  return name === "standardized" || name === "batch-standardized" ? { name, epsilon: 1e-4 } : { name };
}

const pickPlan = (options: Partial<RolloutPlan> & { readonly learningRate?: number }): RolloutPlan => ({
  ...pickOptions(plan, options),
  finalLearningRate: options.finalLearningRate ?? options.learningRate ?? defaultOptimizer.learningRate,
});

/** Learning rate of update 1 to `updates`: a line from the first to the final one. */
export function learningRateAt(
  { loss, finalLearningRate, updates }: LanguageAlgorithm,
  update: number,
): number {
  const share = updates === 1 ? 0 : (update - 1) / (updates - 1);
  return loss.learningRate + (finalLearningRate - loss.learningRate) * share;
}

function validate(config: LanguageAlgorithm): void {
  const wrong = (what: string, fix: string): FulguriteError =>
    new FulguriteError("rl/invalid-config", what, fix);
  checkWhole({ ...config }, wholePlan);
  if (config.kind === "grpo" && config.groupSize < 2) {
    throw wrong("A group of one has no siblings to compare with.", "Pass groupSize: 8.");
  }
  const { loss } = config;
  const finite = [
    config.temperature,
    config.successAt,
    loss.learningRate,
    config.finalLearningRate,
    loss.entropyCoefficient,
    loss.maxGradientNorm,
  ];
  if (
    !finite.every(Number.isFinite) ||
    config.temperature <= 0 ||
    loss.learningRate < 0 ||
    config.finalLearningRate < 0
  ) {
    throw wrong(
      "A setting is not a usable number.",
      "Look at temperature, learningRate and entropyCoefficient.",
    );
  }
}

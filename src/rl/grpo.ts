import { FulguriteError } from "../gpu/error.ts";
import { checkNames } from "./option-names.ts";
import { checkWhole, defaultOptimizer, pickOptions, type OptimizerOptions } from "./optimizer-options.ts";
import { likelihood } from "./sft.ts";
import type { AdaptiveKl } from "./adaptive-kl.ts";
import type { GroupAdvantage } from "./group-advantages.ts";
import type { RolloutCorrection } from "./rollout-correction.ts";
import type { TokenLossConfig } from "./token-loss-config.ts";
import { checkRolloutAlgorithm } from "./validate-language.ts";

/** What makes rollouts and how they become optimizer steps: shared by the algorithms over language policies. */
export interface RolloutPlan {
  /** Rollouts of one task, siblings, G. */
  readonly groupSize: number;
  /** Tasks of one update; an update makes groups x groupSize rollouts. */
  readonly groups: number;
  /** Batches of rollouts in all, each made by the policy as it is by then. */
  readonly updates: number;
  /** Passes over an update's rows, default 1, and optimizer steps of a pass, default 1: then all is on-policy. */
  readonly epochs?: number;
  readonly minibatches?: number;
  /** Answers are sampled from softmax(logits / temperature); what learns is the policy at temperature 1. */
  readonly temperature: number;
  /** Most tokens of one answer, the end included. */
  readonly maxTokens: number;
  /** Most tokens of a row's prompt; longer ones are dropped and counted. */
  readonly promptLength: number;
  /**
   * Most tokens of a row's response, observations between calls included; longer ones are cut and counted. Default 64, or
   * maxTokens where that is more.
   */
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

/** How tokens' terms become one loss; the divisors are those of `TokenAggregation`. */
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
  /** "token" (default): r = pi / pi_old of each token; "sequence": exp(mean log r) of its sequence (GSPO). */
  readonly ratio?: "token" | "sequence";
  /**
   * Most batches of groups x groupSize rollouts of an update, default 1. Above 1 groups whose rewards are all equal are left
   * out, and others made in their place until there are `groups` of them (DAPO's dynamic sampling).
   */
  readonly generationBatches?: number;
  /**
   * Adds to a rollout's reward 0 up to maxTokens - buffer tokens of its longest answer, then -factor (tokens - maxTokens +
   * buffer) / buffer, down to -factor at maxTokens (DAPO, 2503.14476, equation 13).
   */
  readonly overlong?: { readonly buffer: number; readonly factor: number } | null;
  /**
   * Takes coefficient x sum (log pi - log reference) over the sampled tokens from a rollout's reward: k1, whose mean is
   * KL(pi || reference) (Ziegler et al. 2019, 1909.08593).
   */
  readonly rewardKl?: { readonly coefficient: number } | null;
  /**
   * Moves the coefficients of `kl` and `rewardKl`, which then are those of the first update, so that the KL to the
   * reference stays near the target: after every update both are multiplied by 1 + clip(KL / target - 1, +-0.2) rollouts
   * / horizon, KL the mean of k3 over the update's sampled tokens (`metrics.referenceKl`). `metrics.klCoefficient` says
   * what an update used.
   */
  readonly adaptiveKl?: AdaptiveKl | null;
  /** Weights for what was sampled under another distribution than pi_old; see `rollout-correction.ts`. */
  readonly correction?: RolloutCorrection | null;
  /** log pi_old: as recorded when sampling (default), or scored again by the training kernels before the first step. */
  readonly oldPolicy?: "sampled" | "scored";
}

/** Filtered cloning, the honest baseline: as many rollouts, but imitates those that succeeded and nothing else. */
export interface FilteredCloningConfig extends RolloutPlan {
  readonly kind: "filtered-cloning";
  /**
   * Whose rollouts: "current" (default), the policy's own as it learns (RAFT, 2304.06767; expert iteration), which is policy
   * gradient with the success as its reward and no baseline; "start", those of the run's start to the end (one round of
   * rejection sampling), which is imitation of a filtered data set.
   */
  readonly sampledFrom?: "current" | "start";
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

/** What only some of the family use. */
type Extras = Pick<
  GrpoConfig,
  "ratio" | "generationBatches" | "overlong" | "rewardKl" | "adaptiveKl" | "correction" | "oldPolicy"
>;

export type GrpoOptions = Partial<RolloutPlan> &
  Partial<Omit<TokenLossConfig, "kind" | "labelSmoothing">> &
  Extras & {
    /** Default "policy": the clipped ratio. "cispo" and "sapo" as in `TokenLossConfig`; "likelihood" is REINFORCE. */
    readonly surrogate?: TokenLossConfig["kind"];
    /** Default "mean": reward minus the group's mean (Dr.GRPO). */
    readonly advantage?: GroupAdvantage | GroupAdvantage["name"];
    /** Default "token-mean" (DAPO). */
    readonly aggregation?: Aggregation;
  };

/**
 * Group-relative policy optimization (GRPO, 2402.03300). Each of `groups` tasks is tried G = groupSize times, for rewards r;
 * token t of try i was drawn from pi_old, and the update minimizes the sum over the batch's tokens of
 *
 *     w [ max(-A rho, -A clip(rho, 1 - clipLow, 1 + clipHigh)) + kl.coefficient KL(pi || reference) - entropyCoefficient H ]
 *     A = r_i - mean(r),  rho = pi(t) / pi_old(t),  w = 1 / tokens of the batch
 *
 * where a rollout of several calls has one A, computed over whole rollouts (`group-advantages.ts`, `train/credit.ts`);
 * `advantage` changes A, `aggregation` w (`token-losses.ts`), `surrogate` and `ratio` the first term
 * (`kernels/token-objective.ts`, `train/sequence-ratio.ts`), `correction` multiplies it by what `rollout-correction.ts` says.
 * `train/policy-update.ts` is one update from rollouts to optimizer steps.
 *
 * Defaults suit models of 0.1 to 10 M parameters: A without division (Dr.GRPO, 2503.20783), mean over tokens and clip 0.2 /
 * 0.28 (DAPO, 2503.14476), no KL term, entropy bonus 0.02, AdamW 1e-3 (0.9, 0.99) at a constant rate, gradient norm 1, one
 * update a batch of 32 groups of 8. Throws "rl/invalid-config".
 */
export function grpo(options: GrpoOptions = {}): GrpoConfig {
  checkNames("grpo", options, grpoOptions);
  const { advantage = "mean", aggregation = "token-mean", ...rest } = options;
  const config: GrpoConfig = {
    kind: "grpo",
    ...pickPlan(rest),
    advantage: typeof advantage === "string" ? namedAdvantage(advantage) : advantage,
    aggregation,
    ...extrasOf(rest),
    loss: {
      kind: rest.surrogate ?? "policy",
      ...(rest.gate && { gate: rest.gate }),
      ...(rest.kl && { kl: rest.kl }),
      clipLow: rest.clipLow ?? 0.2,
      clipHigh: rest.clipHigh ?? 0.28,
      dualClip: rest.dualClip ?? null,
      entropyCoefficient: rest.entropyCoefficient ?? 0.02,
      ...pickOptions(defaultOptimizer, rest),
    },
  };
  checkLanguageAlgorithm(config);
  return config;
}

export type FilteredCloningOptions = Partial<RolloutPlan> &
  Partial<OptimizerOptions> &
  Pick<FilteredCloningConfig, "sampledFrom"> & { readonly aggregation?: Aggregation };

/**
 * Rejection sampling and cloning: minimizes -1/N sum log pi(token) over the N tokens of the rollouts whose reward reached
 * `successAt`, and learns nothing of the others.
 */
export function filteredCloning(options: FilteredCloningOptions = {}): FilteredCloningConfig {
  checkNames("filteredCloning", options, [...rolloutOptions, "sampledFrom"]);
  const config: FilteredCloningConfig = {
    kind: "filtered-cloning",
    ...pickPlan(options),
    aggregation: options.aggregation ?? "token-mean",
    loss: likelihood(options),
    ...(options.sampledFrom && { sampledFrom: options.sampledFrom }),
  };
  checkLanguageAlgorithm(config);
  return config;
}

const extraNames = [
  "ratio",
  "generationBatches",
  "overlong",
  "rewardKl",
  "adaptiveKl",
  "correction",
  "oldPolicy",
] as const satisfies readonly (keyof Extras)[];

const rolloutOptions: readonly string[] = [
  ...Object.keys(plan),
  ...["epochs", "minibatches", "finalLearningRate", "aggregation"],
  ...Object.keys(defaultOptimizer),
];
const grpoOptions: readonly string[] = [
  ...rolloutOptions,
  ...extraNames,
  ...["advantage", "surrogate", "gate", "kl", "clipLow", "clipHigh", "dualClip", "entropyCoefficient"],
];

/** Those of the extras that are given. */
const extrasOf = (options: Extras): Extras =>
  Object.fromEntries(extraNames.flatMap((name) => (options[name] == null ? [] : [[name, options[name]]])));

function namedAdvantage(name: GroupAdvantage["name"]): GroupAdvantage {
  return name === "standardized" || name === "batch-standardized" || name === "separately-standardized"
    ? { name, epsilon: 1e-4 }
    : { name };
}

const pickPlan = (options: Partial<RolloutPlan> & { readonly learningRate?: number }): RolloutPlan => ({
  ...pickOptions({ ...plan, responseLength: Math.max(plan.responseLength, options.maxTokens ?? 0) }, options),
  ...(options.epochs !== undefined && { epochs: options.epochs }),
  ...(options.minibatches !== undefined && { minibatches: options.minibatches }),
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

const wrong = (what: string, fix: string): FulguriteError =>
  new FulguriteError("rl/invalid-config", what, fix);

function checkKl({ rewardKl, adaptiveKl, groups, groupSize, loss: { kl } }: GrpoConfig): void {
  const coefficients = [kl, rewardKl].flatMap((term) => (term ? [term.coefficient] : []));
  if (!coefficients.every((coefficient) => coefficient >= 0 && Number.isFinite(coefficient))) {
    throw wrong(
      `A KL coefficient of ${coefficients.map(String).join(" or ")} cannot be used.`,
      'Pass kl: { coefficient: 0.1, estimator: "k3" } or rewardKl: { coefficient: 0.1 }, of 0 or above: it weighs a punishment.',
    );
  }
  if (!adaptiveKl) return;
  if (!coefficients.some((coefficient) => coefficient > 0)) {
    throw wrong(
      "adaptiveKl has no coefficient to move.",
      'Pass kl: { coefficient: 0.1, estimator: "k3" } or rewardKl: { coefficient: 0.1 } besides.',
    );
  }
  const { target, horizon } = adaptiveKl;
  const rollouts = groups * groupSize;
  if (!(target > 0 && horizon >= rollouts) || !Number.isFinite(target * horizon)) {
    throw wrong(
      `adaptiveKl cannot use a target of ${target} nats a token and a horizon of ${horizon} rollouts; an update makes ${rollouts}.`,
      "Pass a target above 0, such as 0.06, and a horizon of many updates, such as 10_000.",
    );
  }
}

/** Throws "rl/invalid-config" where an algorithm cannot be followed, whoever made it. */
export function checkLanguageAlgorithm(config: LanguageAlgorithm): void {
  const { epochs = 1, minibatches = 1 } = config;
  checkWhole({ ...config, epochs, minibatches }, { ...wholePlan, epochs: 1, minibatches: 1 });
  if (config.kind === "grpo" && config.groupSize < 2) {
    throw wrong("A group of one has no siblings to compare with.", "Pass groupSize: 8.");
  }
  if (config.kind === "grpo") {
    const { generationBatches = 1, overlong } = config;
    checkWhole(
      { generationBatches, ...(overlong && { buffer: overlong.buffer }) },
      { generationBatches: 1, ...(overlong && { buffer: 4 }) },
    );
    checkKl(config);
    if (config.loss.kl?.estimator === "k1") {
      throw wrong(
        "The gradient of k1 as a loss is 0 in expectation.",
        'Use "k2" or "k3+" for the gradient of KL(policy || reference), "k3" for that of KL(reference || policy).',
      );
    }
  }
  checkRolloutAlgorithm(config);
}

/** A value that goes from `start` (first update) towards `end` (reached after the last update); see `scheduleValue`. */
export interface UpdateSchedule {
  readonly start: number;
  readonly end: number;
  /** Default "linear". */
  readonly shape?: "linear" | "cosine";
  /** Updates in which it rises to `start` first; default 0. */
  readonly warmup?: number;
}

/** How rewards of sibling episodes become one advantage for all steps of an episode; see `episode-grpo.ts`. */
export interface EpisodeGroups {
  /** Episodes that share a start state, G. */
  readonly size: number;
  readonly advantage: "standardized" | "mean" | "leave-one-out";
  /** What a step's term is divided by: its episode's length, all steps of the batch, or the longest possible. */
  readonly aggregation: "episode-mean" | "step-mean" | "constant-length";
}

/** A bound on the mean cost of an episode; see `ppo-lagrangian.ts`. */
export interface CostLimit {
  /** Largest mean of the episodes' summed costs, d. */
  readonly limit: number;
  /** Multiplier before the first update. */
  readonly initial: number;
  /** Step of dual ascent, or the gains of a PID controller. */
  readonly control:
    | { readonly kind: "ascent"; readonly rate: number }
    | {
        readonly kind: "pid";
        readonly proportional: number;
        readonly integral: number;
        readonly derivative: number;
      };
}

/**
 * What the engines run: collect N x T transitions, estimate advantages, and go over them in minibatches. Every
 * algorithm over simulated environments is such a list of resolved numbers; the functions `ppo()`, `a2c()`, ...
 * fill it, say which equation it stands for, and validate it.
 */
export interface PolicyGradientConfig {
  readonly kind: "ppo" | "a2c" | "reinforce" | "ppo-lagrangian" | "episode-grpo" | "behaviour-cloning";
  /** Environments stepped in parallel, N. */
  readonly envs: number;
  /** Steps per environment and update, T; one update sees N x T transitions. */
  readonly steps: number;
  /** Transitions a minibatch; divides N x T. */
  readonly minibatchSize: number;
  /** Passes over the N x T transitions an update. */
  readonly epochs: number;
  /** Environment steps in all; the run has floor(totalSteps / (N x T)) updates. */
  readonly totalSteps: number;
  /**
   * "continued": episodes go on from update to update. "whole": every environment plays one episode an update, of at
   * most T steps, and what follows its end counts for nothing.
   */
  readonly episodes: "continued" | "whole";
  /** Step size of the optimizer, alpha. */
  readonly learningRate: UpdateSchedule;
  /** Discount, gamma. */
  readonly gamma: number;
  /** GAE's lambda (Schulman et al. 2015, arXiv 1506.02438). */
  readonly lambda: number;
  /** "clip": PPO's max(-A r, -A clip(r)). "score": -A log pi. */
  readonly surrogate: "clip" | "score";
  /** Clip range epsilon of the probability ratio. */
  readonly clip: UpdateSchedule;
  /** Clip range above 1 where it is another; null: the same. */
  readonly clipHigh: number | null;
  /** Bounds the loss of negative advantages by -c A; null: does not. */
  readonly dualClip: number | null;
  /**
   * Ends an update's epochs where the k3 estimate of KL(old || new) of a minibatch is above `limit`: "epoch" looks at
   * the last minibatch of each epoch (CleanRL), "step" at every one before its step (Stable-Baselines3, whose limit is
   * 1.5 x target_kl). Null: never.
   */
  readonly klStop: { readonly limit: number; readonly when: "epoch" | "step" } | null;
  /** Clip range of the value change, or null for a plain 0.5 x mean squared error. */
  readonly valueClip: number | null;
  readonly entropyCoefficient: number;
  readonly valueCoefficient: number;
  /** Global gradient-norm limit. */
  readonly maxGradientNorm: number;
  /** Per-minibatch (A - mean) / (unbiased std + 1e-8). */
  readonly normalizeAdvantages: boolean;
  /** (x - mean) / sqrt(variance + 1e-8) with running statistics, renewed once an update, kept within +-10. */
  readonly normalizeObservations: boolean;
  /** Rewards over the running deviation of the discounted return, kept within +-10; reported returns are the real ones. */
  readonly normalizeRewards: boolean;
  /** "rmsprop" is PyTorch's; "rmsprop-tensorflow" has epsilon inside the root and starts at 1. */
  readonly optimizer: "adamw" | "rmsprop" | "rmsprop-tensorflow";
  /** The optimizer's epsilon. */
  readonly adamEpsilon: number;
  /** RMSprop's smoothing, alpha. */
  readonly rmspropDecay: number;
  readonly weightDecay: number;
  /** Adds gamma x V(terminal observation) to the reward where the time limit, not the task, ended an episode. */
  readonly truncationBootstrap: boolean;
  /** Null: advantages over time (GAE). */
  readonly groups: EpisodeGroups | null;
  /**
   * Null: the policy acts for itself. Else the rows are these, [N x T x observation] and [N x T] (of several continuous
   * dimensions [N x T x dimensions]), all with advantage 1.
   */
  readonly demonstrations: {
    readonly observations: readonly number[];
    readonly actions: readonly number[];
  } | null;
  /** Null: no cost is looked at. */
  readonly costLimit: CostLimit | null;
  /** Hidden layer widths, tanh. */
  readonly hidden: readonly number[];
  /** True: actor and critic are separate towers. False: one trunk, two heads. */
  readonly separateTowers: boolean;
}

export type AlgorithmConfig = PolicyGradientConfig;

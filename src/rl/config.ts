/** A value that changes linearly from `start` (first update) towards `end` (reached after the last update). */
export interface LinearSchedule {
  readonly start: number;
  readonly end: number;
}

/**
 * Everything PPO needs (Schulman et al. 2017, arXiv 1707.06347). All fields are resolved numbers: `ppo()`
 * fills defaults and validates. Symbols as in `docs/how-it-works.md`.
 */
export interface PpoConfig {
  readonly kind: "ppo";
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
  readonly learningRate: LinearSchedule;
  /** Discount, gamma. */
  readonly gamma: number;
  /** GAE's lambda (Schulman et al. 2015, arXiv 1506.02438). */
  readonly lambda: number;
  /** Clip range epsilon of the probability ratio. */
  readonly clip: LinearSchedule;
  /** Clip range of the value change, or null for a plain 0.5 x mean squared error. */
  readonly valueClip: number | null;
  readonly entropyCoefficient: number;
  readonly valueCoefficient: number;
  /** Global gradient-norm limit. */
  readonly maxGradientNorm: number;
  /** Per-minibatch (A - mean) / (unbiased std + 1e-8). */
  readonly normalizeAdvantages: boolean;
  readonly adamEpsilon: number;
  readonly weightDecay: number;
  /** Adds gamma x V(terminal observation) to the reward where the time limit, not the task, ended an episode. */
  readonly truncationBootstrap: boolean;
  /** Hidden layer widths, tanh. */
  readonly hidden: readonly number[];
  /** True: actor and critic are separate towers. False: one trunk, two heads. */
  readonly separateTowers: boolean;
}

export type AlgorithmConfig = PpoConfig;

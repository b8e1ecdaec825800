import type { CompiledLoss } from "../compile/compile-loss.ts";
import type { CompiledReward } from "../compile/compiled-reward.ts";
import type { Environment } from "../env/environment.ts";
import type { AlgorithmConfig } from "./config.ts";

/** What one update did. Means are over the update's minibatches; NaN where nothing was measured. */
export interface UpdateMetrics {
  /** 1 for the first update. */
  readonly update: number;
  /** Environment steps taken so far, this update included. */
  readonly step: number;
  readonly policyLoss: number;
  readonly valueLoss: number;
  readonly entropy: number;
  /** k3 estimate of KL(old || new): mean((ratio - 1) - log ratio). */
  readonly approximateKl: number;
  readonly clipFraction: number;
  readonly explainedVariance: number;
  /** Global norm before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
  /** Episodes that ended in this update. */
  readonly episodes: number;
  /** Mean undiscounted sum of the trained reward over those episodes. */
  readonly episodeReturn: number;
  /** Mean undiscounted sum of the environment's own reward over those episodes. */
  readonly environmentReturn: number;
  readonly episodeLength: number;
  /** Mean trained reward a step. */
  readonly rewardMean: number;
  /** Optimizer steps of this update: fewer than planned where `klStop` ended it. */
  readonly optimizerSteps: number;
  /** Mean undiscounted sum of the cost over those episodes; NaN without a cost. */
  readonly episodeCost: number;
  /** Lagrangian multiplier that this update was made with; NaN without a cost. */
  readonly multiplier: number;
}

/** All that is needed to go on bit for bit: plain typed arrays, structured-cloneable. */
export interface TrainingState {
  readonly version: 1;
  /** Updates done. */
  readonly update: number;
  /** Flat parameter arena in the order of `ParameterLayout`. */
  readonly parameters: Float32Array;
  readonly firstMoment: Float32Array;
  readonly secondMoment: Float32Array;
  /** AdamW steps done (bias correction). */
  readonly optimizerStep: number;
  /** [envs x stateSize], row-major. */
  readonly environmentState: Float32Array;
  /** Per environment: trained return, environment return and length of the episode in progress. */
  readonly episodeReturn: Float32Array;
  readonly environmentReturn: Float32Array;
  readonly episodeLength: Uint32Array;
  /** Running statistics, `RunningNormalization.state`; only where the run normalises. */
  readonly normalization?: Float32Array;
  /** Per environment the cost of the episode in progress, and the multiplier's state; only with a cost. */
  readonly episodeCost?: Float32Array;
  readonly multiplier?: Float32Array;
  /** What host environments have inside, where they save it: JSON, a list of texts, one an environment. */
  readonly hosts?: string;
}

export interface EngineRequest {
  readonly environment: Environment;
  /** Null trains on the environment's own reward. */
  readonly reward: CompiledReward | null;
  /** What `costLimit` bounds, a step function like a reward; null or none: no cost is looked at. */
  readonly cost?: CompiledReward | null;
  /**
   * A row's loss in place of surrogate, entropy bonus and value loss; null or none: the algorithm's own. With it
   * `policyLoss` is the mean of this loss (of separate towers at the values from collection), `valueLoss` still half
   * the squared error.
   */
  readonly loss?: CompiledLoss | null;
  readonly algorithm: AlgorithmConfig;
  /** Unsigned 32-bit. */
  readonly seed: number;
}

/**
 * One training job on one device. The caller drives it: `submit()` runs exactly one update; metrics
 * arrive in order, possibly late. Same request, adapter and engine: the same bits.
 */
export interface TrainingEngine {
  readonly engine: "webgpu" | "cpu";
  /** For example "swiftshader (google)" or "WebAssembly SIMD". */
  readonly adapter: string;
  /** Of the kernels, where there are several to choose from; the bits depend on it. */
  readonly variant?: string;
  /** Updates submitted so far. */
  readonly update: number;
  /** Runs one update; resolves when the next may be submitted (at most two in flight). */
  submit(): Promise<void>;
  /** Waits for all submitted work; every metric has been delivered when it resolves. */
  flush(): Promise<void>;
  /** Called once per update, in order. */
  onMetrics: ((metrics: UpdateMetrics) => void) | null;
  /** State after the updates submitted so far; does not stall further submits more than a copy. */
  save(): Promise<TrainingState>;
  /** Replaces the state; throws where sizes disagree. */
  load(state: TrainingState): void;
  /** Resolves with the reason if the device is lost; never for the CPU engine. */
  readonly lost: Promise<string>;
  dispose(): void;
}

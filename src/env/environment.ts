import type { HostStepper } from "./host-environment.ts";
import type { Action, ActionSpace } from "../kernels/action-space.ts";

export {
  actionSize,
  actionSpace,
  MAX_DIMENSIONS,
  type Action,
  type ActionSpace,
  type GivenAction,
} from "../kernels/action-space.ts";

/**
 * A vectorisable environment: the same dynamics twice, as WGSL for the GPU and as an f32 bit twin in
 * TypeScript for the CPU engine, evaluation and tests. Follows Gymnasium's five-tuple.
 */
export interface Environment {
  /** Gymnasium's name, for example "CartPole-v1". */
  readonly name: string;
  /** What `environmentByName` finds it by in another realm; default its name. */
  readonly reference?: string;
  /** Names of the state's f32 fields in order; a reward reads them as `s.x`, `next.theta`. */
  readonly stateFields: readonly string[];
  /** Length of an observation vector. */
  readonly observationSize: number;
  /** Number of discrete actions: of a factored space the product of its counts, of a continuous one 0. */
  readonly actionCount: number;
  /** Default: discrete, `actionCount` actions. */
  readonly actions?: ActionSpace;
  /** States shown a second; default 50. */
  readonly frameRate?: number;
  /** Time limit in steps; reaching it truncates and does not terminate. */
  readonly maxEpisodeSteps: number;
  /** Mean return over 100 episodes at which the task counts as solved; NaN where nobody has said. */
  readonly rewardThreshold: number;
  /**
   * WGSL defining, with S = stateFields.length and O = observationSize:
   * `fn env_reset(random: vec4u) -> array<f32, S>`,
   * `fn env_step(state: ptr<function, array<f32, S>>, action: u32) -> EnvStep`
   *   (`struct EnvStep { reward: f32, terminated: u32 }` is declared by the rollout kernel),
   *   (of a continuous space `action: f32`, of one of D dimensions `array<f32, D>`),
   * `fn env_observe(state: ptr<function, array<f32, S>>) -> array<f32, O>`,
   * and where there is a `mask` `fn env_mask(state: ptr<function, array<f32, S>>) -> u32`.
   */
  readonly wgsl: string;
  /**
   * Steps it in another realm, in batches; `reset`, `step` and `mask` are then to be had through `hostedEnvironment` only.
   * Its state is its observation.
   */
  readonly host?: HostStepper;
  /** The parts that its own reward is the sum of. */
  readonly rewardComponents?: RewardComponents;
  /** Writes a start state at `state[offset ...]` from four random words. */
  reset(state: Float32Array, offset: number, random: Readonly<Uint32Array>): void;
  /**
   * The allowed actions of a state: bit a for action a, at most 32 of them; of a factored space the choices' bits one
   * after the other. At least one of each choice must be allowed. Without it everything is.
   */
  mask?(state: Float32Array, offset: number): number;
  /** Advances in place; writes the environment's own reward to `out[0]` and terminated (0/1) to `out[1]`. */
  step(state: Float32Array, offset: number, action: Action, out: Float32Array): void;
  /** Writes the observation of `state[offset ...]` at `observation[at ...]`. */
  observe(state: Float32Array, offset: number, observation: Float32Array, at: number): void;
  /** A picture of one state as plain data; whoever shows it decides on pixels and colours. */
  scene(state: ArrayLike<number>, offset: number): Scene;
}

/** The parts of a reward. */
export interface RewardComponents {
  readonly names: readonly string[];
  /** Writes each part of the reward of one step, in the order of `names`. */
  evaluate(
    s: Float32Array,
    sAt: number,
    action: Action,
    next: Float32Array,
    nextAt: number,
    out: Float32Array,
  ): void;
}

/** World-coordinate shapes, y upwards. */
export interface Scene {
  /** Visible world rectangle: [left, bottom, right, top]. */
  readonly view: readonly [number, number, number, number];
  readonly shapes: readonly Shape[];
}

/** `role` picks the colour: "ground" hairline, "body" text colour, "accent" the agent's moving part, "good" and "bad" what to reach and to avoid. */
export type Shape =
  | {
      readonly kind: "line";
      readonly from: Point;
      readonly to: Point;
      readonly width: number;
      readonly role: Role;
    }
  | { readonly kind: "rect"; readonly center: Point; readonly size: Point; readonly role: Role }
  | { readonly kind: "circle"; readonly center: Point; readonly radius: number; readonly role: Role };
export type Point = readonly [number, number];
export type Role = "ground" | "body" | "accent" | "muted" | "good" | "bad";

import type { Action } from "../kernels/action-space.ts";

/** A step reward, compiled once, in the two forms an engine can run. */
export interface CompiledReward {
  /** The source it came from, for the record. */
  readonly source: string;
  /**
   * Self-contained WGSL defining `fn step_reward(s: array<f32, S>, a: f32, next: array<f32, S>) -> f32`;
   * helper functions are prefixed `reward_`. In a space of D continuous dimensions `a: array<f32, D>`.
   */
  readonly wgsl: string;
  /** The same arithmetic in f32 on the CPU. */
  evaluate(s: Float32Array, sAt: number, a: Action, next: Float32Array, nextAt: number): number;
}

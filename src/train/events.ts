import type { ErrorData } from "../gpu/error.ts";
import type { RunProgress, TrainResult } from "./job.ts";

/** Column-wise curve of one run, one entry per update (or evaluation); NaN where nothing was measured. */
export interface Curve {
  readonly runId: string;
  /** Environment steps done. */
  readonly step: Float64Array;
  /** By metric name: environmentReturn, episodeReturn, entropy, approximateKl, ... */
  readonly columns: Readonly<Record<string, Float64Array>>;
  /** Greedy evaluation episodes on held-out start states: step, mean environment return, lowest, highest. */
  readonly evaluations: {
    readonly step: Float64Array;
    readonly mean: Float64Array;
    readonly low: Float64Array;
    readonly high: Float64Array;
  };
}

/** One greedy episode of the current policy, for the canvas. */
export interface EpisodeReplay {
  readonly runId: string;
  readonly environment: string;
  readonly update: number;
  readonly step: number;
  /** [length x stateSize] */
  readonly states: Float32Array;
  /** As the environment takes them. */
  readonly actions: Float32Array | Uint8Array;
  readonly rewards: Float32Array;
  readonly environmentReturn: number;
  readonly terminated: boolean;
}

export type RunEvent =
  | { readonly kind: "progress"; readonly progress: RunProgress }
  /** New curve points since the last event; the first one after `watch` is the whole curve. */
  | { readonly kind: "curve"; readonly curve: Curve; readonly replace: boolean }
  | { readonly kind: "episode"; readonly episode: EpisodeReplay }
  | { readonly kind: "finished"; readonly result: TrainResult }
  | { readonly kind: "failed"; readonly error: ErrorData };

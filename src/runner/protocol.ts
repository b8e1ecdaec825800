import type { EmittedSpan } from "../trace/emitted-span.ts";

/** What goes over the ports between trainer, page, frames and workers. All of it is plain, cloneable data. */

/** Trainer to page: which frames there should be. */
export type FrameDemand =
  { readonly kind: "open"; readonly frame: number } | { readonly kind: "close"; readonly frame: number };

/** Page to trainer; "opened" brings the frame's port. */
export type FrameSupply =
  | { readonly kind: "opened"; readonly frame: number }
  | { readonly kind: "failed"; readonly frame: number; readonly message: string };

/** Trainer to frame. */
export type ToFrame =
  /** A script that workers will be made of; sent once. */
  | { readonly kind: "script"; readonly script: number; readonly text: string }
  | { readonly kind: "spawn"; readonly worker: number; readonly script: number; readonly start: WorkerStart }
  | { readonly kind: "terminate"; readonly worker: number }
  /** For the worker. `allow` begins a new count of what it may send before it is ended as flooding. */
  | {
      readonly kind: "post";
      readonly worker: number;
      readonly message: ToWorker;
      readonly allow: Allowance | null;
    }
  | { readonly kind: "ping"; readonly ping: number };

/** What a worker may send from one run's begin to its end. */
export interface Allowance {
  readonly messages: number;
  readonly bytes: number;
}

/** Frame to trainer. `message` is whatever the worker sent: see `parseWorkerMessage`. */
export type FromFrame =
  | { readonly kind: "pong"; readonly ping: number; readonly workers: number }
  | { readonly kind: "from"; readonly worker: number; readonly message: unknown }
  /** The worker is gone; nothing more comes from it. */
  | {
      readonly kind: "dead";
      readonly worker: number;
      readonly reason: "flooded" | "failed";
      readonly message: string;
      readonly line: number;
    };

/** First message to a worker, with its port. */
export interface WorkerStart {
  /** Values that the code captured, in the order of the script's parameter names. */
  readonly values: readonly unknown[];
  /** `process.env` in the worker. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Who an agent runs as; it sees this. */
export interface RunIdentity {
  readonly rolloutId: string;
  readonly attemptId: string;
  readonly sample: number;
  readonly mode: "train" | "evaluation";
}

export interface RewardItem {
  readonly task: unknown;
  readonly result: unknown;
  readonly transcript: unknown;
}

/** Trainer to worker. `run` counts the worker's runs; what an earlier run still sends is dropped. */
export type ToWorker =
  | {
      readonly kind: "run";
      readonly run: number;
      readonly task: unknown;
      readonly identity: RunIdentity;
      /** Seed of `Math.random`; null leaves it as it is. */
      readonly randomSeed: number | null;
      readonly allowance: Allowance;
    }
  /** `body` null: chunks follow, up to "end" or "broken". */
  | {
      readonly kind: "response";
      readonly fetch: number;
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: string | null;
    }
  | { readonly kind: "chunk"; readonly fetch: number; readonly text: string }
  | { readonly kind: "end"; readonly fetch: number }
  /** No answer, or no more of it: the fetch or its stream fails with this. */
  | { readonly kind: "broken"; readonly fetch: number; readonly message: string }
  | { readonly kind: "score"; readonly run: number; readonly items: readonly RewardItem[] };

/** What was thrown in a worker; `line` counts in the worker's script, 0 where unknown. */
export interface ThrownData {
  readonly name: string;
  readonly message: string;
  readonly line: number;
}

/** One number, or one for each part of the result (credit by part). */
export type Score = number | readonly number[];

/** Worker to trainer. */
export type FromWorker =
  | { readonly kind: "ready" }
  | { readonly kind: "unprepared"; readonly error: ThrownData }
  | {
      readonly kind: "fetch";
      readonly run: number;
      readonly fetch: number;
      readonly method: string;
      readonly url: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: string | null;
      /** Number of the operation that it is made in; 0 for none. */
      readonly operation: number;
    }
  | { readonly kind: "abort"; readonly run: number; readonly fetch: number }
  /** `time` here and below: when it happened, in milliseconds since the epoch by the worker's clock. */
  | {
      readonly kind: "emit";
      readonly run: number;
      readonly name: string;
      readonly value: unknown;
      readonly time: number;
    }
  /** What the other emitters send. */
  | { readonly kind: "span"; readonly run: number; readonly span: EmittedSpan; readonly time: number }
  | {
      readonly kind: "log";
      readonly run: number;
      readonly level: string;
      readonly text: string;
      readonly time: number;
    }
  /** The runtime itself stopped the agent from sending more than its allowance. */
  | { readonly kind: "flooded"; readonly run: number; readonly message: string }
  /** `clean`: nothing of the run is left behind, so that the worker can take another. */
  | { readonly kind: "result"; readonly run: number; readonly value: unknown; readonly clean: boolean }
  | { readonly kind: "threw"; readonly run: number; readonly error: ThrownData; readonly clean: boolean }
  | { readonly kind: "unclonable"; readonly run: number; readonly message: string; readonly clean: boolean }
  | {
      readonly kind: "scored";
      readonly run: number;
      readonly index: number;
      readonly components: Readonly<Record<string, Score>>;
      readonly weights: Readonly<Record<string, number>>;
    }
  | { readonly kind: "unscored"; readonly run: number; readonly index: number; readonly error: ThrownData };

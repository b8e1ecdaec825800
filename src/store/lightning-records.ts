import type { TokenColumns } from "./records.ts";

export type { TokenColumns };

/** See `rolloutEvents` in state-machines.ts. "timeout" only ends rollouts that a training run made by itself. */
export type RolloutStatus =
  "queuing" | "preparing" | "running" | "requeuing" | "succeeded" | "failed" | "timeout" | "cancelled";

/** "evaluation" is what Agent Lightning calls "val"; null where nobody said. */
export type RolloutMode = "train" | "evaluation" | "test" | null;

/** See `attemptEvents` in state-machines.ts. "cancelled" only ends attempts of training runs. */
export type AttemptStatus =
  "preparing" | "running" | "succeeded" | "failed" | "timeout" | "unresponsive" | "cancelled";

export type WorkerStatus = "idle" | "busy" | "unknown";

/** How long an attempt may take, and when another is made. Times in milliseconds. */
export interface RolloutConfig {
  /** From the attempt's start; null: as long as it likes. Default null. */
  readonly timeout: number | null;
  /** From its last sign of life (a span, a heartbeat), else from its start; null: never. Default null. */
  readonly unresponsive: number | null;
  /** From 1; default 1. */
  readonly maxAttempts: number;
  /** Ends of an attempt after which another is made, while there are fewer than `maxAttempts`. Default none. */
  readonly retryOn: readonly AttemptStatus[];
}

/** One try at a rollout. Times are milliseconds since the epoch. */
export interface Attempt {
  /** Unique within its rollout. */
  readonly id: string;
  /** From 1. */
  readonly sequence: number;
  readonly status: AttemptStatus;
  readonly startTime: number;
  /** Null while it goes on, and for one that was given up on (timeout, unresponsive): nobody saw its end. */
  readonly endTime: number | null;
  readonly workerId: string | null;
  readonly lastHeartbeat: number | null;
  readonly metadata: Readonly<Record<string, unknown>> | null;
  /** One more with every change; 1 where it is left out. */
  readonly version?: number;
}

/** What a rollout is asked for with. */
export interface RolloutRequest {
  readonly task: unknown;
  /** The caller's id: asking again with the same id gives the rollout there is, unchanged. Default "ro-" and 12 digits. */
  readonly id?: string;
  /** Run it belongs to; default the run of rollouts from outside, `outsideRunId`. */
  readonly runId?: string;
  /** Default null. */
  readonly mode?: RolloutMode;
  /** Default the latest resources at this moment. */
  readonly resourcesId?: string | null;
  readonly config?: Partial<RolloutConfig>;
  readonly metadata?: Readonly<Record<string, unknown>> | null;
}

/** Fields that change; those that are not there stay. */
export interface RolloutChange {
  readonly task?: unknown;
  readonly mode?: RolloutMode;
  readonly resourcesId?: string | null;
  /** A finished one only goes back to the queue ("queuing", "requeuing"). */
  readonly status?: RolloutStatus;
  readonly config?: Partial<RolloutConfig>;
  readonly metadata?: Readonly<Record<string, unknown>> | null;
  /** What the agent returned, and its reward. */
  readonly result?: unknown;
  readonly reward?: number | null;
  readonly components?: Readonly<Record<string, number>>;
}

export interface AttemptChange {
  readonly status?: AttemptStatus;
  readonly workerId?: string;
  readonly lastHeartbeat?: number;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** Whoever takes rollouts from the queue. Times are milliseconds since the epoch. */
export interface Worker {
  readonly id: string;
  readonly status: WorkerStatus;
  /** What it last said of itself: load, memory. */
  readonly heartbeatStats: Readonly<Record<string, unknown>> | null;
  readonly lastHeartbeat: number | null;
  /** When it last asked for work, whether or not there was any. */
  readonly lastDequeue: number | null;
  readonly lastBusy: number | null;
  readonly lastIdle: number | null;
  readonly rolloutId: string | null;
  readonly attemptId: string | null;
  /** From 1, one more with every change. */
  readonly version: number;
}

/** One named thing that rollouts are run with. */
export type Resource =
  | {
      readonly type: "prompt_template";
      readonly template: string;
      readonly engine: "jinja" | "f-string" | "poml";
    }
  | {
      readonly type: "llm" | "proxy_llm";
      readonly endpoint: string;
      readonly model: string;
      readonly apiKey: string | null;
      readonly samplingParameters: Readonly<Record<string, unknown>>;
    }
  | {
      /** Weights of a policy after an update; `parameters` where this version keeps them itself. */
      readonly type: "weights";
      readonly runId: string;
      readonly update: number;
      readonly step: number;
      readonly parameters?: Float32Array;
    }
  | { readonly type: "hyperparameters"; readonly values: unknown }
  | {
      readonly type: "code";
      readonly role: "agent" | "reward" | "environment" | "tasks";
      readonly source: string;
      /** Values that it captured. */
      readonly constants: unknown;
    };

/** One version of a set of named resources; earlier versions stay. */
export interface Resources {
  readonly id: string;
  /** From 1. */
  readonly version: number;
  /** Of the first version; milliseconds since the epoch. */
  readonly createTime: number;
  /** Of this one. */
  readonly updateTime: number;
  /** The training run that keeps it as its own record; null where somebody put it there for rollouts to use. */
  readonly runId: string | null;
  readonly resources: Readonly<Record<string, Resource>>;
}

/** Kept with every change, so that asking for them reads one row a run. */
export interface RolloutStatistics {
  readonly spans: number;
  readonly rollouts: number;
  readonly attempts: number;
  readonly calls: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Rollouts by status; a status without any may be missing. */
  readonly statuses: Readonly<Partial<Record<RolloutStatus, number>>>;
  /** Rewards by mode ("none" for null): how many, and their sum. */
  readonly rewards: Readonly<Partial<Record<Exclude<RolloutMode, null> | "none", RewardSum>>>;
}

export interface RewardSum {
  readonly count: number;
  readonly sum: number;
}

/** A finished rollout in the feed. */
export interface FinishedRollout {
  readonly rolloutId: string;
  readonly runId: string;
  readonly status: RolloutStatus;
  readonly mode: RolloutMode;
}

import type { ErrorData } from "../gpu/error.ts";
import type { TrainingState } from "../rl/engine.ts";
import type { SpanColumns } from "./span-columns.ts";

export type AttributeValue = string | number | boolean | null;

/** One operation of a run, on the OpenTelemetry model. Times are milliseconds since the epoch. */
export interface Span {
  /** Unique; writing a span whose id the store has already is ignored. */
  readonly spanId: string;
  readonly traceId: string;
  readonly parentId: string | null;
  readonly runId: string;
  readonly rolloutId: string | null;
  readonly attemptId: string | null;
  /** Increases within a run (simulated: a function of the update) or by one within a rollout (agentic). */
  readonly sequence: number;
  /** For example "fulgurite.update", "fulgurite.evaluation", "agentlightning.reward". */
  readonly name: string;
  readonly status: "unset" | "ok" | "error";
  readonly startTime: number;
  readonly endTime: number;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

/** queued -> running <-> paused -> succeeded | failed | cancelled. A running run without an owner is paused. */
export type RunStatus = "queued" | "running" | "paused" | "succeeded" | "failed" | "cancelled";

/** One training run: what it was started with (never changed) and how far it is. */
export interface Run {
  /** Sortable by creation: base-32 time then randomness. */
  readonly id: string;
  readonly kind: "simulated" | "agentic";
  readonly name: string;
  /** Notebook and cell that started it; null from the library. */
  readonly notebook: string | null;
  readonly cell: string | null;
  /** JSON-cloneable job as it was started: environment, reward source and constants, algorithm, seed. */
  readonly job: unknown;
  readonly seed: number;
  /** "webgpu" or "cpu", and the adapter, once known; pinned on resume. */
  readonly engine: string | null;
  readonly adapter: string | null;
  readonly status: RunStatus;
  /** Why it failed or paused, for people; null otherwise. */
  readonly reason: string | null;
  /** Updates and environment steps done, and in all. */
  readonly update: number;
  readonly updates: number;
  readonly step: number;
  readonly steps: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Milliseconds spent training, pauses left out. */
  readonly activeTime: number;
  /** Last known figures, for lists: flat numbers under the names the page uses. */
  readonly metrics: Readonly<Record<string, number>>;
}

export interface Checkpoint {
  readonly runId: string;
  readonly update: number;
  readonly step: number;
  readonly createdAt: number;
  readonly state: TrainingState;
}

/** Written together or not at all. */
export interface Commit {
  /** Replaces the row of the same id. */
  readonly run?: Run;
  readonly spans?: readonly Span[];
  /** Replaces the run's older checkpoint. */
  readonly checkpoint?: Checkpoint;
}

export interface SpanQuery {
  readonly runId: string;
  readonly name?: string;
  /** Only spans with a greater sequence. */
  readonly afterSequence?: number;
}

export interface RunQuery {
  readonly notebook?: string;
  readonly cell?: string;
}

/** What the store uses of the disk. */
export interface StoreUsage {
  readonly bytes: number;
  /** What the browser allows this site; null where it does not say. */
  readonly quota: number | null;
  /** True where the browser has promised not to evict it. */
  readonly persisted: boolean;
  /** Largest first; bytes are estimates for what is not sealed yet. */
  readonly runs: readonly { readonly runId: string; readonly name: string; readonly bytes: number }[];
}

/** Something that went wrong without stopping anybody: a segment set aside, a tail that could not be sealed. */
export interface StoreProblem extends ErrorData {
  readonly runId: string;
  /** Number of the segment within its run; null where it is not about one. */
  readonly segment: number | null;
}

/** The Lightning store; see docs/how-it-works.md. Every method rejects with a `FulguriteError` (code "store/...") */
export interface LightningStore {
  /**
   * Resolves when durable. Acknowledged means: present after a killed process, once, in order. The first commit
   * of a run carries its row. What is passed must not change until it resolves.
   */
  commit(commit: Commit): Promise<void>;
  run(id: string): Promise<Run | undefined>;
  /** Newest first. */
  runs(query?: RunQuery): Promise<Run[]>;
  /** In sequence order, sealed segments and tail alike. A damaged segment is left out, see `problems`. */
  spans(query: SpanQuery): Promise<Span[]>;
  /**
   * The same as columns, for curves: batches that may hold the wanted spans, in the order of writing, whole
   * (other rows too).
   */
  columns(query: SpanQuery): Promise<SpanColumns[]>;
  checkpoint(runId: string): Promise<Checkpoint | undefined>;
  /** Moves the run's tail into an Arrow segment. */
  seal(runId: string): Promise<void>;
  /** Removes the run, its spans and checkpoints; later commits to it are refused ("store/run-deleted"). */
  deleteRun(id: string): Promise<void>;
  /** Small values of the page itself (drafts, settings), by key. */
  setting(key: string): Promise<unknown>;
  setSetting(key: string, value: unknown): Promise<void>;
  usage(): Promise<StoreUsage>;
  problems(): Promise<StoreProblem[]>;
  close(): void;
}

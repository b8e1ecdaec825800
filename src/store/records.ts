import type { ErrorData } from "../gpu/error.ts";
import type { LanguageState } from "../lm/language-engine.ts";
import type { TrainingState } from "../rl/engine.ts";
import type { StoreChange } from "./access.ts";
import type { FindAttempts, FindRollouts, FindSpans, FoundAttempt } from "./find.ts";
import type {
  Attempt,
  RolloutConfig,
  RolloutMode,
  RolloutStatistics,
  RolloutStatus,
} from "./lightning-records.ts";
import type { Page, PageQuery } from "./query.ts";
import type { ResourceShelf } from "./resources.ts";
import type { RolloutQueue } from "./rollout-queue.ts";
import type { Workers } from "./workers.ts";
import type { ScannedBatch } from "./read.ts";
import type { SpanColumns } from "./span-columns.ts";
import type { Removed, Retention } from "./retention.ts";
import type { OpenedWorkspace } from "./workspace-open.ts";

export type AttributeValue = string | number | boolean | null;

/** One operation of a run, on the OpenTelemetry model. Times are milliseconds since the epoch. */
export interface Span {
  /**
   * Unique within its attempt (without one, within its run); writing a span that the store has already is ignored. A
   * rollout that is made again, but not to the same bits, takes a new attempt id, or its first spans would stay
   * beside its new row.
   */
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
  /** What a model call sampled; absent for other spans. Kept apart from the hot columns. */
  readonly tokens?: TokenColumns;
}

/** Ids and log-probabilities of one model call: what is trained on, never re-tokenised text. */
export interface TokenColumns {
  readonly promptIds: Int32Array;
  readonly responseIds: Int32Array;
  /** Under the distribution that was sampled from (temperature, allowed ids). */
  readonly samplerLogProbabilities: Float32Array;
  /** Under the plain policy. */
  readonly logProbabilities: Float32Array;
}

/** One execution of the agent on one task; its calls and rewards are spans. */
export interface Rollout {
  /** Unique: `${runId}/${number}`, or what a caller chose. */
  readonly id: string;
  readonly runId: string;
  /** Within the run, from 0 in the order of creation. */
  readonly number: number;
  /** Update it was made for, from 1; 0 for an evaluation before the first. */
  readonly update: number;
  readonly mode: RolloutMode;
  /** Siblings share it: the number of the task group within the run. */
  readonly group: number;
  /** Number among the siblings, from 0. */
  readonly sample: number;
  readonly task: unknown;
  readonly status: RolloutStatus;
  /** Why it failed, a stable code; null where it succeeded. */
  readonly reason: string | null;
  readonly message: string | null;
  /** What the agent returned. */
  readonly result: unknown;
  /** Weighted sum of the components; null where there is none (failed, or the reward failed). */
  readonly reward: number | null;
  readonly components: Readonly<Record<string, number>>;
  /** Reward minus its group's baseline; null in evaluations and for excluded rollouts. */
  readonly advantage: number | null;
  /** How many there were. */
  readonly attempts: number;
  /**
   * Each of them. Left out where there was one and the rollout's own fields say the same, and by stores before version 3;
   * see `attemptsOf`.
   */
  readonly attemptList?: readonly Attempt[];
  readonly calls: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly policyVersion: number;
  readonly startTime: number;
  /** Null until it is finished. */
  readonly endTime: number | null;
  /** Default no time limits and one attempt. */
  readonly config?: RolloutConfig;
  readonly metadata?: Readonly<Record<string, unknown>> | null;
  /** The resources that it was, or is to be, run with. */
  readonly resourcesId?: string | null;
  /** One more with every change; 1 where it is left out. */
  readonly version?: number;
}

/** queued -> running <-> paused -> succeeded | failed | cancelled. A running run without an owner is paused. */
export type RunStatus = "queued" | "running" | "paused" | "succeeded" | "failed" | "cancelled";

/** One training run: what it was started with (never changed) and how far it is. */
export interface Run {
  /** Sortable by creation: base-32 time then randomness. */
  readonly id: string;
  /** "outside": rollouts that others asked for, with no training of ours behind them. */
  readonly kind: "simulated" | "agentic" | "supervised" | "outside";
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
  /** Variant of the GPU kernels, and the browser with its version: pinned, or said where they changed. */
  readonly variant?: string;
  readonly platform?: string;
  readonly status: RunStatus;
  /** Why it failed or paused, for people; null otherwise. */
  readonly reason: string | null;
  /** What a failed run failed of, with its code and what to do about it; absent before there was any. */
  readonly failure?: ErrorData;
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
  /** Code, reward and hyper-parameters that it was started with, and their version; absent before version 3. */
  readonly resources?: { readonly id: string; readonly version: number };
  /** One more with every commit of it, counted by the store whatever is passed; 1 where it is left out. */
  readonly version?: number;
}

/** Where an agentic run is: weights and optimizer after `update` updates. */
export interface AgenticState {
  readonly kind: "agentic";
  readonly update: number;
  /** Rollouts made so far; the next one's number. */
  readonly rollouts: number;
  readonly language: LanguageState;
  /** What the controller of a KL term has made of its coefficients; only where the algorithm has one. */
  readonly klFactor?: number;
}

/** Where a run over examples is: weights and optimizer after `update` updates. */
export interface SupervisedState {
  readonly kind: "supervised";
  readonly update: number;
  readonly language: LanguageState;
}

export interface Checkpoint {
  readonly runId: string;
  readonly update: number;
  readonly step: number;
  readonly createdAt: number;
  readonly state: TrainingState | AgenticState | SupervisedState;
}

/** Written together or not at all. */
export interface Commit {
  /** Rollouts of one run; a rollout of the same id is replaced. */
  readonly rollouts?: readonly Rollout[];
  /** Replaces the row of the same id. */
  readonly run?: Run;
  readonly spans?: readonly Span[];
  /** Replaces the run's older checkpoint. */
  readonly checkpoint?: Checkpoint;
}

export interface SpanQuery {
  readonly runId: string;
  /** Only spans of this rollout; null: only the run's own (updates, evaluations), of no rollout. */
  readonly rolloutId?: string | null;
  readonly name?: string;
  /** Only spans with a greater sequence. */
  readonly afterSequence?: number;
  /** Default true; false leaves `tokens` out, and unread where they are sealed. */
  readonly tokens?: boolean;
}

export interface RolloutQuery {
  readonly runId: string;
  readonly mode?: Rollout["mode"];
  /** Only those of this update. */
  readonly update?: number;
  readonly group?: number;
  /** Only rollouts with a greater number. */
  readonly afterNumber?: number;
  /** Only rollouts with a smaller number: the next page where the newest come first. */
  readonly beforeNumber?: number;
  /** Default all. */
  readonly limit?: number;
  /** Default "oldest". */
  readonly order?: "oldest" | "newest";
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
  /** Null where it is not of one run. */
  readonly runId: string | null;
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
  /** Filtered, sorted, page by page. */
  findRuns(query?: PageQuery<Run>): Promise<Page<Run>>;
  /**
   * By number of the rollout, then sequence; the run's own spans come first. Sealed segments and tail alike. A damaged
   * segment is left out; where only its tokens are damaged, its spans come without them. See `problems`.
   */
  spans(query: SpanQuery): Promise<Span[]>;
  /**
   * The same as columns, for curves: batches that may hold the wanted spans, in the order of writing, whole
   * (other rows too).
   */
  columns(query: SpanQuery): Promise<SpanColumns[]>;
  /**
   * The same one after another, with the token lists as they lie: a million rows pass by without being in memory together.
   * Rejects with "store/changed" where another tab compacts or deletes meanwhile; in this tab compaction waits.
   */
  scan(query: SpanQuery): AsyncIterable<ScannedBatch>;
  checkpoint(runId: string): Promise<Checkpoint | undefined>;
  /** By number. */
  rollouts(query: RolloutQuery): Promise<Rollout[]>;
  /** Moves the run's tail into Arrow segments: the run's own spans and those of rollouts apart. */
  seal(runId: string): Promise<void>;
  /**
   * Removes the run, its rollouts, spans and checkpoints, and the resources that only it was started with; later commits to
   * it are refused ("store/run-deleted").
   */
  deleteRun(id: string): Promise<void>;
  /**
   * Removes finished rollouts of a run and their spans, wherever they lie; figures follow. Each rollout goes whole or not at
   * all; of more than 512 at once a killed process may have removed only the first. Resolves with how many there were.
   * Rejects with "store/rollout-under-way" for one that is not finished.
   */
  deleteRollouts(runId: string, numbers: readonly number[]): Promise<number>;
  /** Deletes the ended runs, and the finished rollouts from outside, that are not to be kept; what goes on stays. */
  retain(retention: Retention): Promise<Removed>;
  /** Joins the small segments of a run; happens by itself now and then, and when the run ends. */
  compact(runId: string): Promise<void>;
  /**
   * Everything that the store holds, as the pieces of one file (`.fulgurite`), each with a checksum. Rejects with "store/changed"
   * where another tab compacts or deletes meanwhile.
   */
  saveWorkspace(): AsyncIterable<Uint8Array<ArrayBuffer>>;
  /**
   * Takes over what a saved workspace holds and this store does not: its runs, settings, resources and workers. What is
   * here stays as it is; so do rollouts from outside where there are any. Rejects with "store/damaged-workspace",
   * "store/no-workspace" or "store/newer-version" before anything is written.
   */
  openWorkspace(file: Blob): Promise<OpenedWorkspace>;
  /** Small values of the page itself (drafts, settings), by key. */
  setting(key: string): Promise<unknown>;
  setSetting(key: string, value: unknown): Promise<void>;
  /** Kept with every commit: reads one row a run, never the rollouts. Of one run, or of all. */
  statistics(runId?: string): Promise<RolloutStatistics>;
  /** Rollouts under way: asked for, taken by workers, tried, finished. */
  readonly queue: RolloutQueue;
  /** Prompts, models, weights, hyper-parameters and code, by version. */
  readonly resources: ResourceShelf;
  readonly workers: Workers;
  /** Filtered, sorted, page by page, of one run or of all. */
  findRollouts(query?: FindRollouts): Promise<Page<Rollout>>;
  /** Attempts of one rollout, of one run or of all. */
  findAttempts(query?: FindAttempts): Promise<Page<FoundAttempt>>;
  /** Spans of one rollout. */
  findSpans(query: FindSpans): Promise<Page<Span>>;
  /** Called after every change, here or in another tab, until the returned function is; see `liveQuery`. */
  subscribe(listener: (change: StoreChange) => void): () => void;
  usage(): Promise<StoreUsage>;
  problems(): Promise<StoreProblem[]>;
  close(): void;
}

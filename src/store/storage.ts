import type { Resources, RolloutStatistics, Worker } from "./lightning-records.ts";
import type { Checkpoint, Rollout, Run, Span } from "./records.ts";

/** Everything on disk has this number in `meta`; a reader exists for every number that ever shipped, see migrations. */
export const schemaVersion = 5;

/** Spans of one commit and run, row-wise, until they are sealed; see `packGroup`. Key: [runId, group number]. */
export type TailGroup = PackedGroup | RowGroup;

export interface PackedGroup {
  /** The spans without their tokens; numbers that JSON does not have are encoded unless `plain`. */
  readonly json: string;
  readonly plain: boolean;
  /** [m, 3] Row, prompt length and response length of the spans that have tokens. */
  readonly places: Int32Array;
  /** Prompt and response ids of each, end to end. */
  readonly ids: Int32Array;
  /** Sampler's and plain log-probabilities of each, end to end. */
  readonly logProbabilities: Float32Array;
}

/** As versions 1 and 2 wrote them. */
export interface RowGroup {
  readonly rows: readonly Span[];
}

/** Catalogue row of one sealed segment: its zone map, and how to know that it is whole. Key: [runId, number]. */
export interface Segment {
  readonly runId: string;
  readonly number: number;
  /** Of the first segment that this one was made of: its place in the order of writing. Absent where that is its number. */
  readonly order?: number;
  readonly rows: number;
  readonly minSequence: number;
  readonly maxSequence: number;
  /** Earliest start and latest end, milliseconds since the epoch. */
  readonly minTime: number;
  readonly maxTime: number;
  /** Span names inside. */
  readonly names: readonly string[];
  /** Whose spans are inside; null where version 1 sealed it, which did not know. */
  readonly rollouts: RolloutZone | null;
  readonly byteLength: number;
  /** xxHash, 32 bits, of the blob; absent in what versions 1 and 2 sealed. */
  readonly hash?: number;
  /** CRC-32 (IEEE 802.3) of the blob, in what versions 1 and 2 sealed. */
  readonly crc?: number;
  /** Why it was set aside; null while it is readable. */
  readonly damage: string | null;
  /** Token columns, apart; null where no span inside has tokens. */
  readonly tokens: ColdPart | TokenPart | null;
  /** Long texts, apart; absent in what versions 1 and 2 sealed. */
  readonly texts?: ColdPart | null;
}

/** Where a segment stands in the order of writing; those that were written together stand by their number. */
export const orderOf = ({ order, number }: Segment): number => order ?? number;

/** What is kept apart from the hot columns of a segment. */
export interface ColdPart {
  /** Names of the spans that have it. */
  readonly names: readonly string[];
  readonly chunks: readonly Chunk[];
  readonly damage: string | null;
}

/** Key in the table `tokens`: [runId, `chunkKey(segment number, number)`]. */
export interface Chunk {
  readonly number: number;
  /** Row of the segment that its first row is of. */
  readonly firstRow: number;
  readonly byteLength: number;
  readonly hash: number;
}

/** Beyond the segment numbers that versions 1 and 2 used as keys; a segment has fewer than 2^16 chunks. */
export const chunkKey = (segment: number, chunk: number): number => 2 ** 32 + segment * 2 ** 16 + chunk;

export interface RolloutZone {
  /** Numbers of the run's rollouts inside, as ascending pairs: first, last, first, last. */
  readonly ranges: Int32Array;
  /** Ids of rollouts that are not numbered within the run. */
  readonly others: readonly string[];
  /** True where spans of no rollout are inside. */
  readonly none: boolean;
}

/** Versions 1 and 2: all tokens of a segment in one blob, under the segment's key. */
export interface TokenPart {
  /** Names of the spans that have tokens. */
  readonly names: readonly string[];
  readonly byteLength: number;
  readonly crc: number;
  readonly damage: string | null;
}

/** What a commit must know about a run without reading its spans. Key: run id. */
export interface Bookkeeping {
  readonly runId: string;
  /** A deleted run, or one without a row in `runs`, leaves only this row, so that a trainer in another tab cannot bring half of it back. */
  readonly deleted: boolean;
  /** True while a saved workspace is opened that holds the run: its large parts may be on the disk already. */
  readonly staged?: boolean;
  /** Changes with every write of spans; tells a cache that another tab wrote. */
  readonly version: number;
  readonly nextGroup: number;
  readonly nextSegment: number;
  readonly tailRows: number;
  /** Estimates for the tail, exact for segments and checkpoints. */
  readonly tailBytes: number;
  readonly segmentBytes: number;
  readonly checkpointBytes: number;
  readonly rolloutBytes: number;
  /** Rollouts numbered from here on have no row yet. */
  readonly nextRollout: number;
  /** Rollouts numbered from here on have no span yet. */
  readonly nextTracedRollout: number;
  /** First and last sequence of the spans whose ids are made from it: beyond them a span is new. */
  readonly series: { readonly first: number; readonly last: number } | null;
  readonly statistics: RolloutStatistics;
  /** True where some of its rollouts have ids of their own, in `rolloutIds`. */
  readonly named: boolean;
}

/** Where a rollout's row is. */
export interface RolloutPlace {
  readonly runId: string;
  readonly number: number;
}

/** Rollouts that finished in one transaction, in order; the key is [`listKey`, the cursor of the first]. */
export interface FinishedGroup {
  readonly first: number;
  readonly runId: string;
  readonly numbers: Int32Array;
}

/** Numbers given out: the next entry's of each list. In `meta`, under "counters". */
export interface Counters {
  readonly queue: number;
  readonly finished: number;
}

export interface QueueEntry extends RolloutPlace {
  readonly position: number;
}

/** First half of the key in tables that are one list: [listKey, number]. */
export const listKey = "";

export interface ResourceHead {
  /** Of the latest; where a full disk removed that one, the newest that is left is the latest. */
  readonly version: number;
  /** The highest version that was ever given out, where it was removed. */
  readonly lastVersion?: number;
  readonly runId: string | null;
  readonly order: number;
}

export interface Tables {
  readonly meta: unknown;
  readonly runs: Run;
  readonly checkpoints: Checkpoint;
  readonly bookkeeping: Bookkeeping;
  readonly tail: TailGroup;
  readonly segments: Segment;
  /** Arrow IPC streams, under their segment's key. */
  readonly blobs: Uint8Array<ArrayBuffer>;
  readonly settings: unknown;
  /** Key: [runId, number]. */
  readonly rollouts: Rollout;
  /** Arrow IPC streams of what lies apart from hot columns; see `Chunk`. */
  readonly tokens: Uint8Array<ArrayBuffer>;
  /** Rollouts whose id does not say where they are. Key: the id. */
  readonly rolloutIds: RolloutPlace;
  /** First in, first out. Key: [listKey, number]. An entry whose rollout waits no more is passed over. */
  readonly queue: QueueEntry;
  /** Rollouts whose latest attempt goes on under a time limit. Key: the rollout's id. */
  readonly watched: RolloutPlace;
  readonly finished: FinishedGroup;
  /** The next span sequence of a rollout that asked for one. Key: the rollout's id. */
  readonly sequences: number;
  /** Key: [id, version]. */
  readonly resources: Resources;
  /** The latest version of each; `order` is the larger the later. Key: the id. */
  readonly resourceHeads: ResourceHead;
  readonly workers: Worker;
}

export type TableName = keyof Tables;
export const tableNames: readonly TableName[] = [
  "meta",
  "runs",
  "checkpoints",
  "bookkeeping",
  "tail",
  "segments",
  "blobs",
  "settings",
  "rollouts",
  "tokens",
  "rolloutIds",
  "queue",
  "watched",
  "finished",
  "sequences",
  "resources",
  "resourceHeads",
  "workers",
];

/** Fields by which the rows of a run are found without reading the others; an index each, named for its field. */
export const rolloutIndexes = ["update", "group"] as const;
export type RolloutIndex = (typeof rolloutIndexes)[number];

/** A stretch of a run's rows, by number. */
export interface PageRange {
  readonly after?: number | undefined;
  readonly before?: number | undefined;
  /** Default all. */
  readonly limit?: number | undefined;
  /** Default "oldest". */
  readonly order?: "oldest" | "newest" | undefined;
}

/** A string, or a run id and a number that orders the rows of that run. */
export type Key = string | readonly [string, number];

/** The run of a key; of one that is a string, the key itself. */
export const runOfKey = (key: Key): string => (typeof key === "string" ? key : key[0]);

export interface StorageRow<Value> {
  readonly key: Key;
  readonly value: Value;
}

/** One atomic transaction. Await nothing else inside: the browser commits as soon as it idles. */
export interface StorageTransaction {
  get<Name extends TableName>(table: Name, key: Key): Promise<Tables[Name] | undefined>;
  /** All rows in key order, or those of one run in a table keyed by [runId, number]. */
  list<Name extends TableName>(table: Name, runId?: string): Promise<StorageRow<Tables[Name]>[]>;
  /** Rows of one run in a table keyed by [runId, number]. */
  page<Name extends TableName>(table: Name, runId: string, range: PageRange): Promise<Tables[Name][]>;
  /** All rollouts of one run whose indexed field has this value, by number. */
  find(index: RolloutIndex, runId: string, value: number): Promise<Rollout[]>;
  /** Failures of writes surface when the transaction ends. */
  put<Name extends TableName>(table: Name, key: Key, value: Tables[Name]): void;
  delete(table: TableName, key: Key): void;
  /** Deletes all rows of one run in a table keyed by [runId, number]. */
  deleteAll(table: TableName, runId: string): void;
}

export interface TransactionOptions {
  readonly mode: "readonly" | "readwrite";
  /** "strict" asks the disk itself; "relaxed" survives a killed process, not a lost power supply. Default relaxed. */
  readonly durability?: "strict" | "relaxed";
}

export interface StorageEstimate {
  readonly bytes: number;
  readonly quota: number | null;
  readonly persisted: boolean;
}

/**
 * What the store needs of a disk: transactions over tables of cloneable values. IndexedDB and memory
 * implement it; a fault-injecting layer can wrap either.
 */
export interface Storage {
  /**
   * Runs `body` in one transaction: everything in it happens, once, or nothing does. Resolves when committed.
   * Rejects with what `body` threw, or with a `StorageFailure`.
   */
  transaction<Result>(
    tables: readonly TableName[],
    options: TransactionOptions,
    body: (transaction: StorageTransaction) => Promise<Result>,
  ): Promise<Result>;
  /** Bytes used and allowed, as far as the platform says; null where it says nothing. */
  estimate(): Promise<StorageEstimate | null>;
  /** Asks the browser not to evict it; null where it cannot be asked (workers: the page has to). */
  persist(): Promise<boolean | null>;
  close(): void;
}

/**
 * Why the disk refused. `full`: no space left. `lost`: the connection broke, nothing was written, try again.
 * `blocked`: another tab holds an older schema. `newer`: the data was written by a newer version.
 * `unavailable`: there is no storage here. `closed`: we closed it. `failed`: anything else.
 */
export type StorageFailureKind = "full" | "lost" | "blocked" | "newer" | "unavailable" | "closed" | "failed";

export class StorageFailure extends Error {
  readonly kind: StorageFailureKind;

  constructor(kind: StorageFailureKind, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "StorageFailure";
    this.kind = kind;
  }
}

import type { CatalogueCache } from "./catalogue-cache.ts";
import type { SpanIds } from "./span-ids.ts";
import type { StorageTransaction, TableName, TransactionOptions } from "./storage.ts";
import type { TailCache } from "./tail-cache.ts";
import type { Written } from "./write.ts";

/** What was written: whose, and into what. Sent to every tab that has the store open. */
export interface StoreChange {
  /** Null where it belongs to no run. */
  readonly runId: string | null;
  readonly kinds: readonly (
    "runs" | "rollouts" | "spans" | "checkpoints" | "resources" | "workers" | "problems"
  )[];
  /** True where something was deleted: there is room again. */
  readonly removed?: boolean;
}

/** What the parts of the store share. */
export interface StoreAccess {
  readonly ids: SpanIds;
  readonly tails: TailCache;
  readonly catalogue: CatalogueCache;
  /** Milliseconds since the epoch. */
  now(): number;
  /** `digits` random hexadecimal digits. */
  randomHex(digits: number): string;
  transaction<Result>(
    tables: readonly TableName[],
    options: TransactionOptions,
    body: (transaction: StorageTransaction) => Promise<Result>,
  ): Promise<Result>;
  /** After a commit: caches remember what was written, full tails are sealed. */
  written(written: readonly Written[]): Promise<void>;
  announce(change: StoreChange): void;
  /** Called after every change, here or in another tab, until the returned function is. */
  subscribe(listener: (change: StoreChange) => void): () => void;
}

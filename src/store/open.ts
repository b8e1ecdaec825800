import { IndexedDbStorage } from "./indexeddb-storage.ts";
import { TransactionalStore } from "./lightning-store.ts";
import { MemoryStorage } from "./memory-storage.ts";
import type { LightningStore } from "./records.ts";

export interface OpenStoreOptions {
  /** Name of the IndexedDB database; default "fulgurite". */
  readonly name?: string;
  /** Default "indexeddb" where there is one, else "memory", which goes with the process. */
  readonly backend?: "indexeddb" | "memory";
}

/** Opens the store, or makes it. Rejects with "store/..." where the browser gives no storage. */
export async function openStore(options: OpenStoreOptions = {}): Promise<LightningStore> {
  const backend = options.backend ?? (typeof indexedDB === "undefined" ? "memory" : "indexeddb");
  const name = options.name ?? "fulgurite";
  const store =
    backend === "memory"
      ? new TransactionalStore(new MemoryStorage())
      : new TransactionalStore(new IndexedDbStorage(name), { name });
  // Refusals show themselves here, not in the middle of a run.
  await store.setting("opened");
  return store;
}

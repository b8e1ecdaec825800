import { IndexedDbStorage } from "./indexeddb-storage.ts";
import { TransactionalStore } from "./lightning-store.ts";
import { MemoryStorage } from "./memory-storage.ts";
import type { LightningStore } from "./records.ts";
import type { Storage } from "./storage.ts";

export interface OpenStoreOptions {
  /** Name of the IndexedDB database; default "fulgurite". */
  readonly name?: string;
  /** Default "indexeddb" where there is one, else "memory", which goes with the process. */
  readonly backend?: "indexeddb" | "memory";
  /** In Node: the folder that keeps it, made where it is missing; one process at a time ("store/locked"). */
  readonly folder?: string;
}

/** Opens the store, or makes it. Rejects with "store/..." where the browser gives no storage. */
export async function openStore(options: OpenStoreOptions = {}): Promise<LightningStore> {
  const { storage, name } = await openStorage(options);
  const store = new TransactionalStore(storage, { name });
  // Refusals show themselves here, not in the middle of a run.
  await store.setting("opened");
  return store;
}

/** And the name under which tabs that share it tell each other of changes. */
async function openStorage({
  name = "fulgurite",
  backend,
  folder,
}: OpenStoreOptions): Promise<{ readonly storage: Storage; readonly name: string | null }> {
  if (folder !== undefined) {
    const { FolderStorage } = await import("./folder-storage.ts");
    return { storage: new FolderStorage(folder), name: null };
  }
  const kind = backend ?? (typeof indexedDB === "undefined" ? "memory" : "indexeddb");
  return kind === "memory"
    ? { storage: new MemoryStorage(), name: null }
    : { storage: new IndexedDbStorage(name), name };
}

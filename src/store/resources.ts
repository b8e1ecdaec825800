import { isSameValue } from "./frame.ts";
import type { StoreAccess } from "./access.ts";
import type { Resource, Resources } from "./lightning-records.ts";
import { selectPage, type Page, type PageQuery } from "./query.ts";
import type { StorageTransaction, TableName } from "./storage.ts";

export const resourceTables: readonly TableName[] = ["resources", "resourceHeads"];

type Named = Resources["resources"];

/** The id of the latest set that is there for rollouts to use; null where there is none. */
export async function latestResourcesId(transaction: StorageTransaction): Promise<string | null> {
  let latest: string | null = null;
  let order = -1;
  for (const { key, value } of await transaction.list("resourceHeads")) {
    if (value.runId !== null || value.order <= order) continue;
    order = value.order;
    latest = key as string;
  }
  return latest;
}

/** The latest version of one set. */
export async function readResources(
  transaction: StorageTransaction,
  id: string,
): Promise<Resources | undefined> {
  const head = await transaction.get("resourceHeads", id);
  if (!head) return undefined;
  const newest = await transaction.get("resources", [id, head.version]);
  return newest ?? (await transaction.page("resources", id, { limit: 1, order: "newest" }))[0];
}

/** Adds a version; the first makes the set. */
export async function writeResources(
  transaction: StorageTransaction,
  { id, runId, resources }: Pick<Resources, "id" | "runId" | "resources">,
  now: number,
): Promise<Resources> {
  const head = await transaction.get("resourceHeads", id);
  const before = await readResources(transaction, id);
  const version = (head?.lastVersion ?? head?.version ?? 0) + 1;
  const created: Resources = {
    id,
    version,
    createTime: before?.createTime ?? now,
    updateTime: now,
    runId,
    resources,
  };
  // A counter of its own, as times may be equal and may go back.
  const order = ((await transaction.get("resourceHeads", orderKey))?.order ?? 0) + 1;
  transaction.put("resourceHeads", orderKey, { version: 0, runId: orderKey, order });
  transaction.put("resources", [id, version], created);
  transaction.put("resourceHeads", id, { version, runId, order });
  return created;
}

/**
 * Removes those versions of a set that `unused` takes, and the set where none is left. No version is given out twice. Without
 * `note` all that is done is to delete: the head then names a version that is gone, which `readResources` knows.
 */
export async function removeVersions(
  transaction: StorageTransaction,
  id: string,
  { note }: { readonly note: boolean },
  unused: (resources: Resources) => Promise<boolean>,
): Promise<void> {
  const head = await transaction.get("resourceHeads", id);
  if (!head) return;
  let latest = 0;
  for (const { key, value } of await transaction.list("resources", id)) {
    if (await unused(value)) transaction.delete("resources", key);
    else latest = value.version;
  }
  if (latest === 0) transaction.delete("resourceHeads", id);
  else if (latest < head.version && note)
    transaction.put("resourceHeads", id, {
      ...head,
      version: latest,
      lastVersion: head.lastVersion ?? head.version,
    });
}

/** The row of the counter among the heads. */
const orderKey = "";

/** Weights as of the run's checkpoint: a version for each, of which the store has the last; runs keep no others. */
export async function writeWeights(
  transaction: StorageTransaction,
  runId: string,
  at: { readonly update: number; readonly step: number },
  now: number,
): Promise<void> {
  const id = weightsId(runId);
  const head = await transaction.get("resourceHeads", id);
  const before = head && (await transaction.get("resources", [id, head.version]));
  const version = (head?.version ?? 0) + 1;
  if (head) transaction.delete("resources", [id, head.version]);
  const weights: Resource = { type: "weights", runId, update: at.update, step: at.step };
  transaction.put("resources", [id, version], {
    id,
    version,
    createTime: before?.createTime ?? now,
    updateTime: now,
    runId,
    resources: { policy: weights },
  });
  transaction.put("resourceHeads", id, { version, runId, order: 0 });
}

/** The set that describes a run's checkpoint. */
export const weightsId = (runId: string): string => `${runId}/weights`;

/** The set that keeps what a run's policy began with, where that came as a file or from another run. */
export const startId = (runId: string): string => `${runId}/start`;

/** The set that keeps what of a run's policy is frozen, beside which its adapters learn. */
export const baseId = (runId: string): string => `${runId}/base`;

/** The sets that come and go with a run. */
export const ownSets = (runId: string): readonly string[] => [
  weightsId(runId),
  startId(runId),
  baseId(runId),
];

/** Prompts, models, weights, hyper-parameters and code by name, in sets with versions. Every version stays. */
export class ResourceShelf {
  readonly #access: StoreAccess;

  constructor(access: StoreAccess) {
    this.#access = access;
  }

  /** A new set; it becomes the latest. */
  add(resources: Named): Promise<Resources> {
    return this.update(`rs-${this.#access.randomHex(12)}`, resources);
  }

  /** One more version of a set, or a new one; it becomes the latest unless it is a run's own record. */
  async update(id: string, resources: Named, runId: string | null = null): Promise<Resources> {
    const now = this.#access.now();
    const written = await this.#access.transaction(resourceTables, { mode: "readwrite" }, (transaction) =>
      writeResources(transaction, { id, runId, resources }, now),
    );
    this.#access.announce({ runId, kinds: ["resources"] });
    return written;
  }

  /**
   * The same, but a latest version that says the same stays, and is `runId`'s from now on: so that it outlives the run
   * before, whoever deletes that until this one has its row.
   */
  async keep(id: string, resources: Named, runId: string): Promise<Resources> {
    const now = this.#access.now();
    const kept = await this.#access.transaction(
      resourceTables,
      { mode: "readwrite" },
      async (transaction) => {
        const latest = await readResources(transaction, id);
        if (!latest || !isSameValue(latest.resources, resources))
          return writeResources(transaction, { id, runId, resources }, now);
        const own = { ...latest, runId };
        transaction.put("resources", [id, latest.version], own);
        return own;
      },
    );
    this.#access.announce({ runId, kinds: ["resources"] });
    return kept;
  }

  /** One version, default the latest; undefined where there is none. */
  get(id: string, version?: number): Promise<Resources | undefined> {
    return this.#access.transaction(resourceTables, { mode: "readonly" }, (transaction) =>
      version === undefined ? readResources(transaction, id) : transaction.get("resources", [id, version]),
    );
  }

  /** Added or updated last. */
  latest(): Promise<Resources | undefined> {
    return this.#access.transaction(resourceTables, { mode: "readonly" }, async (transaction) => {
      const id = await latestResourcesId(transaction);
      return id === null ? undefined : readResources(transaction, id);
    });
  }

  /** All versions of one set, oldest first. */
  versions(id: string): Promise<Resources[]> {
    return this.#access.transaction(resourceTables, { mode: "readonly" }, (transaction) =>
      transaction.page("resources", id, {}),
    );
  }

  /** The latest version of each set, in the order of creation unless sorted otherwise. */
  async find(
    query: PageQuery<Resources> & {
      /** Default all; "shared" leaves out the runs' own records. */
      readonly kind?: "shared";
    } = {},
  ): Promise<Page<Resources>> {
    const rows = await this.#access.transaction(resourceTables, { mode: "readonly" }, async (transaction) => {
      const heads = await transaction.list("resourceHeads");
      const wanted = heads.filter(
        ({ key, value }) => key !== orderKey && (query.kind !== "shared" || value.runId === null),
      );
      return Promise.all(wanted.map(({ key }) => readResources(transaction, key as string)));
    });
    const sets = rows.filter((row) => row !== undefined).sort((a, b) => a.createTime - b.createTime);
    return selectPage(sets, query);
  }
}

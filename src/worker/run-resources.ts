import { isFields } from "../adapter/exchange/checks.ts";
import type { RunArchiveImport } from "../adapter/exchange/run-archive.ts";
import { isSameValue } from "../store/frame.ts";
import type { Resource, Resources } from "../store/lightning-records.ts";
import type { LightningStore, Rollout, Run } from "../store/records.ts";
import { baseId, startId } from "../store/resources.ts";

/** Keys stay where they were given. */
const withoutKey = (resource: Resource): Resource =>
  "apiKey" in resource ? { ...resource, apiKey: null } : resource;

/**
 * What a run was made with: its code, reward and hyper-parameters in the version that it was started with, the weights that it
 * began with, those that it left as they are, and every version of the sets that its rollouts name. API keys are left out.
 */
export async function usedResources(
  store: LightningStore,
  run: Run,
  rollouts: readonly Rollout[],
): Promise<Resources[]> {
  const named = new Set(rollouts.flatMap(({ resourcesId }) => resourcesId ?? []));
  const sets = await Promise.all(
    [startId(run.id), baseId(run.id), ...named].map((id) => store.resources.versions(id)),
  );
  const started = run.resources && (await store.resources.get(run.resources.id, run.resources.version));
  const all = [...(started && !named.has(started.id) ? [started] : []), ...sets.flat()];
  return all.map((set) => ({
    ...set,
    resources: Object.fromEntries(
      Object.entries(set.resources).map(([name, one]) => [name, withoutKey(one)]),
    ),
  }));
}

/** The sets of an archive that are such as a page can show, by id, oldest version first. */
function setsOf(values: readonly unknown[]): Map<string, Resources[]> {
  const sets = new Map<string, Resources[]>();
  for (const value of values) {
    if (!isFields(value) || typeof value["id"] !== "string" || typeof value["version"] !== "number") continue;
    const { resources } = value;
    const isResource = (one: unknown): boolean => isFields(one) && typeof one["type"] === "string";
    if (!isFields(resources) || !Object.values(resources).every(isResource)) continue;
    sets.set(value["id"], [...(sets.get(value["id"]) ?? []), value as unknown as Resources]);
  }
  for (const versions of sets.values()) versions.sort((a, b) => a.version - b.version);
  return sets;
}

/** Where the resources of an archive are in this store. */
export interface TakenResources {
  /** New ids of the sets that could not keep theirs. */
  readonly ids: ReadonlyMap<string, string>;
  /** What the run was started with. */
  readonly started: { readonly id: string; readonly version: number } | null;
}

/**
 * Puts the resources of an archive in the store, as records of the new run `runId`. What is here already under the same id
 * is used as it is; a set that somebody put here for rollouts to use is not changed: the archive's then gets an id of its own.
 */
export async function takeResources(
  store: LightningStore,
  { run, resources }: RunArchiveImport,
  runId: string,
): Promise<TakenResources> {
  const ids = new Map<string, string>();
  let started: TakenResources["started"] = null;
  for (const [id, versions] of setsOf(resources)) {
    const here = await store.resources.versions(id);
    const isShared = here.some((version) => version.runId === null);
    const idOfRun = run && [startId, baseId].find((of) => of(run.id) === id);
    const numbersHere = versions.map(
      ({ resources }) => here.find((version) => isSameValue(version.resources, resources))?.version,
    );
    const isKnown = !numbersHere.includes(undefined);
    const target = idOfRun ? idOfRun(runId) : isShared && !isKnown ? `${id}/${runId}` : id;
    if (target !== id) ids.set(id, target);
    for (const [i, version] of versions.entries()) {
      const present = target === id ? numbersHere[i] : undefined;
      const number = present ?? (await store.resources.update(target, version.resources, runId)).version;
      if (run?.resources?.id === id && run.resources.version === version.version)
        started = { id: target, version: number };
    }
  }
  return { ids, started };
}

/** The run's job, beginning with the weights that the new run keeps. */
export function jobWith(job: unknown, ids: ReadonlyMap<string, string>): unknown {
  if (!isFields(job) || !isFields(job["policy"]) || !isFields(job["policy"]["start"])) return job;
  const { start } = job["policy"];
  const id = typeof start["resources"] === "string" ? ids.get(start["resources"]) : undefined;
  return id === undefined ? job : { ...job, policy: { ...job["policy"], start: { resources: id } } };
}

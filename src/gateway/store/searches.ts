import { selectPage, type Condition, type Page, type PageQuery } from "../../store/query.ts";
import type { LightningStore, Rollout } from "../../store/records.ts";
import * as schemas from "./schemas.ts";
import { badRequest, check, internalError, type Fields, type Rule } from "./validation.ts";
import { statusesFromWire, wireAttempted, wireAttempts, wireResources, wireWorker } from "./wire.ts";
import { wireSpan } from "./wire-span.ts";

/** Fields to sort by, in the original's order. */
const fields = {
  rollouts: "rollout_id input start_time end_time mode resources_id status config metadata",
  attempts:
    "rollout_id attempt_id sequence_id start_time end_time status worker_id last_heartbeat_time metadata",
  workers:
    "worker_id status heartbeat_stats last_heartbeat_time last_dequeue_time last_busy_time last_idle_time current_rollout_id current_attempt_id",
  resources: "resources_id create_time update_time version resources",
  spans:
    "rollout_id attempt_id sequence_id trace_id span_id parent_id name status attributes events links start_time end_time context parent resource",
} as const;

const rolloutFields: Readonly<Record<string, keyof Rollout & string>> = {
  rollout_id: "id",
  input: "task",
  start_time: "startTime",
  end_time: "endTime",
  mode: "mode",
  resources_id: "resourcesId",
  status: "status",
  config: "config",
  metadata: "metadata",
};

interface Search {
  readonly body: Fields;
  readonly where: "body" | "query";
}

/** Sort and page of a search, checked; without its filter. */
function paging(
  { body, where }: Search,
  schema: Rule,
  sortable: string,
  sortDefault?: string,
): Omit<PageQuery<Fields>, "filter"> {
  check(schema, body, where);
  const { sort_by: sortBy = sortDefault, sort_order: order = "asc", limit = -1, offset = 0 } = body;
  const allowed = sortable.split(" ");
  if (typeof sortBy === "string" && !allowed.includes(sortBy)) {
    throw badRequest(`Invalid sort_by: ${sortBy}, allowed fields are: ${allowed.join(", ")}`);
  }
  if (order !== "asc" && order !== "desc") {
    throw badRequest(`Invalid sort_order: ${String(order)}, allowed values are: asc, desc`);
  }
  if ((limit as number) < -1 || limit === 0)
    throw badRequest("Limit must be greater than 0 or -1 for no limit");
  if ((offset as number) < 0) throw badRequest("Offset must be greater than or equal to 0");
  return {
    logic: (body["filter_logic"] as "and" | "or" | undefined) ?? "and",
    limit: limit === -1 ? null : (limit as number),
    offset: offset as number,
    ...(typeof sortBy === "string" ? { sortBy, sortOrder: order } : {}),
  };
}

const wirePage = (page: Page<Fields>): Fields => ({ ...page, limit: page.limit ?? -1 });

/** The conditions that a search names; null and missing ones are none. */
const conditions = (
  entries: readonly (readonly [field: string, kind: keyof Condition, value: unknown])[],
): Record<string, Condition[]> => {
  const filter: Record<string, Condition[]> = {};
  for (const [field, kind, value] of entries) {
    if (value !== null && value !== undefined) (filter[field] ??= []).push({ [kind]: value });
  }
  return filter;
};

export async function searchRollouts(store: LightningStore, search: Search): Promise<Fields> {
  const { sortBy, ...query } = paging(search, schemas.findRollouts, fields.rollouts);
  const { status_in: statuses, rollout_id_in: ids, rollout_id_contains: part } = search.body;
  const page = await store.findRollouts({
    ...query,
    ...(sortBy === undefined ? {} : { sortBy: rolloutFields[sortBy]! }),
    filter: conditions([
      ["status", "within", Array.isArray(statuses) ? statusesFromWire(statuses as string[]) : null],
      ["id", "within", ids],
      ["id", "contains", part],
    ]),
  });
  return wirePage({ ...page, items: page.items.map(wireAttempted) });
}

export async function searchAttempts(
  store: LightningStore,
  rolloutId: string,
  search: Search,
): Promise<Fields> {
  const query = paging(search, schemas.findAttempts, fields.attempts, "sequence_id");
  const rollout = await store.queue.get(rolloutId);
  return wirePage(selectPage(rollout ? wireAttempts(rollout) : [], query));
}

export async function searchWorkers(store: LightningStore, search: Search): Promise<Fields> {
  const query = paging(search, schemas.findWorkers, fields.workers);
  const { items } = await store.workers.find();
  const filter = conditions([
    ["status", "within", search.body["status_in"]],
    ["worker_id", "contains", search.body["worker_id_contains"]],
  ]);
  return wirePage(selectPage(items.map(wireWorker), { ...query, filter }));
}

export async function searchResources(store: LightningStore, search: Search): Promise<Fields> {
  const query = paging(search, schemas.findResources, fields.resources);
  const { items } = await store.resources.find({ kind: "shared" });
  const filter = conditions([
    ["resources_id", "exact", search.body["resources_id"]],
    ["resources_id", "contains", search.body["resources_id_contains"]],
  ]);
  return wirePage(selectPage(items.map(wireResources), { ...query, filter }));
}

/** Never leaves the rollout. With "or" and nothing to look for there is nothing, as in the original. */
export async function searchSpans(store: LightningStore, search: Search): Promise<Fields> {
  const { body } = search;
  const query = paging(search, schemas.findSpans, fields.spans, "sequence_id");
  const filter = conditions(
    schemas.spanFilters.flatMap((name) => [
      [name, "exact", body[name]] as const,
      [name, "contains", body[`${name}_contains`]] as const,
    ]),
  );
  const { limit = null, offset = 0 } = query;
  if (query.logic === "or" && Object.keys(filter).length === 0)
    return wirePage({ items: [], limit, offset, total: 0 });
  const attempt = body["attempt_id"];
  const { items } = await store.findSpans({
    rolloutId: body["rollout_id"] as string,
    ...(typeof attempt === "string" ? { attemptId: attempt } : {}),
  });
  return wirePage(selectPage(items.map(wireSpan), { ...query, filter }));
}

/** The original's answer to a missing rollout is its own failure to say so. */
export const missingRollout = (): Error =>
  internalError("ResponseValidationError", "    GET /v1/agl/rollouts/{rollout_id}");

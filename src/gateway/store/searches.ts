import { selectPage, type Condition, type Page, type PageQuery } from "../../store/query.ts";
import type { LightningStore } from "../../store/records.ts";
import * as schemas from "./schemas.ts";
import { badRequest, check, internalError, type Fields, type Rule } from "./validation.ts";
import { statusesFromWire, wireAttempt, wireAttempted, wireResources, wireWorker } from "./wire.ts";
import { wireSpan } from "./wire-span.ts";

/** Fields of a span to sort by: some of the original's have no column here, so its own rows are compared. */
const spanFields = Object.fromEntries(
  (
    "rollout_id attempt_id sequence_id trace_id span_id parent_id name status attributes events links start_time " +
    "end_time context parent resource"
  )
    .split(" ")
    .map((name) => [name, name]),
);

/** What the store calls a field of the original. */
const storeFields = {
  rollouts: {
    rollout_id: "id",
    input: "task",
    start_time: "startTime",
    end_time: "endTime",
    mode: "mode",
    resources_id: "resourcesId",
    status: "status",
    config: "config",
    metadata: "metadata",
  },
  attempts: {
    rollout_id: "rolloutId",
    attempt_id: "id",
    sequence_id: "sequence",
    start_time: "startTime",
    end_time: "endTime",
    status: "status",
    worker_id: "workerId",
    last_heartbeat_time: "lastHeartbeat",
    metadata: "metadata",
  },
  workers: {
    worker_id: "id",
    status: "status",
    heartbeat_stats: "heartbeatStats",
    last_heartbeat_time: "lastHeartbeat",
    last_dequeue_time: "lastDequeue",
    last_busy_time: "lastBusy",
    last_idle_time: "lastIdle",
    current_rollout_id: "rolloutId",
    current_attempt_id: "attemptId",
  },
  resources: {
    resources_id: "id",
    create_time: "createTime",
    update_time: "updateTime",
    version: "version",
    resources: "resources",
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;

interface Search {
  readonly body: Fields;
  readonly where: "body" | "query";
}

type Paging<Field extends string> = Pick<PageQuery<Fields>, "logic" | "limit" | "offset"> & {
  readonly sortBy?: Field;
  readonly sortOrder?: "asc" | "desc";
};

/** Sort and page of a search, checked; without its filter. `names` are the fields to sort by, as the original calls them and as they are here. */
function paging<Field extends string>(
  { body, where }: Search,
  schema: Rule,
  names: Readonly<Record<string, Field>>,
  sortDefault?: string,
): Paging<Field> {
  check(schema, body, where);
  const { sort_by: sortBy = sortDefault, sort_order: order = "asc", limit = -1, offset = 0 } = body;
  const field = typeof sortBy === "string" && Object.hasOwn(names, sortBy) ? names[sortBy] : undefined;
  if (typeof sortBy === "string" && field === undefined) {
    throw badRequest(`Invalid sort_by: ${sortBy}, allowed fields are: ${Object.keys(names).join(", ")}`);
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
    ...(field === undefined ? {} : { sortBy: field, sortOrder: order }),
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
  const query = paging(search, schemas.findRollouts, storeFields.rollouts);
  const { status_in: statuses, rollout_id_in: ids, rollout_id_contains: part } = search.body;
  const page = await store.findRollouts({
    ...query,
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
  const query = paging(search, schemas.findAttempts, storeFields.attempts, "sequence_id");
  const page = await store.findAttempts({ ...query, rolloutId });
  return wirePage({ ...page, items: page.items.map((attempt) => wireAttempt(rolloutId, attempt)) });
}

export async function searchWorkers(store: LightningStore, search: Search): Promise<Fields> {
  const query = paging(search, schemas.findWorkers, storeFields.workers);
  const filter = conditions([
    ["status", "within", search.body["status_in"]],
    ["id", "contains", search.body["worker_id_contains"]],
  ]);
  const page = await store.workers.find({ ...query, filter });
  return wirePage({ ...page, items: page.items.map(wireWorker) });
}

export async function searchResources(store: LightningStore, search: Search): Promise<Fields> {
  const query = paging(search, schemas.findResources, storeFields.resources);
  const filter = conditions([
    ["id", "exact", search.body["resources_id"]],
    ["id", "contains", search.body["resources_id_contains"]],
  ]);
  const page = await store.resources.find({ ...query, filter, kind: "shared" });
  return wirePage({ ...page, items: page.items.map(wireResources) });
}

/** Never leaves the rollout. With "or" and nothing to look for there is nothing, as in the original. */
export async function searchSpans(store: LightningStore, search: Search): Promise<Fields> {
  const { body } = search;
  const query = paging(search, schemas.findSpans, spanFields, "sequence_id");
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

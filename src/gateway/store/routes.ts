import type { AttemptStatus, RolloutRequest, RolloutStatus } from "../../store/lightning-records.ts";
import type { LightningStore } from "../../store/records.ts";
import * as schemas from "./schemas.ts";
import {
  missingRollout,
  searchAttempts,
  searchResources,
  searchRollouts,
  searchSpans,
  searchWorkers,
} from "./searches.ts";
import { check, internalError, refuseNulls, type Fields, type Rule } from "./validation.ts";
import {
  configFromWire,
  milliseconds,
  modeFromWire,
  resourceFromWire,
  wireAttempt,
  wireAttempted,
  wireResources,
  wireRollout,
  wireWorker,
} from "./wire.ts";
import { spanFromWire, wireSpan } from "./wire-span.ts";

/** A request that found its route. */
interface Asked {
  readonly store: LightningStore;
  readonly name: string;
  readonly now: number;
  /** Milliseconds since the handler was made. */
  readonly uptime: number;
  /** What the stars of the path stand for. */
  readonly parameters: readonly string[];
  readonly query: URLSearchParams;
  readonly body: unknown;
}

interface Route {
  readonly method: "GET" | "POST";
  /** Below `/v1/agl/`; a star is any one part. */
  readonly path: readonly string[];
  /** Default 200. */
  readonly status?: number;
  answer(asked: Asked): Promise<unknown>;
}

export interface Call {
  readonly store: LightningStore;
  readonly route: Route;
  readonly parameters: readonly string[];
}

const route = (method: Route["method"], path: string, answer: Route["answer"], status = 200): Route => ({
  method,
  path: path.split("/"),
  status,
  answer,
});

/** The body, checked; a body that may be left out is an empty object then. */
function read(rule: Rule, body: unknown, optional = false): Fields {
  const given = optional ? (body ?? {}) : body;
  check(rule, given, "body");
  return given as Fields;
}

const asQuery = ({ query }: Asked) => ({ body: schemas.queryFields(query), where: "query" as const });
const asBody = ({ body }: Asked) => ({ body: (body ?? {}) as Fields, where: "body" as const });

/** A search by query string and the same by body. */
const search = (
  path: string,
  answer: (asked: Asked, how: ReturnType<typeof asQuery | typeof asBody>) => Promise<Fields>,
) => [
  route("GET", path, (asked) => answer(asked, asQuery(asked))),
  route("POST", `${path}/search`, (asked) => answer(asked, asBody(asked))),
];

function requestFrom(body: Fields): RolloutRequest {
  const { input, mode, resources_id: resourcesId, config, metadata } = body;
  return {
    task: input,
    mode: modeFromWire(mode),
    ...(typeof resourcesId === "string" ? { resourcesId } : {}),
    ...(config ? { config: configFromWire(config as Fields) } : {}),
    ...(metadata ? { metadata: metadata as Fields } : {}),
  };
}

const workerOf = ({ worker_id: id }: Fields): string | null => (typeof id === "string" ? id : null);

async function updateRollout({ store, parameters, body }: Asked): Promise<Fields> {
  const id = parameters[0]!;
  const fields = read(schemas.updateRollout, body, true);
  refuseNulls(fields, ["status", "config"]);
  const has = (key: string): boolean => key in fields;
  if (!(await store.queue.get(id))) {
    const message = `ValueError: Item does not exist with primary key(s): rollout_id='${id}'`;
    throw internalError("ValueError", message);
  }
  return wireRollout(
    await store.queue.update(id, {
      ...(has("input") ? { task: fields["input"] } : {}),
      ...(has("mode") ? { mode: modeFromWire(fields["mode"]) } : {}),
      ...(has("resources_id") ? { resourcesId: fields["resources_id"] as string | null } : {}),
      ...(has("status") ? { status: fields["status"] as RolloutStatus } : {}),
      ...(has("config") ? { config: configFromWire(fields["config"] as Fields) } : {}),
      ...(has("metadata") ? { metadata: fields["metadata"] as Fields | null } : {}),
    }),
  );
}

async function updateAttempt({ store, parameters, body }: Asked): Promise<Fields> {
  const [rolloutId, attemptId] = parameters as [string, string];
  const fields = read(schemas.updateAttempt, body, true);
  refuseNulls(fields, ["status", "worker_id", "last_heartbeat_time", "metadata"]);
  const heartbeat = fields["last_heartbeat_time"];
  const { attempt } = await store.queue.updateAttempt(rolloutId, attemptId, {
    ...("status" in fields ? { status: fields["status"] as AttemptStatus } : {}),
    ...("worker_id" in fields ? { workerId: fields["worker_id"] as string } : {}),
    ...(typeof heartbeat === "number" ? { lastHeartbeat: milliseconds(heartbeat) } : {}),
    ...("metadata" in fields ? { metadata: fields["metadata"] as Fields } : {}),
  });
  return wireAttempt(rolloutId, attempt);
}

const resourcesFrom = (body: Fields) =>
  Object.fromEntries(
    Object.entries(body).map(([name, resource]) => [name, resourceFromWire(resource as Fields)]),
  );

async function statistics({ store, name, uptime }: Asked): Promise<Fields> {
  const [counted, usage, resources, workers] = await Promise.all([
    store.statistics(),
    store.usage(),
    store.resources.find({ kind: "shared", limit: 1 }),
    store.workers.find({ limit: 1 }),
  ]);
  const quota = usage.quota ?? usage.bytes;
  return {
    name,
    total_rollouts: counted.rollouts,
    total_attempts: counted.attempts,
    total_spans: counted.spans,
    total_resources: resources.total,
    total_workers: workers.total,
    uptime: uptime / 1000,
    // Nothing is evicted here: the disk's quota is where it ends.
    total_span_bytes: usage.bytes,
    eviction_threshold_bytes: quota,
    safe_threshold_bytes: quota,
    memory_capacity_bytes: quota,
  };
}

/** Every path of the dialect, as `/v1/agl/` + path; fixed parts go before stars. */
export const routes: readonly Route[] = [
  route("GET", "health", () => Promise.resolve({ status: "ok" })),
  route("GET", "statistics", statistics),
  route(
    "POST",
    "queues/rollouts/enqueue",
    async ({ store, body }) => {
      const { rollouts } = read(schemas.enqueue, body);
      return (await store.queue.enqueue((rollouts as Fields[]).map(requestFrom))).map(wireRollout);
    },
    201,
  ),
  route("POST", "queues/rollouts/dequeue", async ({ store, body }) => {
    const fields = read(schemas.dequeue, body, true);
    const limit = (fields["limit"] as number | undefined) ?? 1;
    const taken = await store.queue.dequeue({ limit, workerId: workerOf(fields) });
    return taken.map(({ rollout }) => wireAttempted(rollout));
  }),
  ...search("rollouts", ({ store }, how) => searchRollouts(store, how)),
  route(
    "POST",
    "rollouts",
    async ({ store, body }) => {
      const fields = read(schemas.start, body);
      const { rollout } = await store.queue.start(requestFrom(fields), workerOf(fields));
      return wireAttempted(rollout);
    },
    201,
  ),
  route("GET", "rollouts/*", async ({ store, parameters }) => {
    const rollout = await store.queue.get(parameters[0]!);
    if (!rollout) throw missingRollout();
    return wireAttempted(rollout);
  }),
  route("POST", "rollouts/*", updateRollout),
  ...search("rollouts/*/attempts", ({ store, parameters }, how) =>
    searchAttempts(store, parameters[0]!, how),
  ),
  route(
    "POST",
    "rollouts/*/attempts",
    async ({ store, parameters, body }) => {
      const fields = read(schemas.startAttempt, body, true);
      const { rollout } = await store.queue.startAttempt(parameters[0]!, workerOf(fields));
      return wireAttempted(rollout);
    },
    201,
  ),
  route("GET", "rollouts/*/attempts/latest", async ({ store, parameters }) => {
    const rollout = await store.queue.get(parameters[0]!);
    return (rollout && wireAttempted(rollout)["attempt"]) ?? null;
  }),
  route("POST", "rollouts/*/attempts/*", updateAttempt),
  ...search("workers", ({ store }, how) => searchWorkers(store, how)),
  route("GET", "workers/*", async ({ store, parameters }) => {
    const worker = await store.workers.get(parameters[0]!);
    return worker ? wireWorker(worker) : null;
  }),
  route("POST", "workers/*", async ({ store, parameters, body }) => {
    const fields = read(schemas.updateWorker, body, true);
    refuseNulls(fields, ["heartbeat_stats"]);
    const stats = fields["heartbeat_stats"] as Fields | undefined;
    return wireWorker(await store.workers.heartbeat(parameters[0]!, stats));
  }),
  ...search("resources", ({ store }, how) => searchResources(store, how)),
  route(
    "POST",
    "resources",
    async ({ store, body }) => {
      const fields = read(schemas.resources, body);
      return wireResources(await store.resources.add(resourcesFrom(fields)));
    },
    201,
  ),
  route("GET", "resources/latest", async ({ store }) => {
    const latest = await store.resources.latest();
    return latest ? wireResources(latest) : null;
  }),
  route("GET", "resources/*", async ({ store, parameters }) => {
    const set = await store.resources.get(parameters[0]!);
    return set ? wireResources(set) : null;
  }),
  route("POST", "resources/*", async ({ store, parameters, body }) => {
    const fields = read(schemas.resources, body);
    return wireResources(await store.resources.update(parameters[0]!, resourcesFrom(fields)));
  }),
  ...search("spans", ({ store }, how) => searchSpans(store, how)),
  route("POST", "spans/next", async ({ store, body }) => {
    const { rollout_id: id } = read(schemas.nextSequence, body);
    const [sequence] = await store.queue.nextSequences([id as string]);
    return { sequence_id: sequence };
  }),
  route(
    "POST",
    "spans",
    async ({ store, body, now }) => {
      const [kept] = await store.queue.addSpans([spanFromWire(read(schemas.span, body), now)]);
      return kept ? wireSpan(kept) : null;
    },
    201,
  ),
  route("POST", "waits/rollouts", async ({ store, body }) => {
    const { rollout_ids: ids, timeout } = read(schemas.wait, body);
    const limit = typeof timeout === "number" ? milliseconds(timeout) : null;
    return (await store.queue.waitFor(ids as string[], { timeout: limit })).map(wireRollout);
  }),
];

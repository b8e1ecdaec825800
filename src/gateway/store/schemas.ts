import {
  any,
  atLeast,
  dictionary,
  integer,
  list,
  literal,
  nullable,
  number,
  object,
  tagged,
  text,
  type Rule,
} from "./validation.ts";

// The bodies of the v0.x dialect (agentlightning/store/client_server.py, types/core.py).

const mode = nullable(literal("train", "val", "test"));
const rolloutStatuses = [
  "queuing",
  "preparing",
  "running",
  "failed",
  "succeeded",
  "cancelled",
  "requeuing",
] as const;
const attemptStatuses = ["preparing", "running", "failed", "succeeded", "unresponsive", "timeout"] as const;

const config = object(
  {},
  {
    timeout_seconds: nullable(number),
    unresponsive_seconds: nullable(number),
    max_attempts: atLeast(integer, 1),
    retry_condition: list(literal(...attemptStatuses)),
  },
);

const request = {
  mode,
  resources_id: nullable(text),
  config: nullable(config),
  metadata: nullable(dictionary),
};

const model = object(
  { endpoint: text, model: text },
  { api_key: nullable(text), sampling_parameters: dictionary },
);

const resource = tagged("resource_type", {
  llm: model,
  proxy_llm: model,
  prompt_template: object({ template: text, engine: literal("jinja", "f-string", "poml") }),
});

/** Named resources: the names are the sender's. */
export const resources: Rule = (value, loc) => {
  const issues = dictionary(value, loc);
  if (issues.length > 0) return issues;
  return Object.entries(value as object).flatMap(([name, each]) => resource(each, [...loc, name]));
};

export const enqueue = object({ rollouts: list(object({ input: any }, request)) });
export const dequeue = object({}, { limit: integer, worker_id: nullable(text) });
export const start = object({ input: any }, { ...request, worker_id: nullable(text) });
export const startAttempt = object({}, { worker_id: nullable(text) });
export const updateRollout = object(
  {},
  { ...request, input: any, status: nullable(literal(...rolloutStatuses)) },
);
export const updateAttempt = object(
  {},
  {
    status: nullable(literal(...attemptStatuses)),
    worker_id: nullable(text),
    last_heartbeat_time: nullable(number),
    metadata: nullable(dictionary),
  },
);
export const updateWorker = object({}, { heartbeat_stats: nullable(dictionary) });
export const nextSequence = object({ rollout_id: text, attempt_id: text });
export const wait = object({ rollout_ids: list(text) }, { timeout: nullable(number) });

export const span = object({
  rollout_id: text,
  attempt_id: text,
  sequence_id: integer,
  trace_id: text,
  span_id: text,
  parent_id: nullable(text),
  name: text,
  status: object({ status_code: literal("UNSET", "OK", "ERROR") }, { description: nullable(text) }),
  attributes: dictionary,
  events: list(dictionary),
  links: list(dictionary),
  start_time: nullable(number),
  end_time: nullable(number),
  context: nullable(dictionary),
  parent: nullable(dictionary),
  resource: dictionary,
});

const page = {
  filter_logic: literal("and", "or"),
  sort_by: nullable(text),
  sort_order: text,
  limit: integer,
  offset: integer,
};

export const findRollouts = object(
  {},
  {
    ...page,
    status_in: nullable(list(literal(...rolloutStatuses))),
    rollout_id_in: nullable(list(text)),
    rollout_id_contains: nullable(text),
  },
);
export const findAttempts = object({}, page);
export const findWorkers = object(
  {},
  {
    ...page,
    status_in: nullable(list(literal("idle", "busy", "unknown"))),
    worker_id_contains: nullable(text),
  },
);
export const findResources = object(
  {},
  { ...page, resources_id: nullable(text), resources_id_contains: nullable(text) },
);

/** Fields of spans that can be looked for, exactly or in part. */
export const spanFilters = ["trace_id", "span_id", "parent_id", "name"] as const;
export const findSpans = object(
  { rollout_id: text },
  {
    ...page,
    attempt_id: nullable(text),
    ...Object.fromEntries(
      spanFilters.flatMap((name) => [
        [name, nullable(text)],
        [`${name}_contains`, nullable(text)],
      ]),
    ),
  },
);

/** Query parameters that may be repeated, and those that are numbers. */
const repeated: ReadonlySet<string> = new Set(["status_in", "rollout_id_in"]);
const counts: ReadonlySet<string> = new Set(["limit", "offset"]);

/** A query string as the body of the same search. */
export function queryFields(parameters: URLSearchParams): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const name of new Set(parameters.keys())) {
    const values = parameters.getAll(name);
    const last = values.at(-1)!;
    fields[name] = repeated.has(name)
      ? values
      : counts.has(name) && /^[+-]?\d+$/.test(last)
        ? Number(last)
        : last;
  }
  return fields;
}

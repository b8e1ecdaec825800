import type { AttributeValue, Span } from "../../store/records.ts";
import { agentLightning, fulgurite } from "../semantic-conventions.ts";
import type { OtlpAttributes, OtlpEvent, OtlpLink, OtlpSpan, OtlpValue } from "./model.ts";
import { tokenKeys } from "./tokens.ts";

/** What a span says that OTLP cannot, as JSON in the attribute "fulgurite.span". */
export interface OwnFields {
  spanId?: string;
  traceId?: string;
  parentId?: string | null;
  runId?: string;
  rolloutId?: string;
  attemptId?: string;
  name?: string;
  startTime?: number;
  endTime?: number;
  /** Attributes whose keys or texts OTLP cannot carry. */
  attributes?: readonly (readonly [string, AttributeValue])[];
  /** Attributes that the export put there. */
  added?: readonly string[];
}

/** JSON has no NaN, infinities or -0. */
const encode = (_key: string, value: unknown): unknown =>
  typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))
    ? { number: Object.is(value, -0) ? "-0" : String(value) }
    : value;

const decode = (_key: string, value: unknown): unknown => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const { number } = value as { readonly number?: unknown };
  return typeof number === "string" ? Number(number) : value;
};

export const writeOwn = (own: OwnFields): Record<string, string> =>
  Object.keys(own).length === 0 ? {} : { [fulgurite.span]: JSON.stringify(own, encode) };

const texts = ["spanId", "traceId", "parentId", "runId", "rolloutId", "attemptId", "name"] as const;
const times = ["startTime", "endTime"] as const;
const isScalar = (value: unknown): value is AttributeValue =>
  value === null || ["string", "number", "boolean"].includes(typeof value);

/** Only what has the right type: the file may come from anywhere. */
export function readOwn(attributes: OtlpAttributes): OwnFields {
  const json = attributes[fulgurite.span];
  const own: OwnFields = {};
  if (typeof json !== "string") return own;
  let read: Record<string, unknown>;
  try {
    read = (JSON.parse(json, decode) ?? {}) as Record<string, unknown>;
  } catch {
    return own;
  }
  for (const key of texts) if (typeof read[key] === "string") own[key] = read[key];
  for (const key of times) if (typeof read[key] === "number") own[key] = read[key];
  const isPair = (entry: unknown): entry is readonly [string, AttributeValue] =>
    Array.isArray(entry) && entry.length === 2 && typeof entry[0] === "string" && isScalar(entry[1]);
  if (Array.isArray(read["attributes"])) own.attributes = read["attributes"].filter(isPair);
  if (Array.isArray(read["added"])) {
    own.added = read["added"].filter((key): key is string => typeof key === "string");
  }
  return own;
}

/** Names under which OTLP's own fields are kept in our attributes (those with a name in OpenTelemetry have it). */
const carriedKeys = {
  statusMessage: "otel.status_description",
  scopeName: "otel.scope.name",
  scopeVersion: "otel.scope.version",
  scopeAttributes: "otel.scope.attributes",
  kind: "otel.span.kind",
  traceState: "otel.trace_state",
  events: "otel.events",
  links: "otel.links",
  resource: "otel.resource",
} as const;

const kinds = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];

interface Carried {
  readonly statusMessage: string;
  readonly kind: number;
  readonly traceState: string;
  readonly events: readonly OtlpEvent[];
  readonly links: readonly OtlpLink[];
}

const eventsJson = (events: readonly OtlpEvent[]): string =>
  JSON.stringify(
    events.map(({ name, time, attributes }) => ({ name, time: String(time), attributes })),
    encode,
  );

const linksJson = (links: readonly OtlpLink[]): string => JSON.stringify(links, encode);

/** What `write` made of something, read again; null for any other text. */
function readBack<Value>(
  json: AttributeValue | undefined,
  revive: (read: never) => Value,
  write: (value: Value) => string,
): Value | null {
  if (typeof json !== "string") return null;
  try {
    const value = revive(JSON.parse(json, decode) as never);
    return write(value) === json ? value : null;
  } catch {
    return null;
  }
}

const isWell = (value: OtlpValue): boolean => typeof value !== "string" || value.isWellFormed();

/**
 * Splits a span's attributes into OTLP's own fields (`carried`), those that can go as they are (`attributes`), and
 * those that cannot because OTLP uses the key or the text is not well-formed (`kept`).
 */
export function carriedAttributes(all: Span["attributes"]): {
  readonly carried: Carried;
  readonly attributes: Record<string, OtlpValue>;
  readonly kept: readonly (readonly [string, AttributeValue])[] | null;
} {
  const events = readBack<readonly OtlpEvent[]>(
    all[carriedKeys.events],
    (read: readonly { name: string; time: string; attributes: OtlpAttributes }[]) =>
      read.map(({ name, time, attributes }) => ({
        name,
        time: BigInt.asUintN(64, BigInt(time)),
        attributes,
      })),
    eventsJson,
  );
  const links = readBack<readonly OtlpLink[]>(
    all[carriedKeys.links],
    (read: readonly OtlpLink[]) =>
      read.map(({ traceId, spanId, traceState, attributes }) => ({
        traceId,
        spanId,
        traceState,
        attributes,
      })),
    linksJson,
  );
  const message = all[carriedKeys.statusMessage];
  const state = all[carriedKeys.traceState];
  const kind = kinds.indexOf(String(all[carriedKeys.kind]));
  const isText = (value: unknown): value is string =>
    typeof value === "string" && value !== "" && value.isWellFormed();
  const used = new Set<string>();
  if (events && events.length > 0 && plain(events)) used.add(carriedKeys.events);
  if (links && links.length > 0 && plain(links) && hexadecimal(links)) used.add(carriedKeys.links);
  if (isText(message)) used.add(carriedKeys.statusMessage);
  if (isText(state)) used.add(carriedKeys.traceState);
  if (kind > 1 && typeof all[carriedKeys.kind] === "string") used.add(carriedKeys.kind);
  const attributes: Record<string, OtlpValue> = {};
  const kept: (readonly [string, AttributeValue])[] = [];
  for (const [key, value] of Object.entries(all)) {
    if (used.has(key)) continue;
    if (reserved.has(key) || !key.isWellFormed() || !isWell(value) || key === "__proto__")
      kept.push([key, value]);
    else attributes[key] = value;
  }
  return {
    carried: {
      statusMessage: used.has(carriedKeys.statusMessage) ? (message as string) : "",
      traceState: used.has(carriedKeys.traceState) ? (state as string) : "",
      kind: used.has(carriedKeys.kind) ? kind : 0,
      events: used.has(carriedKeys.events) ? events! : [],
      links: used.has(carriedKeys.links) ? links! : [],
    },
    attributes,
    kept: kept.length > 0 ? kept : null,
  };
}

const hexadecimal = (links: readonly OtlpLink[]): boolean =>
  links.every(({ traceId, spanId }) => [traceId, spanId].every((id) => /^([0-9a-f]{2})*$/.test(id)));

/** Both forms of OTLP give these back as they are: all texts well-formed, no object that stands for something else. */
function plain(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value !== "object" || value === null) return value !== undefined;
  return Object.entries(value).every(
    ([key, inner]) => key.isWellFormed() && key !== "__proto__" && plain(inner),
  );
}

const reserved: ReadonlySet<string> = new Set([
  ...tokenKeys,
  ...Object.values(carriedKeys),
  agentLightning.rolloutId,
  agentLightning.attemptId,
  agentLightning.spanSequenceId,
  fulgurite.runId,
  fulgurite.span,
  fulgurite.rollout,
]);

const ownResource: ReadonlySet<string> = new Set([
  agentLightning.rolloutId,
  agentLightning.attemptId,
  agentLightning.spanSequenceId,
  fulgurite.runId,
]);

/** OTLP's own fields as attributes of ours; those with their usual value are left out. */
export function readCarried(span: OtlpSpan): Record<string, AttributeValue> {
  const { status, kind, traceState, events, links, scope, resource } = span;
  const carried: Record<string, AttributeValue> = {};
  if (status.message !== "") carried[carriedKeys.statusMessage] = status.message;
  if (kind > 1) carried[carriedKeys.kind] = kinds[kind]!;
  if (traceState !== "") carried[carriedKeys.traceState] = traceState;
  if (events.length > 0) carried[carriedKeys.events] = eventsJson(events);
  if (links.length > 0) carried[carriedKeys.links] = linksJson(links);
  const ours = scope.name === fulgurite.provider;
  if (!ours && scope.name !== "") carried[carriedKeys.scopeName] = scope.name;
  if (!ours && scope.version !== "") carried[carriedKeys.scopeVersion] = scope.version;
  if (Object.keys(scope.attributes).length > 0) {
    carried[carriedKeys.scopeAttributes] = JSON.stringify(scope.attributes, encode);
  }
  const others = Object.entries(resource.attributes).filter(
    ([key, value]) => !ownResource.has(key) && !(key === "service.name" && value === fulgurite.provider),
  );
  if (others.length > 0) carried[carriedKeys.resource] = JSON.stringify(Object.fromEntries(others), encode);
  return carried;
}

import { importProblem, messageOf, type Imported, type ImportProblem } from "../import-problem.ts";
import {
  groupSpans,
  integer,
  mostNesting,
  statusCodes,
  type OtlpAttributes,
  type OtlpEvent,
  type OtlpLink,
  type OtlpResource,
  type OtlpScope,
  type OtlpSpan,
  type OtlpValue,
} from "./model.ts";
import { parseJsonOrLines } from "../json-lines.ts";

type Json = Readonly<Record<string, unknown>>;

/** What is wrong with one field, and its path. */
class Mismatch extends Error {}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function mismatch(path: string, wanted: string): never {
  throw new Mismatch(`${path} is no ${wanted}`);
}

/** A field under its JSON name or its name in the .proto file; null counts as absent. */
const field = (from: Json, name: string): unknown =>
  from[name] ?? from[name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)] ?? undefined;

function objectOf(from: Json, name: string, path: string): Json {
  const value = field(from, name) ?? {};
  return isObject(value) ? value : mismatch(`${path}.${name}`, "object");
}

function listOf(from: Json, name: string, path: string): readonly unknown[] {
  const value = field(from, name) ?? [];
  return Array.isArray(value) ? value : mismatch(`${path}.${name}`, "list");
}

function textOf(from: Json, name: string, path: string): string {
  const value = field(from, name) ?? "";
  return typeof value === "string" ? value : mismatch(`${path}.${name}`, "text");
}

function idOf(from: Json, name: string, path: string): string {
  const id = textOf(from, name, path).toLowerCase();
  return /^([0-9a-f]{2})*$/.test(id) ? id : mismatch(`${path}.${name}`, "hexadecimal id");
}

function nanosecondsOf(from: Json, name: string, path: string): bigint {
  const value = field(from, name) ?? "0";
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 2 ** 64)
    return BigInt(value);
  if (typeof value === "string" && /^\d{1,20}$/.test(value) && BigInt(value) < 2n ** 64n)
    return BigInt(value);
  return mismatch(`${path}.${name}`, "number of nanoseconds");
}

function base64Bytes(text: string, path: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (it) => it.charCodeAt(0));
  } catch {
    return mismatch(path, "base64");
  }
}

const numberText = /^(NaN|-?Infinity|[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?)$/;

function doubleOf(value: unknown, path: string): number {
  if (typeof value === "number") return value;
  if (typeof value === "string" && numberText.test(value)) return Number(value);
  return mismatch(path, "number");
}

function integerOf(value: unknown, path: string): number | string {
  if (typeof value === "number" && Number.isInteger(value)) return integer(BigInt(value));
  if (typeof value === "string" && /^[-+]?\d{1,20}$/.test(value))
    return integer(BigInt.asIntN(64, BigInt(value)));
  return mismatch(path, "whole number");
}

function valueOf(value: unknown, path: string, depth = 0): OtlpValue {
  if (depth > mostNesting) return mismatch(path, `value of at most ${mostNesting} levels`);
  if (value === undefined || value === null) return null;
  if (!isObject(value)) return mismatch(path, "AnyValue");
  const string = field(value, "stringValue");
  if (string !== undefined) return typeof string === "string" ? string : mismatch(path, "text");
  const bool = field(value, "boolValue");
  if (bool !== undefined) return typeof bool === "boolean" ? bool : mismatch(path, "boolean");
  const int = field(value, "intValue");
  if (int !== undefined) return integerOf(int, path);
  const double = field(value, "doubleValue");
  if (double !== undefined) return doubleOf(double, path);
  const list = field(value, "arrayValue");
  if (list !== undefined) {
    if (!isObject(list)) return mismatch(path, "list");
    return listOf(list, "values", path).map((item, i) => valueOf(item, `${path}[${i}]`, depth + 1));
  }
  const pairs = field(value, "kvlistValue");
  if (pairs !== undefined) {
    if (!isObject(pairs)) return mismatch(path, "list of pairs");
    return attributesOf(pairs, "values", path, depth + 1);
  }
  const bytes = field(value, "bytesValue");
  if (bytes !== undefined)
    return typeof bytes === "string" ? base64Bytes(bytes, path) : mismatch(path, "base64");
  return null;
}

function attributesOf(from: Json, name: string, path: string, depth = 0): OtlpAttributes {
  return Object.fromEntries(
    listOf(from, name, path).map((entry, i): [string, OtlpValue] => {
      const at = `${path}.${name}[${i}]`;
      if (!isObject(entry)) return mismatch(at, "pair of key and value");
      return [textOf(entry, "key", at), valueOf(field(entry, "value"), `${at}.value`, depth)];
    }),
  );
}

const objects = (from: Json, name: string, path: string): readonly Json[] =>
  listOf(from, name, path).map((entry, i) =>
    isObject(entry) ? entry : mismatch(`${path}.${name}[${i}]`, "object"),
  );

function eventOf(from: Json, path: string): OtlpEvent {
  return {
    name: textOf(from, "name", path),
    time: nanosecondsOf(from, "timeUnixNano", path),
    attributes: attributesOf(from, "attributes", path),
  };
}

function linkOf(from: Json, path: string): OtlpLink {
  return {
    traceId: idOf(from, "traceId", path),
    spanId: idOf(from, "spanId", path),
    traceState: textOf(from, "traceState", path),
    attributes: attributesOf(from, "attributes", path),
  };
}

function codeOf(from: Json): OtlpSpan["status"]["code"] {
  const code = field(from, "code") ?? 0;
  if (typeof code === "number") return statusCodes[code] ?? "unset";
  const name = String(code).replace("STATUS_CODE_", "").toLowerCase();
  return statusCodes.find((known) => known === name) ?? "unset";
}

function spanOf(from: unknown, path: string, resource: OtlpResource, scope: OtlpScope): OtlpSpan {
  if (!isObject(from)) return mismatch(path, "object");
  const status = objectOf(from, "status", path);
  const kind = field(from, "kind") ?? 0;
  return {
    traceId: idOf(from, "traceId", path),
    spanId: idOf(from, "spanId", path),
    parentId: idOf(from, "parentSpanId", path) || null,
    traceState: textOf(from, "traceState", path),
    name: textOf(from, "name", path),
    kind: typeof kind === "number" && Number.isInteger(kind) && kind >= 0 && kind < 6 ? kind : 0,
    startTime: nanosecondsOf(from, "startTimeUnixNano", path),
    endTime: nanosecondsOf(from, "endTimeUnixNano", path),
    attributes: attributesOf(from, "attributes", path),
    events: objects(from, "events", path).map((event, i) => eventOf(event, `${path}.events[${i}]`)),
    links: objects(from, "links", path).map((link, i) => linkOf(link, `${path}.links[${i}]`)),
    status: { code: codeOf(status), message: textOf(status, "message", path) },
    resource,
    scope,
  };
}

/**
 * Reads a TracesData or ExportTraceServiceRequest as JSON, a list of them, or one a line (as the OpenTelemetry Collector
 * writes files). A span that cannot be read is a problem ("import/otlp-json", with its number and path), and so is a
 * line; the others are kept.
 */
export function decodeOtlpJson(text: string): Imported<OtlpSpan> {
  const items: OtlpSpan[] = [];
  const parsed = parseJsonOrLines(text, "otlp-json", "an OTLP trace");
  const problems: ImportProblem[] = [...parsed.problems];
  let row = 0;
  const guarded = (read: () => void, place: { readonly row?: number; readonly byte?: number }): void => {
    try {
      read();
    } catch (error) {
      const message =
        error instanceof Mismatch ? `${error.message}.` : `A value could not be read: ${messageOf(error)}.`;
      const fix = "Export the trace again as OTLP JSON (`resourceSpans`).";
      problems.push(importProblem("otlp-json", message, fix, place));
    }
  };
  const readScope = (from: Json, path: string, resource: OtlpResource): void => {
    const own = objectOf(from, "scope", path);
    const scope: OtlpScope = {
      name: textOf(own, "name", path),
      version: textOf(own, "version", path),
      attributes: attributesOf(own, "attributes", `${path}.scope`),
    };
    listOf(from, "spans", path).forEach((span, i) => {
      row++;
      guarded(() => items.push(spanOf(span, `${path}.spans[${i}]`, resource, scope)), { row });
    });
  };
  const readResource = (from: unknown, path: string): void => {
    if (!isObject(from)) mismatch(path, "object");
    const resource: OtlpResource = {
      attributes: attributesOf(objectOf(from, "resource", path), "attributes", `${path}.resource`),
      schemaUrl: textOf(from, "schemaUrl", path),
    };
    objects(from, "scopeSpans", path).forEach((scope, i) => {
      guarded(() => {
        readScope(scope, `${path}.scopeSpans[${i}]`, resource);
      }, {});
    });
  };
  for (const { value, line, byte } of parsed.items) {
    const place = { byte, row: line };
    for (const request of Array.isArray(value) ? (value as readonly unknown[]) : [value]) {
      guarded(() => {
        if (!isObject(request) || field(request, "resourceSpans") === undefined) {
          throw new Mismatch("There is no `resourceSpans` in it");
        }
        listOf(request, "resourceSpans", "").forEach((resource, i) => {
          guarded(() => {
            readResource(resource, `resourceSpans[${i}]`);
          }, place);
        });
      }, place);
    }
  }
  return { items, problems };
}

/** JSON has no -0, NaN and infinities; protobuf's JSON writes them as text. */
function valueJson(value: OtlpValue): unknown {
  if (value === null) return {};
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "number") {
    if (Object.is(value, -0)) return { doubleValue: "-0" };
    if (Number.isSafeInteger(value)) return { intValue: String(value) };
    return { doubleValue: Number.isFinite(value) ? value : String(value) };
  }
  if (value instanceof Uint8Array) {
    let binary = "";
    for (const byte of value) binary += String.fromCharCode(byte);
    return { bytesValue: btoa(binary) };
  }
  if (Array.isArray(value)) return { arrayValue: { values: (value as readonly OtlpValue[]).map(valueJson) } };
  return { kvlistValue: { values: attributesJson(value as OtlpAttributes) } };
}

const attributesJson = (attributes: OtlpAttributes): unknown[] =>
  Object.entries(attributes).map(([key, value]) => ({ key, value: valueJson(value) }));

const text = (name: string, value: string): Json => (value === "" ? {} : { [name]: value });
const list = (name: string, values: readonly unknown[]): Json =>
  values.length === 0 ? {} : { [name]: values };

const spanJson = (span: OtlpSpan): Json => ({
  traceId: span.traceId,
  spanId: span.spanId,
  ...text("traceState", span.traceState),
  ...(span.parentId === null ? {} : { parentSpanId: span.parentId }),
  name: span.name,
  ...(span.kind === 0 ? {} : { kind: span.kind }),
  startTimeUnixNano: String(span.startTime),
  endTimeUnixNano: String(span.endTime),
  ...list("attributes", attributesJson(span.attributes)),
  ...list(
    "events",
    span.events.map(({ name, time, attributes }) => ({
      timeUnixNano: String(time),
      name,
      ...list("attributes", attributesJson(attributes)),
    })),
  ),
  ...list(
    "links",
    span.links.map(({ traceId, spanId, traceState, attributes }) => ({
      traceId,
      spanId,
      ...text("traceState", traceState),
      ...list("attributes", attributesJson(attributes)),
    })),
  ),
  status: {
    ...(span.status.code === "unset" ? {} : { code: statusCodes.indexOf(span.status.code) }),
    ...text("message", span.status.message),
  },
});

/** One ExportTraceServiceRequest as JSON. The same spans always give the same text. */
export function encodeOtlpJson(spans: readonly OtlpSpan[]): string {
  const resourceSpans = groupSpans(spans).map(({ resource, scopes }) => ({
    resource: list("attributes", attributesJson(resource.attributes)),
    scopeSpans: scopes.map(({ scope, spans: members }) => ({
      scope: {
        ...text("name", scope.name),
        ...text("version", scope.version),
        ...list("attributes", attributesJson(scope.attributes)),
      },
      spans: members.map(spanJson),
    })),
    ...text("schemaUrl", resource.schemaUrl),
  }));
  return JSON.stringify({ resourceSpans });
}

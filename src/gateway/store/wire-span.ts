import type { AttributeValue, Span } from "../../store/records.ts";
import type { RolloutSpan } from "../../store/rollout-queue.ts";
import type { OtlpSpan, OtlpValue } from "../../trace/otlp/model.ts";
import { spansToOtlp } from "../../trace/otlp/spans.ts";
import { readTokens, tokenAttributes } from "../../trace/otlp/tokens.ts";
import { agentLightning } from "../../trace/semantic-conventions.ts";
import { milliseconds, seconds } from "./wire.ts";
import { isFields, type Fields } from "./validation.ts";

/** Attribute that keeps, as JSON, what a span of the original says and ours has no field for. */
const extraKey = "agentlightning.span";

/** Fields that ours has; all others are kept as they are. */
const ownFields: ReadonlySet<string> = new Set([
  "rollout_id",
  "attempt_id",
  "sequence_id",
  "trace_id",
  "span_id",
  "parent_id",
  "name",
]);

const idKeys = [agentLightning.promptTokenIds, agentLightning.responseTokenIds] as const;

interface Extra {
  /** Everything but the own fields, without the attributes that became ours. */
  readonly span: Fields;
  /** True where the token ids are in the span's token columns. */
  readonly tokens: boolean;
}

const isScalar = (value: unknown): value is AttributeValue =>
  value === null || ["string", "number", "boolean"].includes(typeof value);

/** The original takes times above 10^12 for nanoseconds. */
const secondsOf = (time: unknown): unknown => (typeof time === "number" && time > 1e12 ? time / 1e9 : time);

/** A span as clients of the original send it, checked before. `now` stands for times it does not say. */
export function spanFromWire(wire: Fields, now: number): RolloutSpan {
  const given = wire["attributes"] as Fields;
  const tokens = readTokens(given as Readonly<Record<string, OtlpValue>>);
  const attributes: Record<string, AttributeValue> = {};
  const others: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(given)) {
    if (tokens && (idKeys as readonly string[]).includes(key)) continue;
    if (isScalar(value) && key !== extraKey) attributes[key] = value;
    else others[key] = value;
  }
  const rest = Object.fromEntries(Object.entries(wire).filter(([key]) => !ownFields.has(key)));
  const extra: Extra = {
    span: {
      ...rest,
      attributes: others,
      start_time: secondsOf(wire["start_time"]),
      end_time: secondsOf(wire["end_time"]),
    },
    tokens: tokens !== null,
  };
  attributes[extraKey] = JSON.stringify(extra);
  const time = (value: unknown): number =>
    typeof value === "number" ? milliseconds(secondsOf(value) as number) : now;
  const status = wire["status"] as { readonly status_code: "UNSET" | "OK" | "ERROR" };
  return {
    spanId: wire["span_id"] as string,
    traceId: wire["trace_id"] as string,
    parentId: wire["parent_id"] as string | null,
    rolloutId: wire["rollout_id"] as string,
    attemptId: wire["attempt_id"] as string,
    sequence: wire["sequence_id"] as number | null,
    name: wire["name"] as string,
    status: status.status_code.toLowerCase() as Span["status"],
    startTime: time(wire["start_time"]),
    endTime: time(wire["end_time"]),
    attributes,
    ...(tokens ? { tokens } : {}),
  };
}

function extraOf(json: AttributeValue | undefined): Extra | null {
  if (typeof json !== "string") return null;
  try {
    const extra = JSON.parse(json) as unknown;
    return isFields(extra) && isFields(extra["span"]) ? (extra as unknown as Extra) : null;
  } catch {
    return null;
  }
}

const identity = (span: Span): Fields => ({
  rollout_id: span.rolloutId,
  attempt_id: span.attemptId,
  sequence_id: span.sequence,
  trace_id: span.traceId,
  span_id: span.spanId,
  parent_id: span.parentId,
});

/** As it was sent; a span that a training run made, as the original would have made it. */
export function wireSpan(span: Span): Fields {
  const { [extraKey]: json, ...attributes } = span.attributes;
  const extra = extraOf(json);
  if (extra) {
    const ids =
      extra.tokens && span.tokens
        ? Object.fromEntries(
            Object.entries(tokenAttributes(span.tokens)).filter(
              ([key]) => key === idKeys[0] || key === idKeys[1],
            ),
          )
        : {};
    const kept = extra.span["attributes"] as Fields;
    return {
      ...identity(span),
      name: span.name,
      ...extra.span,
      attributes: { ...attributes, ...ids, ...kept },
    };
  }
  // Its adapters know a model call by the name.
  const [otlp] = spansToOtlp([span], { dialect: "agent-lightning" });
  return {
    ...identity(span),
    name: otlp!.name,
    status: { status_code: span.status.toUpperCase(), description: null },
    attributes: { ...attributes, ...(span.tokens ? tokenAttributes(span.tokens) : {}) },
    events: [],
    links: [],
    start_time: seconds(span.startTime),
    end_time: seconds(span.endTime),
    context: null,
    parent: null,
    resource: { attributes: {}, schema_url: "" },
  };
}

const nanoseconds = (time: bigint): number => Number(time) / 1e9;

/** OTLP's values as JSON has them. */
function plain(value: OtlpValue): unknown {
  if (value instanceof Uint8Array) return Array.from(value);
  if (Array.isArray(value)) return (value as readonly OtlpValue[]).map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

const context = (traceId: string, spanId: string): Fields => ({
  trace_id: traceId,
  span_id: spanId,
  is_remote: false,
  trace_state: {},
});

/**
 * A span that came as OTLP, as the original would send it on; null where it names no rollout or attempt. What the span
 * says of them goes before what its resource says.
 */
export function wireFromOtlp(span: OtlpSpan): Fields | null {
  const said = (key: string): unknown => span.attributes[key] ?? span.resource.attributes[key];
  const rollout = said(agentLightning.rolloutId);
  const attempt = said(agentLightning.attemptId);
  if (typeof rollout !== "string" || typeof attempt !== "string" || span.spanId === "") return null;
  const sequence = Number(said(agentLightning.spanSequenceId) ?? Number.NaN);
  return {
    rollout_id: rollout,
    attempt_id: attempt,
    sequence_id: Number.isInteger(sequence) && sequence >= 0 && sequence < 2 ** 31 ? sequence : null,
    trace_id: span.traceId,
    span_id: span.spanId,
    parent_id: span.parentId,
    name: span.name,
    status: { status_code: span.status.code.toUpperCase(), description: span.status.message || null },
    attributes: plain(span.attributes),
    events: span.events.map(({ name, time, attributes }) => ({
      name,
      attributes: plain(attributes),
      timestamp: nanoseconds(time),
    })),
    links: span.links.map(({ traceId, spanId, attributes }) => ({
      context: context(traceId, spanId),
      attributes: plain(attributes),
    })),
    start_time: nanoseconds(span.startTime),
    end_time: nanoseconds(span.endTime),
    context: context(span.traceId, span.spanId),
    parent: span.parentId === null ? null : context(span.traceId, span.parentId),
    resource: { attributes: plain(span.resource.attributes), schema_url: span.resource.schemaUrl },
  };
}

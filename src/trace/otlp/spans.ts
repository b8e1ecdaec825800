import type { AttributeValue, Span, TokenColumns } from "../../store/records.ts";
import { importProblem, type Imported, type ImportProblem } from "../import-problem.ts";
import { isModelCall } from "../model-call.ts";
import { agentLightning, fulgurite, genAi } from "../semantic-conventions.ts";
import { carriedAttributes, readCarried, readOwn, writeOwn, type OwnFields } from "./carried.ts";
import { spanIdFor, traceIdFor } from "./ids.ts";
import type { OtlpAttributes, OtlpResource, OtlpScope, OtlpSpan, OtlpValue } from "./model.ts";
import { readTokens, tokenAttributes, tokenKeys } from "./tokens.ts";

export interface OtlpOptions {
  /**
   * "training" carries token ids and log-probabilities and comes back as it was. "observability" leaves them out and
   * repeats a call's messages under OpenInference's names, for Langfuse, Phoenix and others. Default "training".
   */
  readonly profile?: "training" | "observability";
  /**
   * "agent-lightning" names model calls "openai.chat.completion", which is what Agent Lightning v0.3's adapters look for.
   * Default "opentelemetry" (GenAI conventions: "chat {model}").
   */
  readonly dialect?: "opentelemetry" | "agent-lightning";
}

const scope: OtlpScope = { name: "fulgurite", version: "1", attributes: {} };
const agentLightningCall = "openai.chat.completion";

/** Milliseconds as nanoseconds, to the nearest; null for what 64 bits cannot hold. */
export function nanoseconds(time: number): bigint | null {
  if (!(time >= 0 && time < 2 ** 44)) return null;
  const whole = Math.floor(time);
  return BigInt(whole) * 1_000_000n + BigInt(Math.round((time - whole) * 1e6));
}

/** Nanoseconds as milliseconds. */
export const milliseconds = (time: bigint): number =>
  Number(time / 1_000_000n) + Number(time % 1_000_000n) / 1e6;

/** Attributes under which OpenInference's readers find what a call said; none where they are taken. */
function openInference({ attributes }: Span): Record<string, string> {
  const input = attributes[genAi.inputMessages];
  const output = attributes[genAi.outputMessages];
  return {
    "openinference.span.kind": "LLM",
    ...(typeof input === "string" ? { "input.value": input, "input.mime_type": "application/json" } : {}),
    ...(typeof output === "string" ? { "output.value": output, "output.mime_type": "application/json" } : {}),
  };
}

/** Spans as OTLP has them. Everything that OTLP cannot say by itself is kept in one attribute, and comes back. */
export function spansToOtlp(spans: readonly Span[], options: OtlpOptions = {}): OtlpSpan[] {
  const { profile = "training", dialect = "opentelemetry" } = options;
  const resources = new Map<string, OtlpResource>();
  const resourceOf = ({ runId, rolloutId, attemptId }: Span): OtlpResource => {
    const key = JSON.stringify([runId, rolloutId, attemptId]);
    let resource = resources.get(key);
    if (!resource) {
      const attributes: Record<string, OtlpValue> = { "service.name": fulgurite.provider };
      if (runId.isWellFormed()) attributes[fulgurite.runId] = runId;
      if (rolloutId?.isWellFormed()) attributes[agentLightning.rolloutId] = rolloutId;
      if (attemptId?.isWellFormed()) attributes[agentLightning.attemptId] = attemptId;
      resources.set(key, (resource = { attributes, schemaUrl: "" }));
    }
    return resource;
  };
  return spans.map((span): OtlpSpan => {
    const call = isModelCall(span);
    const own: OwnFields = {};
    const { carried, attributes, kept } = carriedAttributes(span.attributes);
    if (kept) own.attributes = kept;
    const traceId = traceIdFor(span.traceId);
    const spanId = spanIdFor(span.spanId);
    const parentId = span.parentId === null ? null : spanIdFor(span.parentId);
    if (traceId !== span.traceId) own.traceId = span.traceId;
    if (spanId !== span.spanId) own.spanId = span.spanId;
    if (parentId !== span.parentId) own.parentId = span.parentId;
    if (!span.runId.isWellFormed()) own.runId = span.runId;
    if (span.rolloutId?.isWellFormed() === false) own.rolloutId = span.rolloutId;
    if (span.attemptId?.isWellFormed() === false) own.attemptId = span.attemptId;
    const startTime = nanoseconds(span.startTime) ?? 0n;
    const endTime = nanoseconds(span.endTime) ?? 0n;
    if (!Object.is(milliseconds(startTime), span.startTime)) own.startTime = span.startTime;
    if (!Object.is(milliseconds(endTime), span.endTime)) own.endTime = span.endTime;
    const renamed = dialect === "agent-lightning" && call;
    const name = renamed ? agentLightningCall : span.name.isWellFormed() ? span.name : "span";
    if (name !== span.name) own.name = span.name;
    const added = profile === "observability" && call ? openInference(span) : {};
    const addedKeys = Object.keys(added).filter((key) => !(key in span.attributes));
    if (addedKeys.length > 0) own.added = addedKeys;
    const all: Record<string, OtlpValue> = {
      ...attributes,
      ...Object.fromEntries(addedKeys.map((key) => [key, added[key]!])),
      [agentLightning.spanSequenceId]: span.sequence,
      ...(span.tokens && profile === "training" ? tokenAttributes(span.tokens) : {}),
      ...writeOwn(own),
    };
    return {
      traceId,
      spanId,
      parentId,
      name,
      startTime,
      endTime,
      attributes: all,
      status: { code: span.status, message: carried.statusMessage },
      kind: carried.kind || 1,
      traceState: carried.traceState,
      events: carried.events,
      links: carried.links,
      resource: resourceOf(span),
      scope,
    };
  });
}

/** A span read from OTLP; null where it said nothing of the sort. */
export interface ReadSpan extends Omit<Span, "runId" | "sequence"> {
  readonly runId: string | null;
  readonly sequence: number | null;
}

const idOf = (value: OtlpValue | undefined): string | null =>
  value === undefined || value === null ? null : typeof value === "string" ? value : JSON.stringify(value);

/** From a number or a text of digits; null for anything else, and for what is negative. */
function sequenceOf(value: OtlpValue | undefined): number | null {
  const number = typeof value === "string" && /^\s*\d+\s*$/.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isInteger(number) && number >= 0 && number < 2 ** 31
    ? number
    : null;
}

const ownKeys = new Set<string>([
  agentLightning.spanSequenceId,
  agentLightning.rolloutId,
  agentLightning.attemptId,
  fulgurite.runId,
  fulgurite.span,
]);

/**
 * One span from OTLP. Rollout, attempt and sequence come from the span's attributes, else from its resource's. What our
 * spans have no field for (events, links, other lists) is kept in attributes, as JSON where it is no scalar.
 */
export function readOtlpSpan(span: OtlpSpan): ReadSpan {
  const from = (key: string): OtlpValue | undefined =>
    span.attributes[key] ?? span.resource.attributes[key] ?? undefined;
  const own = readOwn(span.attributes);
  const tokens = readTokens(span.attributes);
  const added = new Set(own.added ?? []);
  const attributes: Record<string, AttributeValue> = {};
  for (const [key, value] of Object.entries(span.attributes)) {
    const handled = ownKeys.has(key) || added.has(key) || (tokens !== null && tokenKeys.has(key));
    if (!handled) define(attributes, key, scalarOf(value));
  }
  for (const [key, value] of Object.entries(readCarried(span))) define(attributes, key, value);
  for (const [key, value] of own.attributes ?? []) define(attributes, key, value);
  return {
    spanId: own.spanId ?? span.spanId,
    traceId: own.traceId ?? span.traceId,
    parentId: own.parentId ?? span.parentId,
    runId: own.runId ?? idOf(from(fulgurite.runId)),
    rolloutId: own.rolloutId ?? idOf(from(agentLightning.rolloutId)),
    attemptId: own.attemptId ?? idOf(from(agentLightning.attemptId)),
    sequence: sequenceOf(from(agentLightning.spanSequenceId)),
    name: own.name ?? span.name,
    status: span.status.code,
    startTime: own.startTime ?? milliseconds(span.startTime),
    endTime: own.endTime ?? milliseconds(span.endTime),
    attributes,
    ...(tokens ? { tokens } : {}),
  };
}

/** Sets also what an assignment would not, such as "__proto__". */
function define(on: Record<string, AttributeValue>, key: string, value: AttributeValue): void {
  Object.defineProperty(on, key, { value, enumerable: true, writable: true, configurable: true });
}

function scalarOf(value: OtlpValue): AttributeValue {
  if (value === null || typeof value !== "object") return value;
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner instanceof Uint8Array ? { bytes: Array.from(inner) } : inner,
  );
}

export interface OtlpImportOptions {
  /** Run of the spans that name none. */
  readonly runId: string;
  /** Rollout of the spans that name none; default none. */
  readonly rolloutId?: string | null;
}

export interface OtlpImport extends Imported<Span> {
  /** Model calls without token ids: good for prompts and supervised training, not for policy gradients. */
  readonly callsWithoutTokens: number;
}

/** Spans from OTLP, numbered within their rollout where they were not. A span with no id or name is a problem. */
export function spansFromOtlp(from: Imported<OtlpSpan>, options: OtlpImportOptions): OtlpImport {
  const problems: ImportProblem[] = [...from.problems];
  const read: ReadSpan[] = [];
  from.items.forEach((item, i) => {
    const span = readOtlpSpan(item);
    if (span.spanId !== "") read.push(span);
    else {
      const message = `Span ${i + 1} ("${span.name}") has no id.`;
      const fix = "Export the trace again; every span needs a spanId.";
      problems.push(importProblem("otlp-span", message, fix, { row: i + 1 }));
    }
  });
  const rolloutOf = (span: ReadSpan): string | null => span.rolloutId ?? options.rolloutId ?? null;
  const runOf = (span: ReadSpan): string => span.runId ?? options.runId;
  const last = new Map<string, number>();
  const keyOf = (span: ReadSpan): string => JSON.stringify([runOf(span), rolloutOf(span)]);
  for (const span of read) {
    if (span.sequence !== null) last.set(keyOf(span), Math.max(last.get(keyOf(span)) ?? 0, span.sequence));
  }
  const items = read.map((span): Span => {
    let { sequence } = span;
    if (sequence === null) last.set(keyOf(span), (sequence = (last.get(keyOf(span)) ?? -1) + 1));
    return { ...span, runId: runOf(span), rolloutId: rolloutOf(span), sequence };
  });
  const callsWithoutTokens = items.filter((span) => isModelCall(span) && !hasTokens(span.tokens)).length;
  return { items, problems, callsWithoutTokens };
}

const hasTokens = (tokens: TokenColumns | undefined): boolean => (tokens?.responseIds.length ?? 0) > 0;

export type { OtlpAttributes };

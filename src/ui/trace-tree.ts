import { conversationOf } from "../adapter/chat-messages.ts";
import type { Span } from "../store/records.ts";
import { isModelCall } from "../trace/model-call.ts";
import { rewardsOf } from "../trace/rewards.ts";
import { agentLightning, genAi } from "../trace/semantic-conventions.ts";
import { partsText } from "./message-text.ts";

export type SpanKind = "rollout" | "call" | "reward" | "operation" | "exception" | "emission";

/** One line of the tree and of the waterfall. */
export interface TraceRow {
  readonly span: Span;
  readonly kind: SpanKind;
  /** 0 for the root. */
  readonly depth: number;
  /** Shares of the whole trace's time, 0 to 1. */
  readonly from: number;
  readonly share: number;
}

/** Spans of one rollout as a tree, parents before children, children by sequence. A lost parent makes a root. */
export function traceRows(spans: readonly Span[]): TraceRow[] {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const children = new Map<string | null, Span[]>();
  for (const span of spans) {
    const parent = span.parentId !== null && ids.has(span.parentId) ? span.parentId : null;
    const siblings = children.get(parent);
    if (siblings) siblings.push(span);
    else children.set(parent, [span]);
  }
  for (const siblings of children.values()) siblings.sort(inOrder);
  const start = Math.min(...spans.map(({ startTime }) => startTime));
  const whole = Math.max(...spans.map(({ endTime }) => endTime)) - start;
  const rows: TraceRow[] = [];
  const seen = new Set<string>();
  const visit = (span: Span, depth: number): void => {
    if (seen.has(span.spanId)) return;
    seen.add(span.spanId);
    rows.push({
      span,
      kind: spanKind(span),
      depth,
      from: whole > 0 ? (span.startTime - start) / whole : 0,
      share: whole > 0 ? (span.endTime - span.startTime) / whole : 1,
    });
    for (const child of children.get(span.spanId) ?? []) visit(child, depth + 1);
  };
  for (const root of children.get(null) ?? []) visit(root, 0);
  // Parents in a circle have no root; they are shown all the same.
  for (const span of spans) visit(span, 0);
  return rows;
}

// A root is often written last, when its rollout has ended; it began first all the same.
const inOrder = (a: Span, b: Span): number =>
  Number(b.parentId === null) - Number(a.parentId === null) ||
  a.startTime - b.startTime ||
  a.sequence - b.sequence;

function spanKind(span: Span): SpanKind {
  if (isModelCall(span)) return "call";
  const failedReward = span.name === agentLightning.annotation && span.status === "error";
  if (failedReward || rewardsOf(span).length > 0) return "reward";
  if (span.parentId === null) return "rollout";
  if (span.name === agentLightning.operation) return "operation";
  return span.name === agentLightning.exception ? "exception" : "emission";
}

/** What a reward span says: the sum, and its components where there are several; of an agent's own, every dimension. */
export function rewardWords(span: Span, figure: (value: number) => string): string {
  const [first, ...others] = rewardsOf(span);
  if (!first) return "failed";
  const words = (parts: typeof others): string =>
    parts.map(({ name, value }) => `${name} ${figure(value)}`).join(", ");
  if (first.name !== agentLightning.primary) return words([first, ...others]);
  return others.length < 2 ? figure(first.value) : `${figure(first.value)} of ${words(others)}`;
}

/** What an agent emitted or logged: its name, and the value as text; of an error its type and message. */
export function emissionOf({ name, attributes }: Span): { readonly name: string; readonly value: string } {
  const thrown = attributes["exception.message"] ?? attributes["exception.type"];
  const value =
    attributes[agentLightning.objectLiteral] ??
    attributes[agentLightning.objectJson] ??
    attributes[agentLightning.messageBody] ??
    thrown ??
    attributes[genAi.errorMessage] ??
    "";
  const said =
    attributes[agentLightning.tag(0)] ??
    attributes[agentLightning.operationName] ??
    (thrown === undefined ? null : attributes["exception.type"]);
  return { name: String(said ?? name.replace(/^agentlightning\./, "")), value: String(value) };
}

export interface Message {
  readonly role: string;
  readonly text: string;
}

/** What was said in a model call, in order; tolerant of every way in which messages are written, by us and by others. */
export function messagesOf(span: Span): Message[] {
  const own = [
    ...parseMessages(span.attributes[genAi.inputMessages], "user"),
    ...parseMessages(span.attributes[genAi.outputMessages], "assistant"),
  ];
  if (own.length > 0) return own;
  const { prompt, completion } = conversationOf(span) ?? { prompt: [], completion: [] };
  return [...prompt, ...completion].map(({ role, content, tool_calls: calls = [] }) => ({
    role,
    text: [
      partsText(content ?? ""),
      ...calls.map((call) => `${call.function.name}(${call.function.arguments})`),
    ]
      .filter((text) => text !== "")
      .join("\n"),
  }));
}

function parseMessages(json: unknown, role: string): Message[] {
  if (typeof json !== "string" || json === "") return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    return [{ role, text: json }];
  }
  return (Array.isArray(parsed) ? parsed : [parsed]).map((message: unknown) => {
    if (typeof message !== "object" || message === null) return { role, text: String(message) };
    const { role: said, content, parts } = message as Record<string, unknown>;
    const text = content ?? parts;
    return { role: typeof said === "string" ? said : role, text: partsText(text) };
  });
}

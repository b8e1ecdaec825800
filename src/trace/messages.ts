/** A message in the form of OpenTelemetry's GenAI conventions. */
interface Message {
  readonly role: string;
  readonly parts: readonly Readonly<Record<string, unknown>>[];
  readonly finish_reason?: string;
}

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null;
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const textPart = (content: unknown): Fields => ({ type: "text", content });

/** Any value as JSON; what JSON does not know becomes text. */
export function json(value: unknown): string {
  const replace = (_key: string, inner: unknown): unknown => {
    if (typeof inner === "bigint") return String(inner);
    if (ArrayBuffer.isView(inner) && !(inner instanceof DataView)) return Array.from(inner as Uint8Array);
    if (inner instanceof Map || inner instanceof Set) return [...inner] as unknown[];
    return inner;
  };
  try {
    // Undefined and functions have no JSON.
    return (JSON.stringify(value, replace) as string | undefined) ?? "null";
  } catch {
    return JSON.stringify(String(value));
  }
}

/** The messages of a request to chat completions, or the prompts of one to completions. Anything may be in a body. */
export function messagesOf(body: Fields): Message[] {
  if (body["messages"] === undefined) {
    const prompts = Array.isArray(body["prompt"]) ? body["prompt"] : [body["prompt"]];
    return prompts.map((prompt: unknown) => ({ role: "user", parts: [textPart(prompt)] }));
  }
  return list(body["messages"])
    .filter(isFields)
    .map((message) => ({ role: String(message["role"]), parts: partsOf(message) }));
}

function partsOf({ role, content, tool_calls: calls, tool_call_id: id }: Fields): Fields[] {
  if (role === "tool") return [{ type: "tool_call_response", id, response: content }];
  const text = Array.isArray(content)
    ? content.map((part: unknown) =>
        isFields(part) && part["type"] === "text" ? textPart(part["text"]) : part,
      )
    : content === null || content === undefined
      ? []
      : [textPart(content)];
  const asked = list(calls)
    .filter(isFields)
    .map(({ id: callId, function: called }) => ({
      type: "tool_call",
      id: callId,
      ...(isFields(called) ? { name: called["name"], arguments: called["arguments"] } : {}),
    }));
  return [...text.filter(isFields), ...asked];
}

/** The one message of a completion. */
export const outputMessages = (text: string, finishReason: string | null): Message[] => [
  {
    role: "assistant",
    parts: [textPart(text)],
    ...(finishReason === null ? {} : { finish_reason: finishReason }),
  },
];

import { nestedBelow } from "../trace/attributes.ts";
import { genAi } from "../trace/semantic-conventions.ts";
import type { AdapterSpan } from "./trace-tree.ts";

export interface ChatToolCall {
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; readonly arguments: string };
}

/** A message as OpenAI's chat and fine-tuning have it. */
export interface ChatMessage {
  readonly role: string;
  /** Text, or parts where there are images; null for a message that only calls tools. */
  readonly content: string | null | readonly unknown[];
  readonly tool_calls?: readonly ChatToolCall[];
  readonly tool_call_id?: string;
}

export interface ChatTool {
  readonly type: "function";
  readonly function: { readonly name: string; readonly description: string; readonly parameters: unknown };
}

/** One model call as a training example for supervised fine-tuning. */
export interface ChatExample {
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly ChatTool[] | null;
}

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const fieldsOf = (value: unknown): Fields => (isFields(value) ? value : {});
const listOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? (value as readonly unknown[]) : [];
const textOf = (value: unknown): string =>
  typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);

function parse(value: unknown): unknown {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return undefined;
  }
}

/** Entries of a list, or of an object with numbers for keys among others, in order. */
function entriesOf(value: unknown): readonly Fields[] {
  if (Array.isArray(value)) return value.filter(isFields);
  if (!isFields(value)) return [];
  const keys = Object.keys(value).filter((key) => /^\d+$/.test(key));
  return keys.sort((a, b) => Number(a) - Number(b)).map((key) => fieldsOf(value[key]));
}

function toolCall(call: Fields): ChatToolCall {
  const called = fieldsOf(call["function"] ?? call);
  return {
    id: textOf(call["id"]),
    type: "function",
    function: { name: textOf(called["name"]), arguments: textOf(called["arguments"]) },
  };
}

/** A message with the role that it must have had where tracers left it out; null where it cannot be known. */
function messageOf(fields: Fields, fallback: string | null): ChatMessage | null {
  const calls = entriesOf(fields["tool_calls"]).map((call) => toolCall(fieldsOf(call["tool_call"] ?? call)));
  const answers = fields["tool_call_id"];
  const role = fields["role"] ?? (calls.length > 0 ? "assistant" : answers === undefined ? fallback : "tool");
  if (typeof role !== "string") return null;
  const { content } = fields;
  if (role === "assistant" && calls.length > 0) {
    return {
      role,
      content: typeof content === "string" && content !== "" ? content : null,
      tool_calls: calls,
    };
  }
  return {
    role,
    content: Array.isArray(content) ? (content as readonly unknown[]) : textOf(content),
    ...(typeof answers === "string" ? { tool_call_id: answers } : {}),
  };
}

/** A message of OpenTelemetry's GenAI conventions: role and parts. */
function fromParts(message: Fields): ChatMessage {
  const parts = listOf(message["parts"]).filter(isFields);
  const answer = parts.find(({ type }) => type === "tool_call_response");
  if (answer) {
    return { role: "tool", content: textOf(answer["response"]), tool_call_id: textOf(answer["id"]) };
  }
  const calls = parts.filter(({ type }) => type === "tool_call").map(toolCall);
  const said = parts.filter(({ type }) => type === "text").map(({ content }) => textOf(content));
  const others = parts.filter(({ type }) => type !== "text" && type !== "tool_call");
  const content =
    others.length > 0
      ? parts
          .filter(({ type }) => type !== "tool_call")
          .map((part) => (part["type"] === "text" ? { type: "text", text: part["content"] } : part))
      : said.length === 0 && calls.length > 0
        ? null
        : said.join("");
  return { role: textOf(message["role"]), content, ...(calls.length > 0 ? { tool_calls: calls } : {}) };
}

/** OpenInference nests each message one level down. */
const openInference = (attributes: Fields, key: string): readonly Fields[] =>
  entriesOf(nestedBelow(attributes, key)).map((entry) => fieldsOf(entry["message"] ?? entry));

const present = (messages: readonly (ChatMessage | null)[]): ChatMessage[] =>
  messages.filter((message) => message !== null);

interface Conversation {
  readonly prompt: readonly ChatMessage[];
  readonly completion: readonly ChatMessage[];
}

/** What was said in a model call, in whichever of three conventions; null for a span that says nothing. */
export function conversationOf({ attributes }: Pick<AdapterSpan, "attributes">): Conversation | null {
  const input = parse(attributes[genAi.inputMessages]);
  if (Array.isArray(input)) {
    return {
      prompt: input.filter(isFields).map(fromParts),
      completion: listOf(parse(attributes[genAi.outputMessages])).filter(isFields).map(fromParts),
    };
  }
  const legacy = nestedBelow(attributes, "gen_ai.prompt");
  const answered = nestedBelow(attributes, "gen_ai.completion");
  if (legacy !== null || answered !== null) {
    return {
      prompt: present(entriesOf(legacy).map((message) => messageOf(message, null))),
      completion: present(
        entriesOf(answered)
          .filter(({ role }) => role === "assistant")
          .map((message) => messageOf(message, "assistant")),
      ),
    };
  }
  const asked = openInference(attributes, "llm.input_messages");
  if (asked.length === 0) return null;
  return {
    prompt: present(asked.map((message) => messageOf(message, "user"))),
    completion: present(
      openInference(attributes, "llm.output_messages").map((message) => messageOf(message, "assistant")),
    ),
  };
}

function toolsOf({ attributes }: AdapterSpan): readonly ChatTool[] | null {
  const functions = entriesOf(nestedBelow(attributes, "gen_ai.request.functions"));
  const defined = listOf(parse(attributes[genAi.toolDefinitions])).filter(isFields);
  const tools = [...functions, ...defined.map((tool) => fieldsOf(tool["function"] ?? tool))].map(
    (tool): ChatTool => ({
      type: "function",
      function: {
        name: textOf(tool["name"]),
        description: textOf(tool["description"]),
        parameters:
          typeof tool["parameters"] === "string" ? parse(tool["parameters"]) : (tool["parameters"] ?? {}),
      },
    }),
  );
  return tools.length > 0 ? tools : null;
}

/** Tool calls that tracers record as children of the call's span. */
function childToolCalls(children: readonly AdapterSpan[]): ChatToolCall[] {
  return children.flatMap(({ attributes }) => {
    const tool = fieldsOf(nestedBelow(attributes, "tool"));
    if (Object.keys(tool).length === 0) return [];
    const call = fieldsOf(tool["call"]);
    const called = { name: textOf(tool["name"]), arguments: textOf(tool["parameters"]) };
    return [{ id: textOf(call["id"]), type: "function" as const, function: called }];
  });
}

/**
 * Every model call of a trace as an example for supervised fine-tuning (Agent Lightning v0.x, `TraceToMessages`): the
 * conversation up to it, its answer with tool calls, and the tools it had.
 */
export function spansToMessages(spans: readonly AdapterSpan[]): ChatExample[] {
  return spans.flatMap((span) => {
    const conversation = conversationOf(span);
    if (!conversation) return [];
    const calls = childToolCalls(spans.filter(({ parentId }) => parentId === span.spanId));
    const completion = conversation.completion.map((message) =>
      calls.length > 0 && !message.tool_calls
        ? { ...message, content: message.content === "" ? null : message.content, tool_calls: calls }
        : message,
    );
    return [{ messages: [...conversation.prompt, ...completion], tools: toolsOf(span) }];
  });
}

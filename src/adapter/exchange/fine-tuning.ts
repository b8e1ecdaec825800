import { importProblem, type Imported, type ImportProblem } from "../../trace/import-problem.ts";
import { parseJsonLines } from "../../trace/json-lines.ts";
import type { ChatExample, ChatMessage, ChatTool } from "../chat-messages.ts";
import { isFields } from "./checks.ts";

/** OpenAI's fine-tuning file: one example a line, `{ "messages": [...], "tools": [...] }`. */
export const encodeFineTuning = (examples: readonly ChatExample[]): string =>
  examples
    .map(({ messages, tools }) => `${JSON.stringify({ messages, ...(tools ? { tools } : {}) })}\n`)
    .join("");

const roles: readonly unknown[] = ["system", "developer", "user", "assistant", "tool", "function"];

function wrongMessage(message: unknown): string | null {
  if (!isFields(message)) return "is no object";
  const { role, content, tool_calls: calls } = message;
  if (!roles.includes(role)) return `has the role ${JSON.stringify(role)}`;
  const callsTools = Array.isArray(calls) && calls.length > 0;
  if (typeof content !== "string" && !Array.isArray(content) && !callsTools) return "says nothing";
  if (calls !== undefined && !(Array.isArray(calls) && calls.every(isToolCall))) return "has a bad tool call";
  return role === "tool" && typeof message["tool_call_id"] !== "string" ? "answers no tool call" : null;
}

const isToolCall = (call: unknown): boolean =>
  isFields(call) &&
  typeof call["id"] === "string" &&
  isFields(call["function"]) &&
  typeof call["function"]["name"] === "string" &&
  typeof call["function"]["arguments"] === "string";

const isTool = (tool: unknown): boolean =>
  isFields(tool) && isFields(tool["function"]) && typeof tool["function"]["name"] === "string";

function wrongExample(value: unknown): string | null {
  if (!isFields(value) || !Array.isArray(value["messages"])) return "there is no list of messages";
  const messages = value["messages"] as readonly unknown[];
  for (const [i, message] of messages.entries()) {
    const wrong = wrongMessage(message);
    if (wrong) return `message ${i + 1} ${wrong}`;
  }
  const last = messages.at(-1) as ChatMessage | undefined;
  if (last?.role !== "assistant")
    return "the last message is not the assistant's, so there is nothing to learn";
  const tools = value["tools"] ?? [];
  return Array.isArray(tools) && tools.every(isTool) ? null : "its tools are no list of functions";
}

/** Reads examples; a line that is none is a problem ("import/fine-tuning") with its number and byte. */
export function decodeFineTuning(text: string): Imported<ChatExample> {
  const lines = parseJsonLines(text, "fine-tuning", "a fine-tuning example");
  const problems: ImportProblem[] = [...lines.problems];
  const items: ChatExample[] = [];
  for (const { value, line, byte } of lines.items) {
    const wrong = wrongExample(value);
    if (wrong === null) {
      const { messages, tools } = value as {
        messages: readonly ChatMessage[];
        tools?: readonly ChatTool[] | null;
      };
      items.push({ messages, tools: tools ?? null });
      continue;
    }
    const fix = "Correct the line, or leave it out; the other lines were read.";
    problems.push(importProblem("fine-tuning", `Line ${line}: ${wrong}.`, fix, { byte, row: line, line }));
  }
  return { items, problems };
}

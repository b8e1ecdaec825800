import { genAi } from "./semantic-conventions.ts";

/** Names of the spans that are model calls: Agent Lightning's, LangChain's and OpenTelemetry's. */
export const modelCallName = /openai\.chat\.completion|chat_model\.llm|^(chat|text_completion) /;

/** True for the span of a completion, answered or not: by its operation, else by its name. */
export function isModelCall({
  name,
  attributes,
}: {
  readonly name: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}): boolean {
  const operation = attributes[genAi.operationName];
  if (typeof operation === "string") return operation === "chat" || operation === "text_completion";
  return modelCallName.test(name);
}

import { genAi } from "../trace/semantic-conventions.ts";
import type { AdapterSpan } from "./trace-tree.ts";

/** True for the span of a model call of ours (OpenTelemetry's operations "chat" and "text_completion"). */
export const isModelCallSpan = ({ attributes }: Pick<AdapterSpan, "attributes">): boolean =>
  attributes[genAi.operationName] === "chat" || attributes[genAi.operationName] === "text_completion";

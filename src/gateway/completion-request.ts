import { jsonObjectGrammar, jsonSchemaGrammar } from "../lm/constraint/index.ts";
import type { ConversationMessage } from "../lm/tokenizer.ts";
import { GatewayError, invalid } from "./gateway-error.ts";
import { RequestFields } from "./request-fields.ts";

/** What both completion routes ask for, validated; null where the agent left it to us. */
export interface CompletionRequest {
  /** Conversations (chat: one), texts or token ids to continue. */
  readonly prompts: readonly (string | readonly number[] | readonly ConversationMessage[])[];
  readonly model: string | null;
  /** Choices for each prompt. */
  readonly choices: number;
  readonly temperature: number | null;
  readonly maxTokens: number | null;
  readonly seed: number | null;
  readonly stop: readonly string[];
  readonly allowedTokens: readonly number[] | null;
  readonly topP: number | null;
  /** Of the k likeliest; 0 and -1 are all. */
  readonly topK: number | null;
  readonly minP: number | null;
  /** By id. */
  readonly logitBias: ReadonlyMap<number, number> | null;
  /** Text of the grammar that an answer must follow (\`lm/constraint\`), of a JSON schema or as it was sent. */
  readonly grammar: string | null;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly logProbabilities: boolean;
  readonly returnTokenIds: boolean;
  /** Tokens printed as "token_id:N" in log-probabilities (vLLM). */
  readonly tokensAsIds: boolean;
}

const mostChoices = 128;

/** The body as an object; a 400 otherwise. */
export function parseBody(body: string | null): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(body ?? "");
  } catch {
    throw new GatewayError(400, "The request body is not valid JSON.", { code: "invalid_json" });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new GatewayError(400, "The request body must be a JSON object.", { code: "invalid_json" });
  }
  return value as Readonly<Record<string, unknown>>;
}

/** `POST /v1/chat/completions`. */
export function parseChatRequest(body: Readonly<Record<string, unknown>>): CompletionRequest {
  const fields = new RequestFields(body);
  const messages = fields.take("messages");
  if (!Array.isArray(messages) || messages.length === 0) {
    throw invalid("messages", '"messages" must be a list of at least one message.');
  }
  const prompt = messages.map((message, index) => parseMessage(message, `messages[${index}]`));
  const maxCompletionTokens = fields.number("max_completion_tokens", tokenCount);
  const logProbabilities = fields.boolean("logprobs");
  fields.neutral("top_logprobs", 0);
  fields.neutral("tools");
  fields.neutral("functions");
  fields.neutral("tool_choice", "auto", "none");
  fields.neutral("function_call", "auto", "none");
  const format = fields.take("response_format");
  fields.neutral("modalities", ["text"]);
  fields.skip("parallel_tool_calls", "store", "metadata", "service_tier", "prompt_cache_key");
  fields.skip("prompt_cache_retention", "safety_identifier");
  const common = parseCommon(fields);
  fields.finish();
  return {
    ...common,
    ...(format === undefined ? {} : { grammar: grammarOfFormat(format) }),
    prompts: [prompt],
    logProbabilities,
    maxTokens: maxCompletionTokens ?? common.maxTokens,
  };
}

/** `POST /v1/completions`. */
export function parseTextRequest(body: Readonly<Record<string, unknown>>): CompletionRequest {
  const fields = new RequestFields(body);
  const prompts = parsePrompts(fields.take("prompt"));
  const logProbabilities = fields.number("logprobs", { minimum: 0, maximum: 1, integer: true }) !== null;
  fields.neutral("echo", false);
  fields.neutral("suffix", "");
  fields.neutral("best_of", 1);
  const common = parseCommon(fields);
  fields.finish();
  return { ...common, prompts, logProbabilities };
}

const tokenCount = { minimum: 1, maximum: 1e9, integer: true };

function parseCommon(fields: RequestFields): Omit<CompletionRequest, "prompts" | "logProbabilities"> {
  const streamOptions = fields.take("stream_options");
  fields.neutral("frequency_penalty", 0);
  fields.neutral("presence_penalty", 0);
  fields.neutral("repetition_penalty", 1);
  fields.skip("user", "request_id");
  return {
    model: fields.string("model"),
    choices: fields.number("n", { minimum: 1, maximum: mostChoices, integer: true }) ?? 1,
    temperature: fields.number("temperature", { minimum: 0, maximum: 2 }),
    maxTokens: fields.number("max_tokens", tokenCount),
    seed: fields.number("seed", {
      minimum: Number.MIN_SAFE_INTEGER,
      maximum: Number.MAX_SAFE_INTEGER,
      integer: true,
    }),
    topP: fields.number("top_p", { minimum: 1e-6, maximum: 1 }),
    topK: fields.number("top_k", { minimum: -1, maximum: 1e6, integer: true }),
    minP: fields.number("min_p", { minimum: 0, maximum: 1 }),
    logitBias: parseLogitBias(fields.take("logit_bias")),
    grammar: fields.string("guided_grammar"),
    stop: fields.strings("stop", 4),
    allowedTokens: fields.integers("allowed_token_ids"),
    stream: fields.boolean("stream"),
    includeUsage:
      typeof streamOptions === "object" &&
      streamOptions !== null &&
      (streamOptions as { include_usage?: unknown }).include_usage === true,
    returnTokenIds: fields.boolean("return_token_ids"),
    tokensAsIds: fields.boolean("return_tokens_as_token_ids"),
  };
}

function parseLogitBias(value: unknown): ReadonlyMap<number, number> | null {
  if (value === undefined) return null;
  const entries = typeof value === "object" && value !== null ? Object.entries(value) : null;
  const usable = entries?.every(
    ([id, bias]) => /^\d+$/.test(id) && typeof bias === "number" && bias >= -100 && bias <= 100,
  );
  if (!entries || !usable) {
    throw invalid("logit_bias", '"logit_bias" must map token ids to numbers from -100 to 100.');
  }
  return entries.length === 0 ? null : new Map(entries.map(([id, bias]) => [Number(id), bias as number]));
}

/** Null where any text will do. */
function grammarOfFormat(format: unknown): string | null {
  const { type, json_schema: named } = (format ?? {}) as {
    readonly type?: unknown;
    readonly json_schema?: { readonly schema?: unknown } | null;
  };
  if (type === "text") return null;
  if (type === "json_object") return jsonObjectGrammar;
  if (type === "json_schema" && named?.schema !== undefined) {
    try {
      return jsonSchemaGrammar(named.schema);
    } catch (error) {
      throw invalid("response_format", error instanceof Error ? error.message : String(error));
    }
  }
  throw invalid(
    "response_format",
    '"response_format" must be { type: "text" }, { type: "json_object" } or { type: "json_schema", json_schema: { schema } }.',
  );
}

const roles: ReadonlySet<unknown> = new Set(["system", "developer", "user", "assistant", "tool", "function"]);

/** Content may be null, a string or text parts; keys that SDKs echo from earlier answers are let through. */
function parseMessage(message: unknown, where: string): ConversationMessage {
  if (typeof message !== "object" || message === null) {
    throw invalid("messages", `${where} must be an object.`);
  }
  const { role, content } = message as { readonly role?: unknown; readonly content?: unknown };
  if (!roles.has(role)) throw invalid("messages", `${where}.role must be system, user, assistant or tool.`);
  if ((message as { tool_calls?: readonly unknown[] | null }).tool_calls?.length) {
    throw invalid(
      "messages",
      `${where}.tool_calls: this policy has no tools; write the call as text.`,
      "unsupported_parameter",
    );
  }
  return { role: role as string, content: textOf(content, where) };
}

function textOf(content: unknown, where: string): string {
  if (content === null || content === undefined) return "";
  if (typeof content === "string") return content;
  if (Array.isArray(content)) {
    return content
      .map((part: unknown) => {
        const { type, text } = (part ?? {}) as { readonly type?: unknown; readonly text?: unknown };
        if (typeof text !== "string" || (type !== undefined && type !== "text")) {
          throw invalid("messages", `${where}.content may hold text parts only.`, "unsupported_content");
        }
        return text;
      })
      .join("");
  }
  throw invalid("messages", `${where}.content must be a string, text parts or null.`);
}

function parsePrompts(prompt: unknown): CompletionRequest["prompts"] {
  const isIds = (value: unknown): value is number[] =>
    Array.isArray(value) && value.length > 0 && value.every((id) => Number.isInteger(id));
  if (typeof prompt === "string") return [prompt];
  if (isIds(prompt)) return [prompt];
  if (
    Array.isArray(prompt) &&
    prompt.length > 0 &&
    prompt.length <= mostChoices &&
    prompt.every((entry) => typeof entry === "string" || isIds(entry))
  ) {
    return prompt as (string | number[])[];
  }
  throw invalid("prompt", '"prompt" must be a string, token ids, or a list of either.');
}

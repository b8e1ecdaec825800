import { isModelCall } from "../trace/model-call.ts";
import { rewardValue } from "../trace/rewards.ts";
import type { AdapterSpan } from "./trace-tree.ts";

/** One call of a proxy with its reward, matched by sequence alone. */
export interface SequenceTriplet {
  readonly spanId: string;
  readonly promptIds: readonly number[];
  readonly responseIds: readonly number[];
  readonly reward: number | null;
  readonly responseId: string | null;
}

const isIds = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.length > 0 && value.every((id) => Number.isInteger(id));

/** The value of a literal of lists, texts and numbers as Python prints it, or as JSON; undefined for any other text. */
function literal(value: unknown): unknown {
  if (typeof value !== "string") return value;
  const text = value
    .replaceAll(/'((?:[^'\\"]|\\.)*)'/g, '"$1"')
    .replaceAll(/\bNone\b/g, "null")
    .replaceAll(/\bTrue\b/g, "true")
    .replaceAll(/\bFalse\b/g, "false");
  for (const source of [value, text]) {
    try {
      return JSON.parse(source) as unknown;
    } catch {
      continue;
    }
  }
  return undefined;
}

interface Tokens {
  readonly promptIds: readonly number[];
  readonly responseIds: readonly number[];
}

/** Ids of a vLLM answer as LiteLLM's raw spans have it. */
function rawTokens(attributes: AdapterSpan["attributes"]): Partial<Tokens> {
  const from = (name: string): unknown => literal(attributes[`llm.hosted_vllm.${name}`]);
  const prompt = from("prompt_token_ids");
  const lists = from("response_token_ids");
  const choices = from("choices");
  const first = Array.isArray(lists) ? (lists as readonly unknown[])[0] : null;
  const choice = Array.isArray(choices)
    ? ((choices as readonly unknown[])[0] as { readonly token_ids?: unknown } | null)
    : null;
  const response = isIds(first) ? first : choice?.token_ids;
  return {
    ...(isIds(prompt) ? { promptIds: prompt } : {}),
    ...(isIds(response) ? { responseIds: response } : {}),
  };
}

function tokensOf(span: AdapterSpan): Tokens | null {
  const { name, attributes, tokens } = span;
  if (tokens && isModelCall(span) && tokens.promptIds.length > 0 && tokens.responseIds.length > 0) {
    return { promptIds: Array.from(tokens.promptIds), responseIds: Array.from(tokens.responseIds) };
  }
  if (name === "raw_gen_ai_request") {
    const { promptIds, responseIds } = rawTokens(attributes);
    return promptIds && responseIds ? { promptIds, responseIds } : null;
  }
  if (name !== "litellm_request") return null;
  const promptIds = literal(attributes["prompt_token_ids"]);
  const responseIds = literal(attributes["response_token_ids"]);
  return isIds(promptIds) && isIds(responseIds) ? { promptIds, responseIds } : null;
}

const idOf = ({ attributes }: AdapterSpan): string | null => {
  const id = attributes["gen_ai.response.id"] ?? attributes["llm.hosted_vllm.id"];
  return typeof id === "string" && id !== "" ? id : null;
};

/**
 * Calls of a proxy's trace in the order of their sequence (Agent Lightning v0.x, `LlmProxyTraceToTriplet`). Times and parents
 * are not looked at: they may come from several clocks. A reward goes to the latest call before it, in sequence,
 * that has none yet; of calls with the same response id the first counts; calls without ids are left out.
 */
export function spansToSequenceTriplets(spans: readonly AdapterSpan[]): SequenceTriplet[] {
  const ordered = [...spans].sort((a, b) => a.sequence - b.sequence || a.startTime - b.startTime);
  const seen = new Set<string>();
  const calls: { readonly span: AdapterSpan; readonly tokens: Tokens; readonly responseId: string | null }[] =
    [];
  for (const span of ordered) {
    const tokens = tokensOf(span);
    if (!tokens) continue;
    const responseId = idOf(span);
    if (responseId !== null) {
      if (seen.has(responseId)) continue;
      seen.add(responseId);
    }
    calls.push({ span, tokens, responseId });
  }
  const rewards = new Map<AdapterSpan, number>();
  for (const span of ordered) {
    const reward = rewardValue(span);
    if (reward === null) continue;
    const call = calls.findLast((it) => it.span.sequence < span.sequence && !rewards.has(it.span));
    if (call) rewards.set(call.span, reward);
  }
  return calls.map(({ span, tokens, responseId }) => ({
    spanId: span.spanId,
    ...tokens,
    reward: rewards.get(span) ?? null,
    responseId,
  }));
}

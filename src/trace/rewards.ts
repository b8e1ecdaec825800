import { nestedBelow } from "./attributes.ts";
import { agentLightning } from "./semantic-conventions.ts";

/** What a reward is read from: a span of ours, or of anybody who writes one of the three dialects. */
export interface RewardSource {
  readonly name: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface RewardDimension {
  readonly name: string;
  readonly value: number;
}

const agentOpsKeys = ["agentops.task.output", "agentops.entity.output"];

/** Indexed attributes "agentlightning.reward.N.{name,value}", the primary one first; none where one is not a number. */
function indexed(attributes: RewardSource["attributes"]): RewardDimension[] {
  const list = nestedBelow(attributes, agentLightning.reward);
  if (!Array.isArray(list)) return [];
  const dimensions = (list as readonly unknown[]).map((entry): RewardDimension | null => {
    const { name, value } = (entry ?? {}) as Readonly<Record<string, unknown>>;
    return typeof name === "string" && typeof value === "number" ? { name, value } : null;
  });
  return dimensions.every((it) => it !== null) ? dimensions : [];
}

const toNumber = (value: unknown): number | null =>
  typeof value === "number" ? value : typeof value === "boolean" ? Number(value) : null;

/** AgentOps' `{ "type": "reward", "value": number }`, as an object or its JSON. */
function agentOps(output: unknown): number | null {
  let payload = output;
  if (typeof output === "string") {
    try {
      payload = JSON.parse(output) as unknown;
    } catch {
      return null;
    }
  }
  if (typeof payload !== "object" || payload === null) return null;
  const { type, value } = payload as Readonly<Record<string, unknown>>;
  return type === "reward" ? toNumber(value) : null;
}

/**
 * Rewards of a span, the primary one first; none where it carries no reward. Three dialects: indexed attributes of an
 * annotation (or of an operation named "agentlightning.reward"), AgentOps' JSON, and a bare `reward` of a reward span.
 */
export function rewardsOf({ name, attributes }: RewardSource): RewardDimension[] {
  const isOperation =
    name === agentLightning.operation && attributes[agentLightning.operationName] === agentLightning.reward;
  if (name === agentLightning.annotation || name === agentLightning.reward || isOperation) {
    const dimensions = indexed(attributes);
    if (dimensions.length > 0) return dimensions;
  }
  for (const key of agentOpsKeys) {
    const value = agentOps(attributes[key] ?? nestedBelow(attributes, key));
    if (value !== null) return [{ name: agentLightning.primary, value }];
  }
  const bare =
    name === agentLightning.reward || name === agentLightning.annotation
      ? toNumber(attributes["reward"])
      : null;
  return bare === null ? [] : [{ name: agentLightning.primary, value: bare }];
}

/** The primary reward of a span; null where it carries none. */
export const rewardValue = (span: RewardSource): number | null => rewardsOf(span)[0]?.value ?? null;

/** Those of `spans` that carry a reward, in their order. */
export const findRewardSpans = <Span extends RewardSource>(spans: readonly Span[]): Span[] =>
  spans.filter((span) => rewardValue(span) !== null);

/** The last reward of all, in the order of `spans`; null where there is none. */
export const finalReward = (spans: readonly RewardSource[]): number | null =>
  spans.reduceRight<number | null>((found, span) => found ?? rewardValue(span), null);

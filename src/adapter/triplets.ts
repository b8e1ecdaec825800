import { nestedBelow, type Nested } from "../trace/attributes.ts";
import { modelCallName } from "../trace/model-call.ts";
import { rewardsOf, rewardValue } from "../trace/rewards.ts";
import { agentLightning } from "../trace/semantic-conventions.ts";
import { imageUrls } from "./image-urls.ts";
import {
  agentName,
  repairHierarchy,
  traceTree,
  traverse,
  type AdapterSpan,
  type TraceNode,
} from "./trace-tree.ts";

/** One model call with what it was rewarded with (Agent Lightning v0.x, `Triplet`). */
export interface Triplet {
  readonly spanId: string;
  readonly prompt: TripletSide & { readonly imageUrls: readonly string[] };
  readonly response: TripletSide & {
    /** Sampler log-probabilities of the response ids; null where they were not recorded. */
    readonly logProbabilities: readonly number[] | null;
  };
  /** Null where no reward is matched to this call. */
  readonly reward: number | null;
  readonly metadata: {
    readonly request: Nested;
    readonly response: Nested;
    readonly responseId: string | null;
    /** Innermost agent that the call belongs to; "*" where there is none and all are wanted. */
    readonly agentName: string;
  };
}

interface TripletSide {
  /** Empty where they were not recorded. */
  readonly tokenIds: readonly number[];
  /** Messages as the span has them; null where it has none. */
  readonly rawContent: Nested;
}

export interface TripletOptions {
  /**
   * "first-occurrence": in the order of time a reward goes to the latest call that has ended and has none yet.
   * "first-sibling": the same, but only among calls with the reward's parent. Default "first-occurrence".
   */
  readonly rewardMatch?: "first-occurrence" | "first-sibling";
  /** Only calls within agents whose name matches. Default all calls. */
  readonly agentMatch?: RegExp | null;
  /** Names of the spans that are model calls. Default Agent Lightning's and OpenTelemetry's. */
  readonly callMatch?: RegExp;
  /** See `repairHierarchy`. Default true. */
  readonly repair?: boolean;
  /** Leave out calls made while a reward was computed. Default true. */
  readonly excludeCallsInRewards?: boolean;
  /** Of calls with the same response id only the first. Default true. */
  readonly deduplicate?: boolean;
  /** Replaces the last call's reward. Default null. */
  readonly finalReward?: number | null;
  /** Leave out calls without token ids. Default false. */
  readonly skipWithoutTokens?: boolean;
}

const responseIdKeys = ["gen_ai.response.id", `${agentLightning.operationOutput}.id`];
const promptKeys = ["prompt_token_ids", `${agentLightning.operationOutput}.prompt_token_ids`];
const responseKeys = [
  "response_token_ids",
  `${agentLightning.operationOutput}.response_token_ids.0`,
  `${agentLightning.operationOutput}.choices.0.token_ids`,
  `${agentLightning.operationOutput}.choices.0.provider_specific_fields.token_ids`,
];

const firstText = ({ attributes }: AdapterSpan, keys: readonly string[]): string | null =>
  (keys.map((key) => attributes[key]).find((value) => typeof value === "string") as string | undefined) ??
  null;

const isIds = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.every((id) => Number.isInteger(id));

/** Ids as a list, or as its JSON (our attributes are scalars). */
function idsOf({ attributes }: AdapterSpan, keys: readonly string[]): readonly number[] {
  for (const key of keys) {
    const value = attributes[key];
    if (isIds(value)) return value;
    if (typeof value !== "string") continue;
    try {
      const parsed = JSON.parse(value) as unknown;
      if (isIds(parsed)) return parsed;
    } catch {
      continue;
    }
  }
  return [];
}

const firstNested = ({ attributes }: AdapterSpan, prefixes: readonly string[]): Nested =>
  prefixes.map((prefix) => nestedBelow(attributes, prefix)).find((it) => it !== null) ?? null;

/** An object without some of its keys; anything else as it is. */
function without(value: Nested, keys: readonly string[]): Nested {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key)));
}

function logProbabilitiesOf(span: AdapterSpan): readonly number[] | null {
  if (span.tokens) {
    const { samplerLogProbabilities: sampler } = span.tokens;
    return sampler.every((it) => Number.isNaN(it)) ? null : Array.from(sampler);
  }
  const content = span.attributes[agentLightning.logProbabilities];
  if (typeof content !== "string") return null;
  try {
    const list = JSON.parse(content) as unknown;
    if (!Array.isArray(list)) return null;
    const numbers = list.map((item: unknown) => ((item ?? {}) as { readonly logprob?: unknown }).logprob);
    return numbers.every((it) => typeof it === "number") ? numbers : null;
  } catch {
    return null;
  }
}

function tripletOf(span: AdapterSpan, agent: string): Triplet {
  const { operationInput: input, operationOutput: output } = agentLightning;
  const prompt = firstNested(span, ["gen_ai.prompt", `${input}.messages`]);
  return {
    spanId: span.spanId,
    prompt: {
      tokenIds: span.tokens ? Array.from(span.tokens.promptIds) : idsOf(span, promptKeys),
      rawContent: prompt,
      imageUrls: imageUrls(prompt),
    },
    response: {
      tokenIds: span.tokens ? Array.from(span.tokens.responseIds) : idsOf(span, responseKeys),
      rawContent: firstNested(span, ["gen_ai.completion", `${output}.choices`]),
      logProbabilities: logProbabilitiesOf(span),
    },
    reward: null,
    metadata: {
      request: without(firstNested(span, ["gen_ai.request", input]), ["messages"]),
      response: without(firstNested(span, ["gen_ai.response", output]), [
        "choices",
        "prompt_token_ids",
        "response_token_ids",
      ]),
      responseId: firstText(span, responseIdKeys),
      agentName: agent,
    },
  };
}

interface FoundCall {
  readonly node: TraceNode;
  readonly agent: string;
}

const isRewardNode = ({ span }: TraceNode): boolean =>
  rewardsOf(span).length > 0 ||
  (span.name === agentLightning.operation &&
    span.attributes[agentLightning.operationName] === agentLightning.reward);

/** The model calls of a tree, each with the agent it belongs to, parents before children. */
export function findCalls(tree: TraceNode, options: TripletOptions = {}): FoundCall[] {
  const { agentMatch = null, callMatch = modelCallName } = options;
  const { excludeCallsInRewards = true, deduplicate = true } = options;
  const calls: FoundCall[] = [];
  const seen = new Set<string>();
  interface Visit {
    readonly node: TraceNode;
    readonly agent: string | null;
    readonly inReward: boolean;
    readonly inCall: boolean;
  }
  const stack: Visit[] = [{ node: tree, agent: agentMatch ? null : "*", inReward: false, inCall: false }];
  for (let visit = stack.pop(); visit; visit = stack.pop()) {
    const { node } = visit;
    let { agent, inReward, inCall } = visit;
    if (agent !== null && !inReward && node.span.name.search(callMatch) >= 0) {
      const id = firstText(node.span, responseIdKeys);
      // A call's inner spans are tracers' doubles of it, unless they have a response of their own.
      const repeats = id === null ? inCall && deduplicate : seen.has(id);
      if (!repeats) {
        calls.push({ node, agent });
        if (id !== null && deduplicate) seen.add(id);
        inCall = true;
      }
    }
    const name = agentName(node.span);
    if (name !== null) agent = agentMatch === null || name.search(agentMatch) >= 0 ? name : null;
    if (excludeCallsInRewards && isRewardNode(node)) inReward = true;
    for (const child of node.children.toReversed()) stack.push({ node: child, agent, inReward, inCall });
  }
  return calls;
}

/** Rewards by id of the call they go to. */
function matchRewards(
  tree: TraceNode,
  calls: readonly FoundCall[],
  policy: NonNullable<TripletOptions["rewardMatch"]>,
): Map<string, number> {
  const callIds = new Set(calls.map(({ node }) => node.id));
  const rewards = new Map<string, number>();
  const match = (nodes: Iterable<TraceNode>): void => {
    const open: TraceNode[] = [];
    for (const node of nodes) {
      if (callIds.has(node.id)) open.push(node);
      const reward = rewardValue(node.span);
      if (reward === null) continue;
      const call = open.findLast(({ id, span }) => span.endTime <= node.span.startTime && !rewards.has(id));
      if (call) rewards.set(call.id, reward);
    }
  };
  if (policy === "first-sibling") for (const { children } of traverse(tree)) match(children);
  else match([...traverse(tree)].sort((a, b) => a.span.startTime - b.span.startTime));
  return rewards;
}

/**
 * The model calls of one trace, in the order of the tree, with their rewards (Agent Lightning v0.x, `TracerTraceToTriplet`).
 * Note that "first-occurrence" is as the original's code has it, not as its text: of two calls and then two rewards the
 * second call gets the first reward. Throws what `traceTree` throws.
 */
export function spansToTriplets(spans: readonly AdapterSpan[], options: TripletOptions = {}): Triplet[] {
  const { repair = true, rewardMatch = "first-occurrence", finalReward = null, skipWithoutTokens } = options;
  const tree = traceTree(spans);
  if (repair) repairHierarchy(tree);
  const made = findCalls(tree, options).map((call) => ({
    call,
    triplet: tripletOf(call.node.span, call.agent),
  }));
  const kept = made.filter(
    ({ triplet: { prompt, response } }) =>
      !skipWithoutTokens || (prompt.tokenIds.length > 0 && response.tokenIds.length > 0),
  );
  const rewards = matchRewards(
    tree,
    kept.map(({ call }) => call),
    rewardMatch,
  );
  return kept.map(({ call, triplet }, i) => ({
    ...triplet,
    reward: i === kept.length - 1 && finalReward !== null ? finalReward : (rewards.get(call.node.id) ?? null),
  }));
}

import { expect, test } from "vitest";
import { messagesOf, outputMessages } from "../trace/messages.ts";
import { finalReward, findRewardSpans, rewardsOf, rewardValue } from "../trace/rewards.ts";
import { linkAttributes, linkedSpans, linksOf, tagAttributes, tagsOf } from "../trace/links.ts";
import { spansToMessages } from "./chat-messages.ts";
import { spansToSequenceTriplets } from "./sequence-triplets.ts";
import { findNode, namesOf, repairHierarchy, traceTree, type AdapterSpan } from "./trace-tree.ts";
import { spansToTriplets, type TripletOptions } from "./triplets.ts";

let sequence = 0;

const span = (
  spanId: string,
  name: string,
  parentId: string | null,
  [startTime, endTime]: readonly [number, number],
  attributes: Readonly<Record<string, unknown>> = {},
): AdapterSpan => ({ spanId, name, parentId, sequence: sequence++, startTime, endTime, attributes });

interface CallFields {
  readonly prompt?: readonly number[];
  readonly response?: readonly number[];
  readonly id?: string;
}

const call = (
  spanId: string,
  parentId: string | null,
  times: readonly [number, number],
  { prompt = [], response = [], id }: CallFields = {},
): AdapterSpan =>
  span(spanId, "openai.chat.completion", parentId, times, {
    prompt_token_ids: prompt,
    response_token_ids: response,
    ...(id === undefined ? {} : { "gen_ai.response.id": id }),
  });

const rewardAttributes = (value: number) => ({
  "agentlightning.reward.0.name": "primary",
  "agentlightning.reward.0.value": value,
});
const reward = (spanId: string, parentId: string | null, times: readonly [number, number], value: number) =>
  span(spanId, "agentlightning.annotation", parentId, times, rewardAttributes(value));
const agent = (spanId: string, name: string, times: readonly [number, number], parent = "root") =>
  span(spanId, "agent.node", parent, times, { "agent.name": name });
const root = span("root", "session", null, [0, 10]);

test("children before their parent, and the agent's name in brackets", () => {
  const top = span("root", "agent.session", null, [0, 10], { "agent.name": "primary-agent" });
  const tree = traceTree([call("llm", "root", [1, 2]), top]);
  expect(namesOf(tree)).toEqual(["agent.session [primary-agent]", [["openai.chat.completion", []]]]);
  expect(findNode(tree, "llm")).toBe(tree.children[0]);
  expect(findNode(tree, "none")).toBeNull();
});

test("two roots get one above them, from the earliest start to the latest end", () => {
  const tree = traceTree([span("b", "second", null, [5, 9]), span("a", "first", null, [0, 5])]);
  expect(tree.id).toBe("virtual-root");
  expect(tree.span).toMatchObject({ name: "virtual-root", startTime: 0, endTime: 9 });
  expect(tree.children.map(({ id }) => id)).toEqual(["b", "a"]);
});

test("a missing parent gets a node of its id, no spans and circles are errors", () => {
  const tree = traceTree([
    call("grandchild", "child", [3, 3.5]),
    agent("child", "nested", [2, 4], "ghost-parent"),
  ]);
  expect(tree.id).toBe("ghost-parent");
  expect(tree.span).toMatchObject({ name: "agentlightning.virtual", startTime: 2, endTime: 4 });
  expect(tree.children[0]!.children[0]!.id).toBe("grandchild");
  expect(() => traceTree([])).toThrow(expect.objectContaining({ code: "adapter/empty-trace" }));
  const circle = [span("a", "a", "b", [0, 1]), span("b", "b", "a", [0, 1])];
  expect(() => traceTree(circle)).toThrow(expect.objectContaining({ code: "adapter/no-root" }));
});

test("a trace of 20,000 spans one below the other does not overflow", () => {
  const deep = Array.from({ length: 20_000 }, (_, i) =>
    span(`s${i}`, i === 19_999 ? "openai.chat.completion" : "step", i === 0 ? null : `s${i - 1}`, [
      i,
      50_000 - i,
    ]),
  );
  expect(spansToTriplets(deep)).toHaveLength(1);
});

test("a call below the root moves under the agent around it", () => {
  const tree = traceTree([root, agent("agent", "planner", [1, 9]), call("llm", "root", [2, 3])]);
  repairHierarchy(tree);
  expect(tree.children.map(({ id }) => id)).toEqual(["agent"]);
  expect(findNode(tree, "agent")!.children.map(({ id }) => id)).toEqual(["llm"]);
});

const outcome = (spans: readonly AdapterSpan[], options: TripletOptions = {}) =>
  spansToTriplets(spans, options).map(({ spanId, prompt, response, reward: value, metadata }) => [
    spanId,
    prompt.tokenIds,
    response.tokenIds,
    value,
    metadata.agentName,
  ]);

test("repeated responses and calls without tokens are left out; a final reward replaces the last", () => {
  const spans = [
    root,
    agent("agent", "primary-agent", [1, 9]),
    call("llm-1", "agent", [2, 3], { prompt: [1, 2], response: [3, 4], id: "resp-1" }),
    call("llm-2", "agent", [3.2, 3.8], { prompt: [9], response: [8], id: "resp-1" }),
    call("llm-3", "agent", [4, 5], { id: "resp-2" }),
    span("reward", "agent.reward", "agent", [6, 6.1], {
      "agentops.task.output": '{"type":"reward","value":0.5}',
    }),
  ];
  const options = { agentMatch: /primary-agent/, skipWithoutTokens: true };
  expect(outcome(spans, options)).toEqual([["llm-1", [1, 2], [3, 4], 0.5, "primary-agent"]]);
  expect(outcome(spans, { ...options, finalReward: 1 })[0]![3]).toBe(1);
});

test("the same response in two agents counts once", () => {
  const spans = [
    root,
    agent("a", "vision-a", [0.5, 5]),
    agent("b", "vision-b", [5.1, 9.5]),
    call("llm-a", "a", [1, 2], { id: "shared" }),
    call("llm-b", "b", [6, 7], { id: "shared" }),
  ];
  expect(outcome(spans).map(([id]) => id)).toEqual(["llm-a"]);
});

test("an agent filter needs the repair where the call lost its agent", () => {
  const spans = [
    root,
    agent("agent", "planner", [1, 9]),
    call("llm", "root", [2, 3], { prompt: [7], response: [8] }),
    reward("reward", "agent", [4, 4.5], 0.3),
  ];
  expect(outcome(spans, { agentMatch: /planner/ })).toEqual([["llm", [7], [8], 0.3, "planner"]]);
  expect(outcome(spans, { agentMatch: /planner/, repair: false })).toEqual([]);
});

test("a reward at the end goes to the last call; two after two calls go backwards", () => {
  const calls = [root, call("c1", "root", [1, 2]), call("c2", "root", [3, 4])];
  const rewards = (spans: readonly AdapterSpan[]) => outcome(spans).map(([, , , value]) => value);
  expect(rewards([...calls, reward("r", "root", [5, 5.1], 0.7)])).toEqual([null, 0.7]);
  expect(
    rewards([...calls, reward("r1", "root", [5, 5.1], 0.1), reward("r2", "root", [6, 6.1], 0.2)]),
  ).toEqual([0.2, 0.1]);
  expect(rewards([...calls, reward("r", "root", [1.5, 1.6], 0.7)])).toEqual([null, null]);
});

test("first sibling: only a call with the reward's parent", () => {
  const spans = [
    root,
    agent("a", "one", [0.5, 4.5]),
    agent("b", "two", [4.6, 9]),
    call("in-a", "a", [1, 2]),
    reward("reward", "a", [3, 3.1], 0.8),
    call("in-b", "b", [5, 6]),
  ];
  const rewards = outcome(spans, { rewardMatch: "first-sibling" });
  expect(rewards.map(([id, , , value]) => [id, value])).toEqual([
    ["in-a", 0.8],
    ["in-b", null],
  ]);
});

test("calls made while a reward was computed are left out unless asked for", () => {
  const judge = span("judge", "agentlightning.operation", "root", [5, 9], {
    "agentlightning.operation.name": "agentlightning.reward",
  });
  const spans = [root, call("own", "root", [1, 2]), judge, call("judges", "judge", [6, 7])];
  expect(outcome(spans).map(([id]) => id)).toEqual(["own"]);
  expect(outcome(spans, { excludeCallsInRewards: false }).map(([id]) => id)).toEqual(["own", "judges"]);
});

test("prompts with images, lists under numbers and other keys", () => {
  const parts = JSON.stringify([
    { type: "text", text: "How many?" },
    { type: "image_url", image_url: { url: "file:///images/test.png" } },
    { type: "image_url", image_url: "no object" },
  ]);
  const image = span("llm", "openai.chat.completion", "root", [1, 2], {
    "gen_ai.prompt.0.role": "user",
    "gen_ai.prompt.0.content": parts,
    "gen_ai.prompt.prompt_filter_results": "[]",
    "gen_ai.request.model": "m",
    "gen_ai.response.id": "r",
    "gen_ai.completion.0.content": "Ten.",
    "logprobs.content": '[{"logprob":-0.5}]',
    response_token_ids: [4],
  });
  const [triplet] = spansToTriplets([root, image]);
  expect(triplet!.prompt.imageUrls).toEqual(["file:///images/test.png"]);
  expect(triplet!.response).toEqual({
    tokenIds: [4],
    rawContent: [{ content: "Ten." }],
    logProbabilities: [-0.5],
  });
  expect(triplet!.metadata).toMatchObject({ request: { model: "m" }, responseId: "r" });
});

test("our own spans: tokens from their columns", () => {
  const tokens = {
    promptIds: Int32Array.of(1),
    responseIds: Int32Array.of(2, 3),
    samplerLogProbabilities: Float32Array.of(-1, -2),
    logProbabilities: Float32Array.of(-1, -2),
  };
  const own = { ...span("c", "chat policy", "root", [1, 2], { "gen_ai.operation.name": "chat" }), tokens };
  const spans = [span("root", "invoke_agent sorter", null, [0, 9]), own, reward("r", "root", [3, 3], 1)];
  const [triplet] = spansToTriplets(spans);
  expect(triplet).toMatchObject({
    prompt: { tokenIds: [1] },
    response: { tokenIds: [2, 3], logProbabilities: [-1, -2] },
    reward: 1,
  });
  expect(spansToSequenceTriplets(spans)).toMatchObject([{ promptIds: [1], responseIds: [2, 3], reward: 1 }]);
});

const raw = (
  spanId: string,
  at: number,
  prompt: readonly number[],
  response: readonly number[],
  id: string,
): AdapterSpan => ({
  ...span(spanId, "raw_gen_ai_request", null, [0, 1], {
    "llm.hosted_vllm.prompt_token_ids": `[${prompt.join(", ")}]`,
    "llm.hosted_vllm.choices": `[{'token_ids': [${response.join(", ")}], 'stop': None}]`,
    "llm.hosted_vllm.id": id,
  }),
  sequence: at,
});
const operation = (at: number, value: number): AdapterSpan => ({
  ...span(`reward-${at}-${value}`, "agentlightning.operation", null, [0, 1], {
    "agentlightning.operation.name": "agentlightning.reward",
    "agentlightning.reward.0.name": "trajectory",
    "agentlightning.reward.0.value": value,
  }),
  sequence: at,
});
const bySequence = (spans: readonly AdapterSpan[]) => spansToSequenceTriplets(spans).map((it) => it.reward);

test("proxies: rewards by sequence alone, strictly later, to the latest call that has none", () => {
  const calls = [raw("a", 1, [1], [2], "A"), raw("b", 4, [3], [4], "B")];
  expect(bySequence([operation(6, 0), ...calls])).toEqual([null, 0]);
  expect(
    bySequence([operation(1, 1), operation(2, 2), raw("c", 2, [9], [8], "S"), operation(3, 3.5)]),
  ).toEqual([3.5]);
  const three = [raw("x", 2, [1], [2], "X"), raw("y", 4, [1], [2], "Y"), raw("z", 6, [1], [2], "Z")];
  expect(bySequence([...three, operation(5, 0.1), operation(7, 0.2), operation(8, 0.3)])).toEqual([
    0.3, 0.1, 0.2,
  ]);
  expect(bySequence([calls[0]!])).toEqual([null]);
});

test("proxies: a repeated response and a call without ids are left out", () => {
  const ids = { "gen_ai.response.id": "x" };
  expect(spansToSequenceTriplets([span("l", "litellm_request", null, [0, 1], ids), operation(9, 1)])).toEqual(
    [],
  );
  const twice = [raw("a", 1, [1, 2], [3], "D"), raw("b", 2, [1, 2], [3], "D"), operation(3, 1)];
  expect(spansToSequenceTriplets(twice)).toEqual([
    { spanId: "a", promptIds: [1, 2], responseIds: [3], reward: 1, responseId: "D" },
  ]);
});

const legacy = (spanId: string, attributes: Readonly<Record<string, unknown>>) =>
  span(spanId, "openai.chat.completion", null, [0, 1], attributes);

test("messages: a conversation with two tool calls in one turn, and the tools", () => {
  const parameters = '{"type":"object"}';
  const tool = (id: string) =>
    span(id, "tool_call.rooms", "ask", [0, 1], {
      "tool.name": "rooms",
      "tool.parameters": '{"time":"16:30"}',
      "tool.call.id": id,
      "tool.call.type": "function",
    });
  const said = { "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "Find a room." };
  const calls = ["call_1", "call_2"].map((id) => ({
    id,
    type: "function",
    function: { name: "rooms", arguments: '{"time":"16:30"}' },
  }));
  const again = Object.fromEntries(
    calls.flatMap(({ id }, i) => [
      [`gen_ai.prompt.1.tool_calls.${i}.id`, id],
      [`gen_ai.prompt.1.tool_calls.${i}.name`, "rooms"],
      [`gen_ai.prompt.1.tool_calls.${i}.arguments`, '{"time":"16:30"}'],
    ]),
  );
  const spans = [
    tool("call_1"),
    tool("call_2"),
    legacy("ask", {
      ...said,
      "gen_ai.request.functions.0.name": "rooms",
      "gen_ai.request.functions.0.description": "Rooms.",
      "gen_ai.request.functions.0.parameters": parameters,
      "gen_ai.completion.0.role": "assistant",
      "gen_ai.completion.0.finish_reason": "tool_calls",
    }),
    // The role of the assistant's turn is left out, as some tracers do.
    legacy("answer", {
      ...said,
      ...again,
      "gen_ai.prompt.2.content": "{}",
      "gen_ai.prompt.2.tool_call_id": "call_1",
      "gen_ai.prompt.3.content": "nobody said this",
      "gen_ai.completion.0.role": "assistant",
      "gen_ai.completion.0.content": "Lyra.",
    }),
  ];
  const user = { role: "user", content: "Find a room." };
  expect(spansToMessages(spans)).toEqual([
    {
      messages: [user, { role: "assistant", content: null, tool_calls: calls }],
      tools: [
        {
          type: "function",
          function: { name: "rooms", description: "Rooms.", parameters: { type: "object" } },
        },
      ],
    },
    {
      messages: [
        user,
        { role: "assistant", content: null, tool_calls: calls },
        { role: "tool", content: "{}", tool_call_id: "call_1" },
        { role: "assistant", content: "Lyra." },
      ],
      tools: null,
    },
  ]);
});

test("messages: OpenTelemetry's and OpenInference's conventions say the same", () => {
  const messages = [
    { role: "user", content: "Hi" },
    {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }],
    },
    { role: "tool", tool_call_id: "c", content: "7" },
  ];
  const own = legacy("own", {
    "gen_ai.input.messages": JSON.stringify(messagesOf({ messages })),
    "gen_ai.output.messages": JSON.stringify(outputMessages("Seven.", "stop")),
  });
  const expected = { messages: [...messages, { role: "assistant", content: "Seven." }], tools: null };
  const other = legacy("other", {
    "llm.input_messages.0.message.role": "user",
    "llm.input_messages.0.message.content": "Hi",
    "llm.input_messages.1.message.role": "assistant",
    "llm.input_messages.1.message.tool_calls.0.tool_call.id": "c",
    "llm.input_messages.1.message.tool_calls.0.tool_call.function.name": "f",
    "llm.input_messages.1.message.tool_calls.0.tool_call.function.arguments": "{}",
    "llm.input_messages.2.message.role": "tool",
    "llm.input_messages.2.message.tool_call_id": "c",
    "llm.input_messages.2.message.content": "7",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "Seven.",
  });
  expect(spansToMessages([own, other, root])).toEqual([expected, expected]);
});

test("rewards in three dialects, the primary first, the last one final", () => {
  const dimensions = span("r", "agentlightning.annotation", null, [0, 1], {
    ...rewardAttributes(0.5),
    "agentlightning.reward.1.name": "speed",
    "agentlightning.reward.1.value": 2,
  });
  expect(rewardsOf(dimensions)).toEqual([
    { name: "primary", value: 0.5 },
    { name: "speed", value: 2 },
  ]);
  const dialects = [
    { name: "x", attributes: { "agentops.task.output": { type: "reward", value: 3 } } },
    { name: "x", attributes: { "agentops.entity.output": '{"type":"reward","value":4}' } },
    { name: "agentlightning.reward", attributes: { reward: 5 } },
  ];
  expect(dialects.map(rewardValue)).toEqual([3, 4, 5]);
  const none = [
    { name: "x", attributes: rewardAttributes(1) },
    { name: "x", attributes: { reward: 1 } },
    { name: "x", attributes: { "agentops.task.output": '{"type":"other","value":4}' } },
    { name: "x", attributes: { "agentops.task.output": "no JSON" } },
    { name: "agentlightning.operation", attributes: rewardAttributes(1) },
    { name: "agentlightning.annotation", attributes: { "agentlightning.reward.0.value": "1" } },
  ];
  expect(findRewardSpans(none)).toEqual([]);
  expect(finalReward([dimensions, ...dialects, ...none])).toBe(5);
  expect(finalReward(none)).toBeNull();
});

test("tags and links go into attributes and come back; a link finds its span", () => {
  const tags = ["fast", "gen_ai.model:x"];
  expect(tagAttributes(tags)).toEqual({
    "agentlightning.tag.0": "fast",
    "agentlightning.tag.1": "gen_ai.model:x",
  });
  expect(tagsOf({ attributes: tagAttributes(tags) })).toEqual(tags);
  expect(tagsOf({ attributes: {} })).toEqual([]);
  const attributes = linkAttributes({ "gen_ai.response.id": "r-1", span_id: "c2" });
  expect(attributes).toMatchObject({
    "agentlightning.link.0.key_match": "gen_ai.response.id",
    "agentlightning.link.0.value_match": "r-1",
  });
  const spans = [call("c1", null, [0, 1], { id: "r-1" }), call("c2", null, [0, 1], { id: "r-1" })];
  expect(linkedSpans(spans, linksOf({ attributes })).map(({ spanId }) => spanId)).toEqual(["c2"]);
  const byId = linksOf({ attributes: linkAttributes({ "gen_ai.response.id": "r-1" }) });
  expect(linkedSpans(spans, byId)).toHaveLength(2);
  expect(linkedSpans(spans, [{ key: "missing", value: "x" }])).toEqual([]);
});

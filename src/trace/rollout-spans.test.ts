import { expect, test } from "vitest";
import type { ModelCall } from "../gateway/model-call.ts";
import { checkSpan } from "../store/span.ts";
import { agentEmissionSpan, emissionSpans } from "./emission-spans.ts";
import {
  agenticEvaluationFromSpan,
  agenticEvaluationSpan,
  agenticUpdateFromSpan,
  agenticUpdateSpan,
  type AgenticUpdate,
} from "./agentic-spans.ts";
import type { EmittedSpan } from "./emitted-span.ts";
import { isModelCall } from "./model-call.ts";
import { rewardsOf } from "./rewards.ts";
import { modelCallSpan, rewardSpan, rolloutSpan } from "./rollout-spans.ts";
import { RolloutTrace, spanIdAt } from "./rollout-trace.ts";
import { agenticUpdateAttributes } from "./semantic-conventions.ts";

const call: ModelCall = {
  rolloutId: "01R/7",
  attemptId: "01R/7.2",
  callIndex: 1,
  choice: 0,
  mode: "train",
  route: "chat.completions",
  request: {
    model: "policy",
    stream: true,
    messages: [
      { role: "system", content: [{ type: "text", text: "Sort." }] },
      { role: "user", content: "CAB" },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c1", type: "function", function: { name: "look", arguments: "{}" } }],
      },
      { role: "tool", tool_call_id: "c1", content: "seen" },
    ],
  },
  responseText: "ABC",
  promptTokens: Int32Array.of(1, 5, 6),
  responseTokens: Int32Array.of(7, 8, 2),
  samplerLogProbabilities: Float32Array.of(-1, -2, -0),
  logProbabilities: Float32Array.of(-1.5, -2.5, -0.1),
  finishReason: "stop",
  requestedModel: "gpt-4o-mini",
  model: "policy",
  policyVersion: 3,
  sampling: { temperature: 1, maxTokens: 8, stop: [], seed: 9, allowed: Int32Array.of(2, 7, 8) },
  startTime: 10,
  endTime: 20,
  usage: { promptTokens: 3, completionTokens: 3 },
  status: "succeeded",
  httpStatus: 200,
  error: null,
};

const root = (trace: RolloutTrace, attempt: number) =>
  rolloutSpan(trace.attempt(attempt), {
    agent: "sorter",
    update: 4,
    mode: "train",
    group: 2,
    sample: 1,
    status: attempt === 1 ? "timeout" : "succeeded",
    reason: attempt === 1 ? "timed-out" : null,
    message: attempt === 1 ? "It was not done after 5 ms." : null,
    startTime: 1,
    endTime: 30,
  });

test("a rollout's spans make a tree, numbered through its attempts, the same every time", () => {
  const make = () => {
    const trace = new RolloutTrace("01R", 7);
    const first = trace.attempt(1);
    const lost = trace.below(first);
    const second = trace.attempt(2);
    const answered = trace.below(second);
    return [first, lost, second, answered, trace.below(answered)].map((place) => modelCallSpan(place, call));
  };
  const spans = make();
  expect(spans.map(({ spanId }) => spanId)).toEqual(
    ["1/0", "1/1", "2/2", "2/3", "2/4"].map((end) => `01R/7/${end}`),
  );
  expect(spans.map(({ sequence }) => sequence)).toEqual([0, 1, 2, 3, 4]);
  expect(spans.map(({ parentId }) => parentId)).toEqual([null, "01R/7/1/0", null, "01R/7/2/2", "01R/7/2/3"]);
  expect(spans[4]).toMatchObject({
    rolloutId: "01R/7",
    attemptId: "01R/7.2",
    traceId: "01R/7",
    runId: "01R",
  });
  expect(make()).toEqual(spans);
});

test("a model call carries its tokens and OpenTelemetry's names", () => {
  const trace = new RolloutTrace("01R", 7);
  const span = modelCallSpan(trace.attempt(2), call);
  expect(span.tokens).toEqual({
    promptIds: call.promptTokens,
    responseIds: call.responseTokens,
    samplerLogProbabilities: call.samplerLogProbabilities,
    logProbabilities: call.logProbabilities,
  });
  expect(span).toMatchObject({ name: "chat policy", status: "ok", startTime: 10, endTime: 20 });
  const { "gen_ai.input.messages": input, "gen_ai.output.messages": output, ...rest } = span.attributes;
  expect(JSON.parse(input as string)).toEqual([
    { role: "system", parts: [{ type: "text", content: "Sort." }] },
    { role: "user", parts: [{ type: "text", content: "CAB" }] },
    { role: "assistant", parts: [{ type: "tool_call", id: "c1", name: "look", arguments: "{}" }] },
    { role: "tool", parts: [{ type: "tool_call_response", id: "c1", response: "seen" }] },
  ]);
  expect(JSON.parse(output as string)).toEqual([
    { role: "assistant", parts: [{ type: "text", content: "ABC" }], finish_reason: "stop" },
  ]);
  expect(rest).toEqual({
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "fulgurite",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.request.temperature": 1,
    "gen_ai.request.max_tokens": 8,
    "gen_ai.request.seed": 9,
    "gen_ai.request.stream": true,
    "gen_ai.response.model": "policy",
    "gen_ai.response.finish_reasons": '["stop"]',
    "gen_ai.usage.input_tokens": 3,
    "gen_ai.usage.output_tokens": 3,
    "http.response.status_code": 200,
    "fulgurite.call.index": 1,
    "fulgurite.call.choice": 0,
    "fulgurite.policy_version": 3,
    "fulgurite.sampling.allowed_tokens": "[2,7,8]",
  });
  expect(isModelCall(span)).toBe(true);
});

test("a refused call says why, whatever its body was", () => {
  const none = { promptTokens: new Int32Array(0), responseTokens: new Int32Array(0), responseText: "" };
  for (const request of [
    null,
    "text",
    3,
    { prompt: ["a", "b"] },
    { messages: "none" },
    { messages: [null, 1] },
  ]) {
    const span = modelCallSpan(new RolloutTrace("01R", 0).attempt(1), {
      ...call,
      ...none,
      request,
      samplerLogProbabilities: new Float32Array(0),
      logProbabilities: new Float32Array(0),
      sampling: null,
      policyVersion: null,
      finishReason: null,
      status: "rejected",
      httpStatus: 400,
      error: "no messages",
    });
    checkSpan(span);
    expect("tokens" in span).toBe(false);
    expect(span.status).toBe("error");
    expect(span.attributes).toMatchObject({ "error.type": "rejected", "error.message": "no messages" });
    expect(span.attributes["gen_ai.output.messages"]).toBeUndefined();
  }
});

test("rewards have Agent Lightning's names, the primary one first", () => {
  const place = new RolloutTrace("01R", 7).attempt(1);
  const scored = { reason: null, message: null, startTime: 1, endTime: 2 };
  const span = rewardSpan(place, { ...scored, reward: 0.7, components: { exact: 1, syntax: -0.3 } });
  expect(span.name).toBe("agentlightning.annotation");
  expect(span.attributes).toMatchObject({
    "agentlightning.reward.0.name": "primary",
    "agentlightning.reward.0.value": 0.7,
    "agentlightning.reward.2.name": "syntax",
    "agentlightning.reward.2.value": -0.3,
  });
  expect(rewardsOf(span)).toEqual([
    { name: "primary", value: 0.7 },
    { name: "exact", value: 1 },
    { name: "syntax", value: -0.3 },
  ]);
  const failed = rewardSpan(place, {
    ...scored,
    reward: null,
    components: {},
    reason: "threw",
    message: "x is not defined",
  });
  expect(failed.status).toBe("error");
  expect(failed.attributes).toEqual({ "error.type": "threw", "error.message": "x is not defined" });
  expect(rewardsOf(failed)).toEqual([]);
  expect(rewardsOf(root(new RolloutTrace("01R", 1), 2))).toEqual([]);
});

test("an attempt's root says what became of it", () => {
  const span = root(new RolloutTrace("01R", 7), 1);
  expect(span).toMatchObject({ name: "invoke_agent sorter", status: "error", parentId: null });
  expect(span.attributes).toEqual({
    "gen_ai.operation.name": "invoke_agent",
    "gen_ai.agent.name": "sorter",
    "error.type": "timed-out",
    "error.message": "It was not done after 5 ms.",
    "fulgurite.update": 4,
    "fulgurite.group": 2,
    "fulgurite.sample": 1,
    "fulgurite.mode": "train",
    "fulgurite.attempt": 1,
  });
});

test("whatever an agent says can be kept", () => {
  const cycle: Record<string, unknown> = {};
  cycle["self"] = cycle;
  const said = (value: unknown, kind: "emit" | "log" = "emit") => {
    const emission = { kind, name: "note", value, time: 5 };
    const span = agentEmissionSpan(new RolloutTrace("01R", 7).attempt(1), emission);
    checkSpan(span);
    expect(span.attributes["agentlightning.tag.0"]).toBe("note");
    return span;
  };
  expect(said("text").attributes["agentlightning.object.literal"]).toBe("text");
  expect(said(0.5).attributes["agentlightning.object.literal"]).toBe(0.5);
  expect(said({ a: [1] }).attributes).toMatchObject({
    "agentlightning.object.type": "object",
    "agentlightning.object.json": '{"a":[1]}',
  });
  expect(said(new Map([["k", 1n]])).attributes["agentlightning.object.json"]).toBe('[["k","1"]]');
  expect(said(Float32Array.of(1, 2)).attributes["agentlightning.object.json"]).toBe("[1,2]");
  for (const odd of [null, undefined, cycle]) said(odd);
  expect(said("line", "log")).toMatchObject({ name: "agentlightning.message", startTime: 5, endTime: 5 });
});

test("calls stand among what was emitted, in the order in which they began, below their operation", () => {
  const span = (type: EmittedSpan["type"], number: number, parent: number, value: unknown) => {
    const common = { name: type, tags: [], links: [], primary: null };
    return { kind: "span", name: type, value: { type, number, parent, value, ...common }, time: 5 } as const;
  };
  const trace = new RolloutTrace("01R", 7);
  const root = trace.attempt(1);
  const spans = emissionSpans(
    trace,
    root,
    [
      span("operation", 1, 0, null),
      { kind: "call", name: "1", value: 1, time: 6 },
      span("reward", 0, 1, 0.5),
      span("end", 0, 1, null),
      { kind: "call", name: "99", value: 0, time: 6 },
    ],
    9,
    [{ ...call, callIndex: 0 }, { ...call, callIndex: 1, choice: 1 }, call, { ...call, callIndex: 2 }],
  );
  const operation = spans[0]!.spanId;
  expect(
    spans.map(({ name, sequence, parentId, attributes }) => [
      name.replace(/^.*[.]/, ""),
      sequence,
      parentId === operation ? "operation" : parentId === spanIdAt(root) ? "root" : parentId,
      attributes["fulgurite.call.index"] ?? null,
    ]),
  ).toEqual([
    ["operation", 1, "root", null],
    [`chat ${call.model}`, 2, "operation", 1],
    [`chat ${call.model}`, 3, "operation", 1],
    ["annotation", 4, "operation", null],
    [`chat ${call.model}`, 5, "root", 0],
    [`chat ${call.model}`, 6, "root", 2],
  ]);
});

test("updates and evaluations of agentic runs carry all that was measured, and only their own kind", () => {
  const metrics = Object.fromEntries(
    agenticUpdateAttributes.map((key, i) => [key, key === "update" ? 6 : i / 3]),
  ) as unknown as AgenticUpdate;
  const evaluation = {
    update: 6,
    rollouts: 256,
    episodes: 100,
    success: 0.5,
    successLow: 0.4,
    successHigh: 0.6,
    rewardMean: 0.7,
  };
  const updated = agenticUpdateSpan("01R", metrics, 1, 2);
  const evaluated = agenticEvaluationSpan("01R", evaluation, 2, 3);
  expect(agenticUpdateFromSpan(updated)).toEqual(metrics);
  expect(agenticEvaluationFromSpan(evaluated)).toEqual(evaluation);
  expect(agenticUpdateFromSpan(evaluated)).toBeNull();
  expect(agenticEvaluationFromSpan(updated)).toBeNull();
  expect([updated.sequence, evaluated.sequence]).toEqual([12, 13]);
});

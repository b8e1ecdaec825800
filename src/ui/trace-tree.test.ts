import { expect, test } from "vitest";
import type { Span } from "../store/records.ts";
import { agentEmissionSpan } from "../trace/emission-spans.ts";
import { modelCallSpan, rewardSpan, rolloutSpan } from "../trace/rollout-spans.ts";
import { RolloutTrace, spanAt } from "../trace/rollout-trace.ts";
import { emissionOf, messagesOf, rewardWords, traceRows } from "./trace-tree.ts";

function spansOfOneRollout(): Span[] {
  const trace = new RolloutTrace("run", 3);
  const root = trace.attempt(1);
  const call = modelCallSpan(trace.below(root), {
    callIndex: 0,
    choice: 0,
    route: "chat.completions",
    request: { messages: [{ role: "user", content: "abcd" }] },
    responseText: "dcba",
    promptTokens: Int32Array.of(1, 2),
    responseTokens: Int32Array.of(3),
    samplerLogProbabilities: Float32Array.of(-1),
    logProbabilities: Float32Array.of(-2),
    finishReason: "stop",
    requestedModel: "policy",
    model: "policy",
    policyVersion: 1,
    sampling: null,
    startTime: 110,
    endTime: 160,
    status: "succeeded",
    httpStatus: 200,
    error: null,
  });
  const emission = agentEmissionSpan(trace.below(root), {
    kind: "emit",
    name: "plan",
    value: [1],
    time: 105,
  });
  const reward = rewardSpan(trace.below(root), {
    reward: 0.5,
    components: { right: 0.75, length: -0.25 },
    reason: null,
    message: null,
    startTime: 180,
    endTime: 200,
  });
  const ended = rolloutSpan(root, {
    agent: "a",
    update: 1,
    mode: "train",
    group: 0,
    sample: 0,
    status: "succeeded",
    reason: null,
    message: null,
    startTime: 100,
    endTime: 180,
  });
  return [call, emission, reward, ended];
}

test("a call from another tracer is a call, and says what was said; an exception says its message", () => {
  const trace = new RolloutTrace("r", 0);
  const at = trace.attempt(1);
  const span = (name: string, attributes: Span["attributes"]): Span =>
    spanAt(trace.below(at), { name, attributes, status: "ok", startTime: 1, endTime: 2 });
  const call = span("openai.chat.completion", {
    "gen_ai.prompt.0.role": "user",
    "gen_ai.prompt.0.content": "6 × 7?",
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.tool_calls.0.id": "c",
    "gen_ai.completion.0.tool_calls.0.name": "multiply",
    "gen_ai.completion.0.tool_calls.0.arguments": "[6,7]",
  });
  const thrown = span("agentlightning.exception", {
    "exception.type": "TypeError",
    "exception.message": "no number",
  });
  const rows = traceRows([call, thrown, span("agentlightning.operation", {})]);
  expect(rows.map(({ kind }) => kind)).toEqual(["call", "exception", "operation"]);
  expect(messagesOf(call)).toEqual([
    { role: "user", text: "6 × 7?" },
    { role: "assistant", text: "multiply([6,7])" },
  ]);
  expect(emissionOf(thrown)).toEqual({ name: "TypeError", value: "no number" });
});

test("spans become a tree, and bars of the same time", () => {
  const rows = traceRows(spansOfOneRollout());
  expect(rows.map(({ kind, depth, from, share }) => [kind, depth, from, share])).toEqual([
    ["rollout", 0, 0, 0.8],
    ["emission", 1, 0.05, 0],
    ["call", 1, 0.1, 0.5],
    ["reward", 1, 0.8, 0.2],
  ]);
  expect(messagesOf(rows[2]!.span)).toEqual([
    { role: "user", text: "abcd" },
    { role: "assistant", text: "dcba" },
  ]);
  expect(rewardWords(rows[3]!.span, String)).toBe("0.5 of right 0.75, length -0.25");
  expect(emissionOf(rows[1]!.span)).toEqual({ name: "plan", value: "[1]" });
});

test("a lost parent leaves its children, and parents in a circle hang nobody", () => {
  const [call, emission] = spansOfOneRollout() as [Span, Span];
  expect(traceRows([call]).map(({ depth }) => depth)).toEqual([0]);
  const circle = [
    { ...call, parentId: emission.spanId },
    { ...emission, parentId: call.spanId },
  ];
  expect(traceRows(circle)).toHaveLength(2);
});

test("rewards that others wrote are rewards, and annotations without one are not failures", () => {
  const trace = new RolloutTrace("run", 4);
  const emission = (attributes: Span["attributes"], name: string): Span => ({
    ...agentEmissionSpan(trace.below(trace.attempt(1)), { kind: "emit", name: "x", value: 1, time: 105 }),
    name,
    attributes,
  });
  const spans = [
    emission(
      {
        "agentlightning.reward.0.name": "exact",
        "agentlightning.reward.0.value": 1,
        "agentlightning.reward.1.name": "speed",
        "agentlightning.reward.1.value": 0.5,
      },
      "agentlightning.annotation",
    ),
    emission({ reward: 0.7 }, "agentlightning.reward"),
    emission({ "agentops.task.output": '{"type":"reward","value":0.9}' }, "task"),
    emission({ ok: true }, "agentlightning.annotation"),
  ];
  expect(traceRows(spans).map(({ kind }) => kind)).toEqual(["reward", "reward", "reward", "emission"]);
  expect(spans.slice(0, 3).map((span) => rewardWords(span, String))).toEqual([
    "exact 1, speed 0.5",
    "0.7",
    "0.9",
  ]);
});

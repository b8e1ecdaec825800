import { expect, test } from "vitest";
import type { GatewayRequest, GatewayResponse } from "../gateway/gateway-types.ts";
import type { AttemptEnd, AttemptRequest } from "./agent-host.ts";
import { evaluateInNode } from "./evaluate-in-node.ts";
import { createInProcessAgentHost } from "./in-process-host.ts";
import { createInProcessRewardHost } from "./reward-host.ts";

const answer = (content: string): GatewayResponse => ({
  status: 200,
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ choices: [{ message: { role: "assistant", content } }] }),
});

async function run(
  code: string,
  options: { bytes?: number; timeout?: number; values?: Record<string, unknown> } = {},
): Promise<{ end: AttemptEnd; asked: GatewayRequest[]; emitted: unknown[]; denied: string[] }> {
  const asked: GatewayRequest[] = [];
  const emitted: unknown[] = [];
  const denied: string[] = [];
  const host = createInProcessAgentHost({
    source: { code, entry: "agent", values: options.values ?? {} },
    evaluate: evaluateInNode,
  });
  const request: AttemptRequest = {
    identity: { rolloutId: "r", attemptId: "r.1", sample: 0, mode: "train" },
    task: { word: "abc" },
    randomSeed: null,
    allowance: { messages: 20, bytes: options.bytes ?? 10_000 },
    signal: options.timeout ? AbortSignal.timeout(options.timeout) : new AbortController().signal,
    onStart: () => undefined,
    onFetch: (fetched) => {
      asked.push(fetched);
      return Promise.resolve(answer("cba"));
    },
    onEmission: ({ name, value }) => emitted.push([name, value]),
    onDenied: (url) => denied.push(url),
  };
  return { end: await host.run(request), asked, emitted, denied };
}

test("plain fetch and llm.chat reach the policy, captured values and emissions travel", async () => {
  const { end, asked, emitted } = await run(
    `const agent = async (task, { llm, emit }) => {
       const response = await fetch("/v1/chat/completions", { method: "POST", body: JSON.stringify({ word: task.word }) });
       const first = (await response.json()).choices[0].message.content;
       emit("first", first);
       return [first, await llm.chat(prompt + task.word)];
     };`,
    { values: { prompt: "reverse " } },
  );
  expect(end).toEqual({ ok: true, result: ["cba", "cba"] });
  expect(asked[0]).toMatchObject({ method: "POST", path: "http://policy.local/v1/chat/completions" });
  expect(JSON.parse(asked[1]!.body!)).toMatchObject({ messages: [{ role: "user", content: "reverse abc" }] });
  expect(emitted).toEqual([["first", "cba"]]);
});

test.each([
  ["const agent = async () => { throw new RangeError('no'); };", "threw"],
  ["const agent = 3;", "load-failed"],
  ["const agent = (;", "load-failed"],
  ["const agent = async () => () => 1;", "invalid-result"],
  ["const agent = async () => 'x'.repeat(6000);", "flooded"],
  ["const agent = async (t, { emit }) => { for (let i = 0; i < 30; i++) emit('x'); };", "flooded"],
  ["const agent = () => new Promise(() => {});", "cancelled"],
])("%s ends as %s -> %s", async (code, reason) => {
  expect((await run(code, { timeout: 50 })).end).toMatchObject({ ok: false, reason });
});

test("other hosts are denied and said so", async () => {
  const { end, denied } = await run(
    "const agent = () => fetch('https://example.com/x').catch((error) => error.message);",
  );
  expect(end).toMatchObject({ ok: true, result: expect.stringContaining("https://example.com/x") as string });
  expect(denied).toEqual(["https://example.com/x"]);
});

test("rewards: components with weights; what throws or is no number has no reward", async () => {
  const score = (code: string) =>
    createInProcessRewardHost({
      source: { code, entry: "r", values: { bonus: 2 } },
      evaluate: evaluateInNode,
    }).score(["a", "b"].map((result, i) => ({ rolloutId: `r${i}`, task: "a", result, transcript: null })));
  expect(await score("const r = (task, result) => (task === result ? bonus : NaN);")).toMatchObject([
    { ok: true, components: { reward: 2 }, weights: { reward: 1 } },
    { ok: false, reason: "threw", message: expect.stringContaining("NaN") as string },
  ]);
  expect(
    await score(
      "const r = defineReward({ same: { weight: -0.5, score: (t, x) => t === x }, parts: () => [0, 1] });",
    ),
  ).toMatchObject([
    { components: { same: 1, parts: [0, 1] }, weights: { same: -0.5, parts: 1 } },
    { components: { same: 0, parts: [0, 1] } },
  ]);
  expect(await score("const r = {")).toMatchObject([{ reason: "load-failed" }, { reason: "load-failed" }]);
});

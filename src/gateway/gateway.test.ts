import { expect, test } from "vitest";
import type { GenerateRequest, Generation } from "../lm/language-engine.ts";
import { createGateway } from "./gateway.ts";
import type { GatewayContext, GatewayResponse, GatewayTokenizer } from "./gateway-types.ts";
import type { ModelCall } from "./model-call.ts";
import { seedsOfRun } from "./seeds.ts";

const alphabet = "abcdefgh !";
const special = 3;
/** bos 0, eos 1, separator 2, then one id a character. */
const tokenizer: GatewayTokenizer = {
  bos: 0,
  eos: 1,
  answerIds: Int32Array.from([1, ...Array.from(alphabet, (_, i) => i + special)]),
  encode: (text) =>
    Int32Array.from(text, (character) => {
      const at = alphabet.indexOf(character);
      if (at < 0) throw new Error(`"${character}" is not in the alphabet`);
      return at + special;
    }),
  decode: (ids) => Array.from(ids, (id) => alphabet[id - special] ?? "").join(""),
  renderChat: (messages) =>
    Int32Array.from([
      0,
      ...messages.flatMap(({ role, content }) => [
        ...tokenizer.encode(content),
        role === "assistant" ? 1 : 2,
      ]),
    ]),
};
const ids = (text: string): number[] => [...tokenizer.encode(text)];

/** Says `script` and then the end of sequence, a token a macrotask; honours limits, stops and abort. */
function scriptedEngine(script: string) {
  const batches: (readonly GenerateRequest[])[] = [];
  const one = async (request: GenerateRequest): Promise<Generation> => {
    const tokens: number[] = [];
    let finishReason: Generation["finishReason"] = "length";
    for (const id of [...ids(script), 1]) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      if (request.signal?.aborted) {
        finishReason = "abort";
        break;
      }
      tokens.push(id);
      request.onToken?.(id, -id / 8);
      if (request.stopTokens.includes(id)) finishReason = "stop";
      if (finishReason === "stop" || tokens.length === request.maxTokens) break;
    }
    return {
      tokens: Int32Array.from(tokens),
      samplerLogProbabilities: Float32Array.from(tokens, (id) => -id / 4),
      logProbabilities: Float32Array.from(tokens, (id) => -id / 8),
      finishReason,
      policyVersion: 7,
    };
  };
  return {
    batches,
    optimizerStep: 7,
    shape: { vocabularySize: special + alphabet.length, maxLength: 32 } as never,
    generate: (requests: readonly GenerateRequest[]) => {
      batches.push(requests);
      return Promise.all(requests.map(one));
    },
  };
}

function setUp(script = "abc", engine = scriptedEngine(script)) {
  const calls: ModelCall[] = [];
  let time = 1_000_000;
  const gateway = createGateway({
    engine,
    tokenizer,
    now: () => time++,
    seedFor: seedsOfRun(1),
    record: (call) => calls.push(call),
    defer: (flush) => setTimeout(flush, 0),
  });
  const context: GatewayContext = { rolloutId: "r1", attemptId: "r1.1", mode: "train" };
  const post = (
    body: unknown,
    path = "/v1/chat/completions",
    signal: AbortSignal = new AbortController().signal,
    as: GatewayContext = context,
  ): Promise<GatewayResponse> =>
    gateway.handle({ method: "POST", path, headers: {}, body: JSON.stringify(body) }, as, signal);
  return { gateway, engine, calls, post, context };
}

const messages = [{ role: "user", content: "hi".replace("i", "a") }];
const parsed = (response: GatewayResponse): Record<string, unknown> =>
  JSON.parse(response.body as string) as Record<string, unknown>;

async function events(response: GatewayResponse): Promise<(Record<string, unknown> | "[DONE]")[]> {
  let text = "";
  for await (const piece of response.body as AsyncIterable<string>) text += piece;
  expect(text.endsWith("\n\n")).toBe(true);
  return text
    .trimEnd()
    .split("\n\n")
    .map((event) => {
      expect(event.startsWith("data: ")).toBe(true);
      const data = event.slice("data: ".length);
      return data === "[DONE]" ? data : (JSON.parse(data) as Record<string, unknown>);
    });
}

test("a chat completion has every field the SDKs read, and is recorded as it was sampled", async () => {
  const { post, calls } = setUp();
  const response = await post({
    model: "gpt-4o",
    messages: [
      { role: "system", content: null },
      { role: "user", content: [{ type: "text", text: "ha" }] },
    ],
    logprobs: true,
    return_token_ids: true,
    temperature: 0.5,
    top_p: 1,
    tools: [],
  });
  expect(response.status).toBe(200);
  const logprob = (token: string, id: number) => ({
    token,
    logprob: -id / 8,
    bytes: [...new TextEncoder().encode(token)],
    top_logprobs: [],
  });
  expect(parsed(response)).toEqual({
    id: "chatcmpl-r1.1-0",
    object: "chat.completion",
    created: 1000,
    model: "policy",
    system_fingerprint: "policy-7",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: "abc", refusal: null },
        logprobs: {
          content: [logprob("a", 3), logprob("b", 4), logprob("c", 5), logprob("", 1)],
          refusal: null,
        },
        finish_reason: "stop",
        token_ids: [3, 4, 5, 1],
      },
    ],
    usage: { prompt_tokens: 5, completion_tokens: 4, total_tokens: 9 },
    prompt_token_ids: [0, 2, ...ids("ha"), 2],
  });
  expect(calls).toHaveLength(1);
  expect(calls[0]).toMatchObject({
    rolloutId: "r1",
    attemptId: "r1.1",
    callIndex: 0,
    choice: 0,
    mode: "train",
    requestedModel: "gpt-4o",
    model: "policy",
    policyVersion: 7,
    responseText: "abc",
    finishReason: "stop",
    status: "succeeded",
    httpStatus: 200,
    sampling: { temperature: 0.5, maxTokens: 27, stop: [], allowed: tokenizer.answerIds },
  });
  expect([...calls[0]!.promptTokens]).toEqual([0, 2, ...ids("ha"), 2]);
  expect([...calls[0]!.responseTokens]).toEqual([3, 4, 5, 1]);
  expect([...calls[0]!.samplerLogProbabilities]).toEqual([-0.75, -1, -1.25, -0.25]);
  expect([...calls[0]!.logProbabilities]).toEqual([-0.375, -0.5, -0.625, -0.125]);
  expect(calls[0]!.endTime).toBeGreaterThan(calls[0]!.startTime);
});

test("a stream opens with the role, ends with the finish reason, usage and [DONE]", async () => {
  const { post, calls } = setUp("ab");
  const response = await post({
    messages,
    stream: true,
    stream_options: { include_usage: true },
    return_token_ids: true,
    logprobs: true,
  });
  expect(response.headers["content-type"]).toContain("text/event-stream");
  const all = await events(response);
  expect(all.at(-1)).toBe("[DONE]");
  const chunks = all.slice(0, -1) as {
    choices: { delta: unknown; finish_reason: string | null; token_ids: number[]; index: number }[];
    usage: unknown;
    prompt_token_ids?: number[];
  }[];
  expect(chunks.map(({ choices }) => choices[0]?.delta)).toEqual([
    { role: "assistant", content: "" },
    { content: "a" },
    { content: "b" },
    {},
    undefined,
  ]);
  expect(chunks.map(({ choices }) => choices[0]?.finish_reason)).toEqual([
    null,
    null,
    null,
    "stop",
    undefined,
  ]);
  expect(chunks.map(({ choices }) => choices[0]?.token_ids)).toEqual([[], [3], [4], [1], undefined]);
  expect(chunks.map((chunk) => chunk.prompt_token_ids !== undefined)).toEqual([
    true,
    false,
    false,
    false,
    false,
  ]);
  expect(chunks.map(({ usage }) => usage)).toEqual([
    null,
    null,
    null,
    null,
    { prompt_tokens: 4, completion_tokens: 3, total_tokens: 7 },
  ]);
  for (const chunk of chunks) {
    expect(chunk).toMatchObject({
      id: "chatcmpl-r1.1-0",
      object: "chat.completion.chunk",
      created: 1000,
      model: "policy",
    });
  }
  expect(calls.map(({ status, responseText }) => [status, responseText])).toEqual([["succeeded", "ab"]]);
});

test("requests of one macrotask are one batch; n makes choices with seeds of their own", async () => {
  const { post, engine, calls, context } = setUp();
  const other = { ...context, rolloutId: "r2", attemptId: "r2.1" };
  const [first, second] = await Promise.all([
    post({ messages, n: 2 }),
    post({ messages, max_tokens: 2 }, "https://api.openai.com/v1/chat/completions?x=1", undefined, other),
  ]);
  expect(engine.batches.map((batch) => batch.length)).toEqual([3]);
  expect(new Set(engine.batches[0]!.map(({ seed }) => seed)).size).toBe(3);
  expect((parsed(first).choices as { index: number }[]).map(({ index }) => index)).toEqual([0, 1]);
  expect(parsed(first).usage).toEqual({ prompt_tokens: 4, completion_tokens: 8, total_tokens: 12 });
  expect(parsed(second).choices).toMatchObject([{ message: { content: "ab" }, finish_reason: "length" }]);
  expect(calls.map(({ rolloutId, callIndex, choice }) => [rolloutId, callIndex, choice]).sort()).toEqual([
    ["r1", 0, 0],
    ["r1", 0, 1],
    ["r2", 0, 0],
  ]);
});

test("siblings that send the same seed sample differently in training and alike in evaluation", () => {
  const seedFor = seedsOfRun(3);
  const who = { rolloutId: "a", attemptId: "a.1", callIndex: 0, choice: 0, requestSeed: 42 } as const;
  const sibling = { ...who, rolloutId: "b", attemptId: "b.1" };
  expect(seedFor({ ...who, mode: "train" })).not.toBe(seedFor({ ...sibling, mode: "train" }));
  expect(seedFor({ ...who, mode: "evaluation" })).toBe(seedFor({ ...sibling, mode: "evaluation" }));
  expect(seedFor({ ...who, mode: "train" })).toBe(seedFor({ ...who, mode: "train" }));
});

test("stops: one token by id, longer ones by text, and never shown", async () => {
  const one = setUp("abcd");
  expect(parsed(await one.post({ messages, stop: "c" })).choices).toMatchObject([
    { message: { content: "ab" }, finish_reason: "stop" },
  ]);
  expect(one.engine.batches[0]![0]!.stopTokens).toEqual([1, 5]);
  expect([...one.calls[0]!.responseTokens]).toEqual([3, 4, 5]);

  const long = setUp("abcdefgh");
  const streamed = await events(await long.post({ messages, stop: ["ce", "def"], stream: true }));
  const text = streamed
    .flatMap((event) => (event === "[DONE]" ? [] : (event.choices as { delta: { content?: string } }[])))
    .map(({ delta }) => delta.content ?? "")
    .join("");
  expect(text).toBe("abc");
  expect(long.calls[0]).toMatchObject({ finishReason: "stop", responseText: "abc" });
  expect([...long.calls[0]!.responseTokens]).toEqual(ids("abcdef"));
});

test("the run's overrides win over the agent, and max_tokens is bounded by the context", async () => {
  const { post, engine, context } = setUp();
  const allowed = Int32Array.of(1, 3, 4);
  const as = { ...context, sampling: { temperature: 1, maxTokens: 6, allowed } };
  await post({ messages, temperature: 0, max_completion_tokens: 100, seed: 5 }, undefined, undefined, as);
  expect(engine.batches[0]![0]).toMatchObject({ temperature: 1, maxTokens: 6, allowed });
});

test.each([
  [{ messages, tools: [{ type: "function" }] }, 400, "tools", "unsupported_parameter"],
  [{ messages, frequency_penalty: 0.9 }, 400, "frequency_penalty", "unsupported_parameter"],
  [{ messages, top_logprobs: 2 }, 400, "top_logprobs", "unsupported_parameter"],
  [{ messages, reasoning_effort: "high" }, 400, "reasoning_effort", "unsupported_parameter"],
  [{ messages, temperature: 3 }, 400, "temperature", "invalid_value"],
  [{ messages: [{ role: "user", content: "HELLO" }] }, 400, "messages", "invalid_prompt"],
  [{ messages: [{ role: "user", content: "a".repeat(31) }] }, 400, "messages", "context_length_exceeded"],
  [{ messages: [] }, 400, "messages", "invalid_value"],
])(
  "a request that cannot be answered names the field, and is recorded (%#)",
  async (body, status, param, code) => {
    const { post, calls, engine } = setUp();
    const response = await post(body);
    expect(response.status).toBe(status);
    expect(parsed(response)).toEqual({
      error: { message: expect.any(String) as string, type: "invalid_request_error", param, code },
    });
    expect(calls).toMatchObject([{ status: "rejected", httpStatus: status, sampling: null }]);
    expect(engine.batches).toEqual([]);
  },
);

test("other routes answer with error objects; models are listed", async () => {
  const { gateway, context, calls, post } = setUp();
  const { signal } = new AbortController();
  const get = (path: string) =>
    gateway.handle({ method: "GET", path, headers: {}, body: null }, context, signal);
  expect(parsed(await get("http://policy.local/v1/models"))).toMatchObject({
    object: "list",
    data: [{ id: "policy", object: "model" }],
  });
  expect((await get("/v1/chat/completions")).status).toBe(405);
  const missing = await post({}, "/v1/embeddings");
  expect([missing.status, (parsed(missing).error as { code: string }).code]).toEqual([404, "unknown_url"]);
  expect(calls).toEqual([]);
  const rejected = await gateway.handle(
    { method: "POST", path: "/v1/completions", headers: {}, body: "{" },
    context,
    signal,
  );
  expect(rejected.status).toBe(400);
});

test("text completions continue strings and token ids", async () => {
  const { post, calls } = setUp();
  const response = await post(
    { prompt: ["ab", [3, 4, 5]], logprobs: 0, return_token_ids: true },
    "/v1/completions",
  );
  const choice = (index: number, prompt: number[]) => ({
    index,
    text: "abc",
    logprobs: {
      tokens: ["a", "b", "c", ""],
      token_logprobs: [-0.375, -0.5, -0.625, -0.125],
      top_logprobs: null,
      text_offset: [0, 1, 2, 3],
    },
    finish_reason: "stop",
    token_ids: [3, 4, 5, 1],
    prompt_token_ids: prompt,
  });
  expect(parsed(response)).toMatchObject({
    object: "text_completion",
    choices: [choice(0, [0, 3, 4]), choice(1, [3, 4, 5])],
  });
  expect(calls.map((call) => call.choice)).toEqual([0, 1]);
});

test("an engine that fails is a 503, recorded as failed, streaming or not", async () => {
  const engine = { ...scriptedEngine(""), generate: () => Promise.reject(new Error("device lost")) };
  const { post, calls } = setUp("", engine);
  for (const stream of [false, true]) {
    const response = await post({ messages, stream });
    expect(response.status).toBe(503);
    expect(response.body).toContain("device lost");
  }
  expect(calls.map(({ status, httpStatus }) => [status, httpStatus])).toEqual([
    ["failed", 503],
    ["failed", 503],
  ]);
});

test("an agent that goes away ends sampling and is recorded at once", async () => {
  const { post, calls, engine } = setUp("abcdefgh");
  const abort = new AbortController();
  const answer = post({ messages }, undefined, abort.signal);
  await new Promise((resolve) => setTimeout(resolve, 5));
  abort.abort();
  expect(calls).toMatchObject([{ status: "cancelled", httpStatus: 499 }]);
  expect(engine.batches[0]![0]!.signal?.aborted).toBe(true);
  expect((await answer).status).toBe(499);
  expect(calls).toHaveLength(1);

  const reader = setUp("abcdefgh");
  const { body } = await reader.post({ messages, stream: true });
  const iterator = (body as AsyncIterable<string>)[Symbol.asyncIterator]();
  await iterator.next();
  await iterator.return?.();
  expect(reader.engine.batches[0]![0]!.signal?.aborted).toBe(true);
  expect(reader.calls).toMatchObject([{ status: "cancelled" }]);
});

test("while weights change, requests wait and what is being sampled ends first", async () => {
  const { gateway, post, engine } = setUp("ab");
  const running = post({ messages });
  await new Promise((resolve) => setTimeout(resolve, 2));
  let drained = false;
  const holding = gateway.hold().then(() => {
    drained = true;
  });
  const waiting = post({ messages });
  expect(drained).toBe(false);
  await running;
  await holding;
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(engine.batches).toHaveLength(1);
  gateway.release();
  expect((await waiting).status).toBe(200);
  expect(engine.batches).toHaveLength(2);

  // Held between the request and the moment its batch would have left.
  const late = post({ messages });
  await gateway.hold();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(engine.batches).toHaveLength(2);
  gateway.release();
  expect((await late).status).toBe(200);
});

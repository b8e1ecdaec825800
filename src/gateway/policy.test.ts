import { expect, test } from "vitest";
import { expectClose } from "../../test/support/goldens.ts";
import { createCpuLanguageEngine } from "../lm/cpu-language-engine.ts";
import type { TokenRows } from "../lm/language-engine.ts";
import { bytePairTokenizer, trainBytePairs } from "../lm/byte-pair-tokenizer.ts";
import { characterTokenizer, type Tokenizer } from "../lm/tokenizer.ts";
import { wordTokenizer } from "../lm/word-tokenizer.ts";
import { createGateway } from "./gateway.ts";
import type { ModelCall } from "./model-call.ts";
import { seedsOfRun } from "./seeds.ts";

const tokenizer = characterTokenizer("abcdefghij");
const shape = {
  vocabularySize: tokenizer.vocabularySize,
  width: 16,
  layers: 1,
  heads: 2,
  keyValueHeads: 2,
  headSize: 8,
  feedForward: 16,
  maxLength: 24,
  ropeBase: 1e4,
  normEpsilon: 1e-5,
  tiedHead: true,
};

async function ask(order: readonly number[]): Promise<{ calls: ModelCall[]; scored: Float32Array }> {
  const engine = await createCpuLanguageEngine(shape, { seed: 3 });
  const calls: ModelCall[] = [];
  const gateway = createGateway({
    engine,
    tokenizer,
    now: () => 0,
    seedFor: seedsOfRun(1),
    record: (call) => calls.push(call),
    defer: (flush) => setTimeout(flush, 0),
  });
  await Promise.all(
    order.map(async (i) => {
      const context = { rolloutId: `r${i}`, attemptId: `r${i}.1`, mode: "train" } as const;
      const content = "abcdefghij".slice(i, i + 4);
      const body = JSON.stringify({
        messages: [{ role: "user", content }],
        max_tokens: 8,
        stream: i % 2 === 1,
      });
      const request = { method: "POST", path: "/v1/chat/completions", headers: {}, body };
      const response = await gateway.handle(request, context, new AbortController().signal);
      expect(response.status).toBe(200);
      if (typeof response.body === "string") return;
      let text = "";
      for await (const piece of response.body) text += piece;
      expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
    }),
  );
  calls.sort((a, b) => a.rolloutId.localeCompare(b.rolloutId));
  const { logProbabilities } = await engine.score(rowsOf(calls));
  engine.dispose();
  return { calls, scored: logProbabilities };
}

/** The calls as the trainer would see them. */
function rowsOf(calls: readonly ModelCall[]): TokenRows {
  const length = shape.maxLength;
  const size = calls.length * length;
  const tokens = new Int32Array(size);
  const weights = new Float32Array(size);
  calls.forEach(({ promptTokens, responseTokens }, row) => {
    tokens.set(promptTokens, row * length);
    tokens.set(responseTokens, row * length + promptTokens.length);
    weights.fill(
      1,
      row * length + promptTokens.length,
      row * length + promptTokens.length + responseTokens.length,
    );
  });
  return {
    rows: calls.length,
    length,
    tokens,
    lengths: Int32Array.from(calls, (call) => call.promptTokens.length + call.responseTokens.length),
    weights,
    advantages: new Float32Array(size),
    oldLogProbabilities: new Float32Array(size),
    importance: new Float32Array(size).fill(1),
    allowed: tokenizer.answerIds,
  };
}

test("what is recorded of a call is what the policy says of those tokens, in any order of calls", async () => {
  const { calls, scored } = await ask([0, 1, 2, 3, 4, 5]);
  expect(calls).toHaveLength(6);
  calls.forEach((call, row) => {
    expect(call.status).toBe("succeeded");
    expect([...call.promptTokens]).toEqual([
      tokenizer.bos,
      ...tokenizer.encode("abcdefghij".slice(row, row + 4)),
      tokenizer.separator,
    ]);
    expect(call.responseText).toBe(tokenizer.decode(call.responseTokens));
    const from = row * shape.maxLength + call.promptTokens.length;
    expectClose(
      call.logProbabilities,
      scored.subarray(from, from + call.responseTokens.length),
      { absolute: 1e-4, relative: 0 },
      `call ${row}`,
    );
  });
  const again = await ask([5, 3, 1, 0, 2, 4]);
  expect(again.calls.map(({ responseTokens }) => [...responseTokens])).toEqual(
    calls.map(({ responseTokens }) => [...responseTokens]),
  );
});

type Answer = { readonly status: number; readonly texts: string[]; readonly message: string };

/** Six answers at a time of a random policy over the tokens of `writer`. */
async function asking(writer: Tokenizer): Promise<(body: object, content?: string) => Promise<Answer>> {
  const engine = await createCpuLanguageEngine(
    { ...shape, vocabularySize: writer.vocabularySize },
    { seed: 3 },
  );
  const gateway = createGateway({
    ...{ engine, tokenizer: writer, now: () => 0, seedFor: seedsOfRun(1), record: () => undefined },
    defer: (flush) => setTimeout(flush, 0),
  });
  return async (body, content = "ab") => {
    const request = {
      ...{ method: "POST", path: "/v1/chat/completions", headers: {} },
      body: JSON.stringify({ messages: [{ role: "user", content }], n: 6, max_tokens: 18, ...body }),
    };
    const context = { rolloutId: "r", attemptId: "r.1", mode: "train" } as const;
    const response = await gateway.handle(request, context, new AbortController().signal);
    const parsed = JSON.parse(response.body as string) as {
      choices?: { message: { content: string } }[];
      error?: { message: string };
    };
    const texts = (parsed.choices ?? []).map(({ message }) => message.content);
    return { status: response.status, texts, message: parsed.error?.message ?? "" };
  };
}

test("a stop ends an answer also within a token, and where its letters come one by one", async () => {
  const writer = bytePairTokenizer(trainBytePairs(["})\n})\n})", "ab\nab\nab"], 2));
  const [pair, both] = [writer.encode("})"), writer.encode("ab")];
  expect([pair.length, both.length]).toEqual([1, 1]);
  const answer = await asking(writer);
  const letters = ["a", "b", "c"].map((letter) => writer.encode(letter)[0]!);
  const within = await answer({ stop: ")", allowed_token_ids: [pair[0]!, letters[2]!] });
  for (const text of within.texts) expect(text).toMatch(/^c*\}?$/);
  expect(within.texts.some((text) => text.endsWith("}"))).toBe(true);
  const apart = await answer({ stop: ["ab"], allowed_token_ids: letters });
  for (const text of apart.texts) expect(text).not.toContain("ab");
  expect(apart.texts.some((text) => text.length < 18)).toBe(true);
});

test("a form that needs words which no answer has is refused", async () => {
  const answer = await asking(wordTokenizer({ words: ["yes", "no", "is", "it"], answers: 2 }));
  const asked = await answer({ guided_grammar: 'root ::= " it" | " is"' }, "is it");
  expect([asked.status, asked.message]).toEqual([400, expect.stringContaining("no token")]);
  const { texts } = await answer({ guided_grammar: 'root ::= " it" | " no"' }, "is it");
  expect(texts).toEqual(Array(6).fill(" no"));
});

test("a JSON schema, filters and biases reach the policy; what it cannot write is refused", async () => {
  const writer = characterTokenizer('{}":,ab01');
  const answer = await asking(writer);
  const schema = (properties: object): object => ({
    response_format: {
      type: "json_schema",
      json_schema: { name: "x", schema: { type: "object", properties, required: Object.keys(properties) } },
    },
  });
  const { texts } = await answer(schema({ a: { enum: [0, 1] }, b: { enum: ["a", "b"] } }));
  expect(texts).toHaveLength(6);
  for (const text of texts) expect(text).toMatch(/^\{"a":[01],"b":"[ab]"\}$/);
  const named = await answer({ ...schema({ a: { enum: [0, 1] } }), temperature: 0.7, top_p: 0.9, top_k: 5 });
  for (const text of named.texts) expect(["0", "1"]).toContain(String((JSON.parse(text) as { a: number }).a));
  const biased = await answer({ logit_bias: { [writer.encode("b")[0]!]: 100 }, max_tokens: 4 });
  expect(biased.texts).toEqual(Array(6).fill("bbbb"));
  expect(await answer(schema({ a: { type: "string", pattern: "a" } }))).toMatchObject({ status: 400 });
  const impossible = await answer({ guided_grammar: 'root ::= "xyz"' });
  expect([impossible.status, impossible.message]).toEqual([400, expect.stringContaining("no token")]);
});

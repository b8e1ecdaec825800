import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { smallShape, strengthen } from "../../../test/support/language-rows.ts";
import { createCpuLanguageEngine } from "../cpu-language-engine.ts";
import type { TokenConstraint } from "../language-engine.ts";
import { characterTokenizer } from "../tokenizer.ts";
import { compileConstraint, jsonSchemaGrammar, parseGrammar, tokenBytes, type TokenBytes } from "./index.ts";
import { utf8Ranges } from "./utf8-ranges.ts";

const END = 0;
/** Bytes, and some tokens of several, two of which cut a character in two. */
const vocabulary: TokenBytes = [
  null,
  ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
  ...['{"', '":', '","', "true", "1234", "],[", '"}', "é1"].map((text) => new TextEncoder().encode(text)),
  Uint8Array.of(97, 0xc3),
];

/** Draws from the mask until the end, favouring what closes; null where it was cut. */
function draw(
  constraint: TokenConstraint,
  choose: (count: number, step: number) => number,
  most = 400,
): string | null {
  const state = constraint.start();
  const bytes: number[] = [];
  for (let step = 0; step < most; step++) {
    const mask = state.mask();
    const ids = Array.from({ length: vocabulary.length }, (_, id) => id).filter(
      (id) => ((mask[id >> 5]! >>> (id & 31)) & 1) === 1,
    );
    expect(ids.length).toBeGreaterThan(0);
    const closing = ids.filter((id) => [END, 1 + 34, 1 + 93, 1 + 125].includes(id));
    const from = step > 40 && closing.length > 0 ? closing : ids;
    const id = from[choose(from.length, step)]!;
    if (id === END) return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes));
    bytes.push(...vocabulary[id]!);
    state.take(id);
  }
  return null;
}

const compiled = (text: string): TokenConstraint => compileConstraint(parseGrammar(text), vocabulary, [END]);
const matches = (constraint: TokenConstraint, text: string): boolean => {
  const state = constraint.start();
  const has = (id: number): boolean => ((state.mask()[id >> 5]! >>> (id & 31)) & 1) === 1;
  for (const byte of new TextEncoder().encode(text)) {
    if (!has(1 + byte)) return false;
    state.take(1 + byte);
  }
  return has(END);
};

describe("a grammar", () => {
  test.each([
    ['root ::= "a"+ ("b" | "c"?) "d"', ["ad", "aabd", "acd"], ["d", "abcd", "a"]],
    ["root ::= [^a-z]{2,3}", ["AB", "é7ü", "日本"], ["a", "A", "ABCD"]],
    ['root ::= pair\npair ::= "(" pair ")" | "" # balanced', ["", "((()))"], ["(()", ")"]],
    ["root ::= [à-ü€-₿😀-😄]", ["é", "₿", "😃"], ["ý", "a", "😅"]],
  ])("%s", (text, good, bad) => {
    const constraint = compiled(text);
    for (const sentence of good) expect([sentence, matches(constraint, sentence)]).toEqual([sentence, true]);
    for (const sentence of bad) expect([sentence, matches(constraint, sentence)]).toEqual([sentence, false]);
  });

  test.each([
    "root ::= other",
    'root ::= root "a"',
    'root ::= x "a"\nx ::= "" | root',
    'root ::= "a',
    "root ::= [z-a]",
    'a ::= "b"',
  ])("is refused: %s", (text) => {
    expect(() => parseGrammar(text)).toThrow(expect.objectContaining({ code: "lm/invalid-grammar" }));
  });

  test("ranges of code points are exactly their encodings", () => {
    fc.assert(
      fc.property(fc.nat(0x10ffff), fc.nat(0x10ffff), fc.nat(0x10ffff), (a, b, point) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        if (point >= 0xd800 && point <= 0xdfff) return;
        const bytes = new TextEncoder().encode(String.fromCodePoint(point));
        const inside = utf8Ranges(low, high).some(
          (ranges) =>
            ranges.length === bytes.length && ranges.every(([l, h], i) => bytes[i]! >= l && bytes[i]! <= h),
        );
        expect(inside).toBe(point >= low && point <= high);
      }),
      { numRuns: 500 },
    );
  });
});

/** Whether a value is what a schema of the kinds below says. */
function fits(schema: Record<string, unknown>, value: unknown): boolean {
  const either = schema["anyOf"] as Record<string, unknown>[] | undefined;
  if (either) return either.some((one) => fits(one, value));
  if (schema["enum"])
    return (schema["enum"] as unknown[]).some((v) => JSON.stringify(v) === JSON.stringify(value));
  switch (schema["type"]) {
    case "string": {
      const length = typeof value === "string" ? [...value].length : -1;
      return (
        length >= ((schema["minLength"] as number | undefined) ?? 0) &&
        length <= ((schema["maxLength"] as number | undefined) ?? Infinity)
      );
    }
    case "integer":
      return Number.isInteger(value);
    case "number":
      return typeof value === "number";
    case "boolean":
      return typeof value === "boolean";
    case "null":
      return value === null;
    case "array":
      return (
        Array.isArray(value) &&
        value.length >= (schema["minItems"] as number) &&
        value.length <= (schema["maxItems"] as number) &&
        value.every((item) => fits(schema["items"] as Record<string, unknown>, item))
      );
    default: {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
      const properties = schema["properties"] as Record<string, Record<string, unknown>>;
      const entries = Object.entries(value);
      return (
        (schema["required"] as string[]).every((name) => name in value) &&
        entries.every(([name, item]) => name in properties && fits(properties[name]!, item))
      );
    }
  }
}

const schemas = fc.letrec<{ schema: Record<string, unknown> }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom("integer", "number", "boolean", "null").map((type) => ({ type })),
    fc.record({
      type: fc.constant("string"),
      minLength: fc.nat(2),
      maxLength: fc.integer({ min: 2, max: 4 }),
    }),
    fc
      .array(fc.jsonValue({ maxDepth: 1 }), { minLength: 1, maxLength: 3 })
      .map((values) => ({ enum: values })),
    fc.array(tie("schema"), { minLength: 1, maxLength: 2 }).map((list) => ({ anyOf: list })),
    fc.record({
      ...{ type: fc.constant("array"), items: tie("schema") },
      ...{ minItems: fc.nat(1), maxItems: fc.integer({ min: 1, max: 3 }) },
    }),
    fc
      .uniqueArray(fc.tuple(fc.string({ maxLength: 4 }), tie("schema"), fc.boolean()), {
        ...{ minLength: 1, maxLength: 3, selector: ([name]) => name },
      })
      .map((entries) => ({
        ...{ type: "object", additionalProperties: false },
        properties: Object.fromEntries(entries.map(([name, schema]) => [name, schema])),
        required: entries.filter(([, , required]) => required).map(([name]) => name),
      })),
  ),
})).schema;

describe("a JSON schema", () => {
  test("every output parses and is what the schema says", () => {
    let finished = 0;
    fc.assert(
      fc.property(schemas, fc.infiniteStream(fc.nat()), (schema, random) => {
        // The name __proto__ is no property of what JSON.parse is compared with.
        if (JSON.stringify(schema).includes("__proto__")) return;
        const constraint = compiled(jsonSchemaGrammar(schema));
        const text = draw(constraint, (count) => (random.next().value as number) % count);
        if (text === null) return;
        finished++;
        expect(fits(schema, JSON.parse(text))).toBe(true);
      }),
      { numRuns: 150 },
    );
    expect(finished).toBeGreaterThan(120);
  });

  test("references may recur; what cannot be kept is refused by name", () => {
    const list = {
      $ref: "#/$defs/list",
      $defs: {
        list: {
          anyOf: [
            { type: "null" },
            { type: "object", properties: { next: { $ref: "#/$defs/list" } }, required: ["next"] },
          ],
        },
      },
    };
    const constraint = compiled(jsonSchemaGrammar(list));
    expect(matches(constraint, '{"next":{"next":null}}')).toBe(true);
    expect(matches(constraint, '{"next":1}')).toBe(false);
    expect(() => jsonSchemaGrammar({ type: "string", pattern: "a*" })).toThrow(/"pattern"/);
  });
});

test("an engine's answer under a constraint, whatever its neighbours; plain log-probabilities are without it", async () => {
  const tokenizer = characterTokenizer('{}":ab,01');
  const shape = { ...smallShape, vocabularySize: 13 };
  const engine = await createCpuLanguageEngine(shape, { seed: 5 });
  await strengthen(engine);
  const constraint = compileConstraint(
    parseGrammar('root ::= "{\\"a\\":" [01]{1,3} "}"'),
    tokenBytes(tokenizer, 13),
    [tokenizer.eos],
  );
  const request = (seed: number) => ({
    ...{ prompt: Int32Array.of(1, 9, 3), maxTokens: 12, temperature: 1, stopTokens: [tokenizer.eos] },
    ...{ allowed: tokenizer.answerIds, seed },
  });
  const seeds = Array.from({ length: 12 }, (_, seed) => seed);
  const together = await engine.generate(
    seeds.flatMap((seed) => [{ ...request(seed), constraint }, request(100 + seed)]),
  );
  for (const seed of seeds) {
    const made = together[2 * seed]!;
    expect(tokenizer.decode(made.tokens)).toMatch(/^\{"a":[01]{1,3}\}$/);
    expect(made.finishReason).toBe("stop");
    // The first character was the only one possible.
    expect(made.samplerLogProbabilities[0]).toBe(0);
    expect(made.logProbabilities[0]).toBeLessThan(-0.1);
  }
  const [alone] = await engine.generate([{ ...request(3), constraint }]);
  expect(alone).toEqual(together[6]);
});

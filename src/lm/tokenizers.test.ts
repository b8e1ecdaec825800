import * as fc from "fast-check";
import { expect, test } from "vitest";
import { byteTokenizer } from "./byte-tokenizer.ts";
import { bytePairTokenizer, bytePairTokenizerJson, trainBytePairs } from "./byte-pair-tokenizer.ts";
import { huggingFaceTokenizer } from "./hugging-face-tokenizer.ts";
import { specials } from "./tokenizer.ts";

const corpus = [
  "low low low low low lower lower newest newest newest newest newest newest",
  "widest widest widest",
];
const pairs = trainBytePairs(corpus, 12);
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({
    unit: fc.constantFrom("l", "o", "w", "e", "s", "t", " ", "'", "\n", "7", "é", "🦊"),
    maxLength: 60,
  }),
);

test("what bytes and byte pairs encode, they decode", () => {
  for (const tokenizer of [byteTokenizer(), bytePairTokenizer(pairs), bytePairTokenizer({ merges: [] })]) {
    fc.assert(
      fc.property(text, (value) => {
        const ids = tokenizer.encode(value);
        expect(ids.every((id) => id >= 4 && id < tokenizer.vocabularySize)).toBe(true);
        expect(tokenizer.decode(ids)).toBe(value);
        const turns = tokenizer.renderChat([{ role: "user", content: value }]);
        expect([...turns]).toEqual([specials.bos, ...ids, specials.separator]);
      }),
      { numRuns: 150, seed: 1 },
    );
  }
});

test("Gage's aaabdaaabac, and the first pairs of Sennrich's corpus", () => {
  const gage = trainBytePairs(["aaabdaaabac"], 3);
  // aa, then ab, then (aa)(ab): Z, Y and X in the original.
  expect(gage.merges).toEqual([
    [97, 97],
    [97, 98],
    [256, 257],
  ]);
  expect([...bytePairTokenizer(gage).encode("aaabdaaabac")].map((id) => id - 4)).toEqual([
    258, 100, 258, 97, 99,
  ]);
  const spelled = pairs.merges.map(([a, b]) => [a, b].map(spell).join("+"));
  function spell(token: number): string {
    return token < 256 ? String.fromCharCode(token) : pairs.merges[token - 256]!.map(spell).join("");
  }
  // 9 of "es" and of "st", the lower bytes first; then "est", and 6 or more of the rest.
  expect(spelled.slice(0, 2)).toEqual(["e+s", "es+t"]);
  expect(spelled).toContain("l+o");
  expect(bytePairTokenizer(pairs).encode("low lower newest widest").length).toBeLessThan(10);
  expect(trainBytePairs(["abc"], 5).merges).toEqual([]);
});

/** The definition: every pair of every piece is counted anew for each merge. */
function naivePairs(texts: readonly string[], merges: number): [number, number][] {
  // Of a text of these letters, the pieces that pairs do not cross: words with the space in front of them.
  let pieces = texts
    .flatMap((text) => text.match(/ ?[a-d]+|\s+(?!\S)|\s+/g) ?? [])
    .map((it) => [...Buffer.from(it)]);
  const learned: [number, number][] = [];
  while (learned.length < merges) {
    const counts = new Map<string, number>();
    for (const tokens of pieces) {
      for (let i = 1; i < tokens.length; i++) {
        const pair = `${tokens[i - 1]!},${tokens[i]!}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
    const [best] = [...counts]
      .map(([pair, count]) => ({ pair: pair.split(",").map(Number) as [number, number], count }))
      .filter(({ count }) => count > 1)
      .sort((one, two) => two.count - one.count || one.pair[0] - two.pair[0] || one.pair[1] - two.pair[1]);
    if (!best) break;
    const token = 256 + learned.length;
    learned.push(best.pair);
    pieces = pieces.map((tokens) => {
      const joined: number[] = [];
      for (let i = 0; i < tokens.length; i++) {
        const isPair = tokens[i] === best.pair[0] && tokens[i + 1] === best.pair[1];
        joined.push(isPair ? token : tokens[i]!);
        if (isPair) i++;
      }
      return joined;
    });
  }
  return learned;
}

test("counts kept up to date give the pairs that counting anew does, and of equal ones that of the lower tokens", () => {
  const texts = fc.array(fc.string({ unit: fc.constantFrom("a", "b", "c", "d", " "), maxLength: 30 }), {
    maxLength: 8,
  });
  fc.assert(
    fc.property(texts, fc.integer({ min: 0, max: 20 }), (some, merges) => {
      const { merges: learned } = trainBytePairs(some, merges);
      expect(learned).toEqual(naivePairs(some, merges));
      expect(trainBytePairs([...some].reverse(), merges).merges).toEqual(learned);
    }),
    { numRuns: 300, seed: 3 },
  );
});

test("Hugging Face's library reads our tokenizer.json and gives the same ids", async () => {
  const ours = bytePairTokenizer(pairs);
  const config = { bos_token: "<|bos|>", eos_token: "<|eos|>", pad_token: "<|pad|>" };
  const theirs = await huggingFaceTokenizer({ tokenizer: bytePairTokenizerJson(pairs), config });
  expect(theirs).toMatchObject({ vocabularySize: ours.vocabularySize, pad: 0, bos: 1, eos: 2 });
  expect([...theirs.answerIds]).toEqual([...ours.answerIds].sort((a, b) => a - b));
  fc.assert(
    fc.property(text, (value) => {
      // Their names of special tokens are read as such.
      fc.pre(!value.includes("<|"));
      const ids = [...ours.encode(value)];
      expect([...theirs.encode(value)]).toEqual(ids);
      expect(theirs.decode(ids)).toBe(value);
    }),
    { numRuns: 150, seed: 2 },
  );
});

test("a chat template is followed, and its complaint is passed on", async () => {
  const chatTemplate = `{%- for message in messages -%}
{%- if message.role == 'tool' -%}{{ raise_exception('no tools here') }}{%- endif -%}
{{ bos_token }}{{ message.role + '\\n' + message.content }}{{ eos_token + '\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ bos_token + 'assistant\\n' }}{%- endif -%}`;
  const config = { bos_token: "<|bos|>", eos_token: { content: "<|eos|>" } };
  const tokenizer = await huggingFaceTokenizer({
    ...{ tokenizer: bytePairTokenizerJson(pairs), config, chatTemplate },
  });
  const newline = [...tokenizer.encode("\n")];
  const turn = (role: string, content: string): number[] => [
    ...[1, ...tokenizer.encode(`${role}\n${content}`), 2],
  ];
  expect([
    ...tokenizer.renderChat([
      { role: "system", content: "lower" },
      { role: "user", content: "newest" },
    ]),
  ]).toEqual([
    ...turn("system", "lower"),
    ...newline,
    ...turn("user", "newest"),
    ...newline,
    1,
    ...tokenizer.encode("assistant\n"),
  ]);
  expect(() => tokenizer.renderChat([{ role: "tool", content: "x" }])).toThrow(
    expect.objectContaining({ code: "lm/bad-template" }),
  );
  await expect(
    huggingFaceTokenizer({ tokenizer: bytePairTokenizerJson(pairs), config: {} }),
  ).rejects.toMatchObject({
    code: "lm/bad-tokenizer",
  });
});

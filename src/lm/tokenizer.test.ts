import { expect, test } from "vitest";
import { characterTokenizer } from "./tokenizer.ts";

const tokenizer = characterTokenizer("abc é🦊+");

test("text survives the round trip, code points whole", () => {
  expect([...tokenizer.encode("a🦊é")]).toEqual([4, 9, 8]);
  expect(tokenizer.decode(tokenizer.encode("cab é+🦊"))).toBe("cab é+🦊");
  expect(tokenizer.vocabularySize).toBe(11);
  expect(tokenizer.decode([tokenizer.bos, 4, tokenizer.separator, 5, tokenizer.eos, tokenizer.pad])).toBe(
    "ab",
  );
  expect([...tokenizer.answerIds]).toEqual([2, 4, 5, 6, 7, 8, 9, 10]);
});

test("the next turn's prompt extends the last one's tokens, cut answers included", () => {
  const { bos, eos, separator } = tokenizer;
  const first = [
    { role: "system", content: "c" },
    { role: "user", content: "a+b" },
  ];
  const prompt = tokenizer.renderChat(first);
  expect([...prompt]).toEqual([bos, 6, separator, 4, 10, 5, separator]);
  for (const answer of [[4, 5, eos], [4, 5], [eos]]) {
    const next = tokenizer.renderChat([
      ...first,
      { role: "assistant", content: tokenizer.decode(answer) },
      { role: "user", content: "c" },
    ]);
    const history = [...prompt, ...answer];
    expect([...next.subarray(0, history.length)]).toEqual(history);
    expect([...next.subarray(-2)]).toEqual([6, separator]);
  }
});

test("what the alphabet lacks or repeats is refused by name", () => {
  expect(() => tokenizer.encode("abX")).toThrow(expect.objectContaining({ code: "lm/unknown-character" }));
  expect(() => tokenizer.encode("abX")).toThrow(/"X"/);
  expect(() => characterTokenizer("abca")).toThrow(
    expect.objectContaining({ code: "lm/duplicate-character" }),
  );
});

import { expect, test } from "vitest";
import { wordTokenizer } from "./word-tokenizer.ts";

const tokenizer = wordTokenizer({ words: ["yes", "no", "is", "it"], answers: 2 });

test("words are ids, in order, and only some are answers", () => {
  expect([...tokenizer.encode(" is it\nyes ")]).toEqual([6, 7, 4]);
  expect(tokenizer.decode([1, 6, 7, 3, 4, 2])).toBe(" is it yes");
  expect([...tokenizer.answerIds]).toEqual([tokenizer.eos, 4, 5]);
  expect(tokenizer.vocabularySize).toBe(8);
});

test("a longer conversation extends a shorter one and its answer", () => {
  const question = { role: "user", content: "is it" };
  const asked = [...tokenizer.renderChat([question])];
  const more = tokenizer.renderChat([question, { role: "assistant", content: "no" }, question]);
  expect([...more].slice(0, asked.length + 2)).toEqual([...asked, 5, tokenizer.eos]);
});

test("what is no word is refused by name", () => {
  expect(() => tokenizer.encode("is this")).toThrow('"this" is not in the model');
  expect(() => wordTokenizer({ words: ["a", "a"], answers: 1 })).toThrow("twice");
  expect(() => wordTokenizer({ words: ["a b"], answers: 1 })).toThrow("no word");
});

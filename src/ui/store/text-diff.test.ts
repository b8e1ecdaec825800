import { expect, test } from "vitest";
import { diffLines } from "./text-diff.ts";

const marks = { same: " ", removed: "-", added: "+" } as const;
const diff = (before: readonly string[], after: readonly string[]): string[] =>
  diffLines(before.join("\n"), after.join("\n")).map(({ kind, text }) => marks[kind] + text);

test("only the lines that differ are marked", () => {
  expect(diff(["a", "b", "c"], ["a", "x", "c", "d"])).toEqual([" a", "-b", "+x", " c", "+d"]);
  expect(diff(["a", "b"], ["a", "b"])).toEqual([" a", " b"]);
  expect(diff(["a", "a"], ["a"])).toEqual([" a", "-a"]);
  expect(diff(["1", "2", "3", "4"], ["2", "4", "5"])).toEqual(["-1", " 2", "-3", " 4", "+5"]);
});

test("texts too long to compare line by line are shown one after the other", () => {
  const long = (word: string): string[] => Array.from({ length: 3000 }, (_, i) => `${word} ${i}`);
  expect(diff(long("a"), long("b"))).toHaveLength(6000);
});

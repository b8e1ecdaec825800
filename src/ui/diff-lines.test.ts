import { expect, it } from "vitest";
import { random4 } from "../kernels/philox.ts";
import { diffLines } from "./diff-lines.ts";

it("takes away and adds as little as can be", () => {
  const lines = diffLines([..."abcabba"], [..."cbabac"]);
  expect(lines.filter(({ kind }) => kind !== "same")).toHaveLength(5);
});

it("gives both texts back, whatever they are", () => {
  const words = new Uint32Array(4);
  for (let round = 0; round < 200; round++) {
    const text = (stream: number): string[] =>
      Array.from({ length: 12 }, (_, i) => {
        random4(round, stream, 0, i, words);
        return "abc"[words[0]! % 3]!;
      }).slice(0, round % 13);
    const [before, after] = [text(1), text(2)];
    const lines = diffLines(before, after);
    expect(lines.filter(({ kind }) => kind !== "added").map(({ text: line }) => line)).toEqual(before);
    expect(lines.filter(({ kind }) => kind !== "removed").map(({ text: line }) => line)).toEqual(after);
  }
});

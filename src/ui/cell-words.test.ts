import { expect, test } from "vitest";
import { stateWords } from "./cell-words.ts";

test("a stale cell says why", () => {
  const words = (...because: string[]): string => stateWords({ kind: "stale", because }, true);
  expect([words(), words("reward"), words("a", "b"), words("a", "b", "c", "d")]).toEqual([
    "stale: edited",
    "stale: reward changed",
    "stale: a and b changed",
    "stale: a, b and 2 more changed",
  ]);
});

import { expect, test } from "vitest";
import { checkedWhere } from "./gpu-words.ts";

test("a definition that the GPU gets wrong was found right on the CPU, and says so", () => {
  const error = { code: "gpu/mismatch", message: "other", fix: "Report it.", line: 1, column: null };
  expect(checkedWhere({ kind: "failed", error })).toBe(", on the CPU");
  expect(checkedWhere({ kind: "agrees", adapter: "one", checked: 256, largestDifference: 0 })).toBe(
    ", on CPU and GPU: one",
  );
  expect(checkedWhere({ kind: "absent" })).toBe(", on the CPU; no GPU here");
  expect(checkedWhere(null)).toBe("");
});

import { expect, test } from "vitest";
import { runId } from "./ids.ts";

test("run ids are ULIDs", () => {
  // 1469918176385 is the time of the specification's example.
  expect(runId(1469918176385, new Uint8Array(10))).toBe("01ARYZ6S410000000000000000");
  expect(runId(2 ** 48 - 1, new Uint8Array(10).fill(255))).toBe("7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
  const random = Uint8Array.of(0x08, 0x86, 0x42, 0x98, 0xe8, 0x4a, 0x96, 0xc6, 0xb9, 0xf0);
  expect(runId(0, random).slice(10)).toBe("123456789ABCDEFG");
});

test("run ids sort by time", () => {
  const high = new Uint8Array(10).fill(255);
  expect(runId(1000, high) < runId(1001, new Uint8Array(10))).toBe(true);
});

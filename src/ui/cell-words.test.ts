import { expect, test } from "vitest";
import type { CellView } from "../notebook/session-types.ts";
import { cellLabel, stateWords, storedWords } from "./cell-words.ts";

test("a stale cell says why", () => {
  const words = (...because: string[]): string => stateWords({ kind: "stale", because }, true);
  expect([words(), words("reward"), words("a", "b"), words("a", "b", "c", "d")]).toEqual([
    "stale: edited",
    "stale: reward changed",
    "stale: a and b changed",
    "stale: a, b and 2 more changed",
  ]);
});

test("a cell whose run is stored says what became of it, not that it never ran", () => {
  const cell = {
    id: "training",
    kind: "code",
    lazy: true,
    state: { kind: "idle" },
    heldUp: null,
  } as CellView;
  expect(cellLabel(cell, 0)).toBe("Cell 1, training, TypeScript, not run yet");
  expect(cellLabel(cell, 0, storedWords("paused"))).toBe("Cell 1, training, TypeScript, paused");
  expect((["succeeded", "failed", "cancelled"] as const).map(storedWords)).toEqual([
    "ran before",
    "failed",
    "stopped",
  ]);
});

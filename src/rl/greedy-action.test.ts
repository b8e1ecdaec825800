import { expect, test } from "vitest";
import { greedyAction } from "./greedy-action.ts";

const of = (outputs: readonly number[]) => (index: number) => outputs[index]!;

test("the likeliest of several choices is numbered as the environment counts them", () => {
  const head = { kind: "categorical", factors: [2, 3, 2], outputs: 7 } as const;
  expect(greedyAction(head, of([0, 1, 0, 0, 1, 0, 1]))).toBe(1 + 2 * 2 + 6 * 1);
  expect(greedyAction(head, of([1, 0, 0, 1, 0, 1, 0]))).toBe(0 + 2 * 1 + 6 * 0);
});

test("of equal ones it is the first, and a forbidden one never", () => {
  const head = { kind: "categorical", factors: [4], outputs: 4 } as const;
  expect(greedyAction(head, of([1, 2, 2, 0]))).toBe(1);
  expect(greedyAction(head, of([1, 2, 3, 0]), 0b1011)).toBe(1);
});

test("numbers are held within their bounds", () => {
  const head = { kind: "gaussian", outputs: 2, low: -1, high: 2 } as const;
  expect(Array.from(greedyAction(head, of([-3, 1.5])) as Float32Array)).toEqual([-1, 1.5]);
  expect(greedyAction({ ...head, outputs: 1 }, of([5]))).toBe(2);
});

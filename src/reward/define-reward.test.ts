import { expect, expectTypeOf, test } from "vitest";
import { compileStepReward } from "../compile/compile.ts";
import type { GivenAction } from "../kernels/action-space.ts";
import { point } from "../../test/support/point.ts";
import { defineReward, type StepReward } from "./define-reward.ts";

const compile = (reward: StepReward) =>
  compileStepReward(reward.source, { ...reward, stateFields: ["x", "theta"], actionCount: 2 });

test("a step reward carries its source and constants, and survives a port", () => {
  const weight = 0.25;
  const tilt = defineReward.step((s, a, next) => a - weight * Math.abs(next.x - s.theta), {
    constants: { weight },
  });
  expect(structuredClone(tilt)).toEqual(tilt);
  expect(JSON.parse(JSON.stringify(tilt))).toEqual(tilt);
  expect(tilt).toMatchObject({ kind: "step-reward", constants: { weight: 0.25 }, line: 1 });
  const [s, next] = [Float32Array.of(1, 2), Float32Array.of(-6, 0)];
  expect(compile(tilt).evaluate(s, 0, 1, next, 0)).toBe(1 - 0.25 * 8);
});

test("text and typed functions are rewards too", () => {
  expect(compile(defineReward.step("(s) => s.x")).wgsl).toContain("return s[0];");
  interface Pole {
    readonly x: number;
    readonly theta: number;
  }
  type Step = (s: Pole, a: GivenAction, next: Pole) => number;
  expectTypeOf(defineReward.step<Pole>)
    .parameter(0)
    .toEqualTypeOf<string | Step>();
  expect(compile(defineReward.step((s: Pole, _a, next) => s.x * next.theta)).wgsl).toContain(
    "s[0] * next[1]",
  );
});

test("what cannot be compiled is an error where the reward is defined, fields apart", () => {
  const define = (source: string) => () => defineReward.step(source, { line: 7 });
  expect(define("(s) =>\n s.x * gain")).toThrow(
    expect.objectContaining({ code: "compile/unbound", line: 8, column: 8 }),
  );
  expect(define("(s) => toString")).toThrow(/`toString`/);
  expect(define("(s) => fetch(1)")).toThrow(/call to `fetch` cannot be compiled/);
  expect(define("(s) => s.x / 0")).toThrow(/division by the constant 0/);
  expect(define("(s) => s.anything + s[9]")).not.toThrow();
  expect(() => defineReward.step("(s, a) => a[1] * s.x - s.y", { env: point })).not.toThrow();
  expect(() => defineReward.step("(s) => s.anything", { env: point })).toThrow(/not a field of the state/);
});

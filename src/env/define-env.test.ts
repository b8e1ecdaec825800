import { describe, expect, test } from "vitest";
import { FulguriteError } from "../gpu/error.ts";
import { checkEnvironment } from "./check-environment.ts";
import type { compileEnvironment } from "./compile-environment.ts";
import { defineEnv, type EnvironmentDefinition } from "./define-env.ts";
import { point } from "../../test/support/point.ts";
import { environmentByName, environmentNames } from "./registry.ts";

const failure = (run: () => unknown): FulguriteError => {
  try {
    run();
  } catch (error) {
    if (error instanceof FulguriteError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
};

const clamp = (x: number, low: number, high: number): number => Math.max(low, Math.min(high, x));
const noise = 0.1;

const lander = {
  name: "Lander",
  state: ["height", "speed", "fuel"],
  actions: 2,
  steps: 200,
  reset: (random) => ({ height: random.uniform(5, 10), speed: 0, fuel: 30 }),
  step(s, a, random) {
    const burns = a === 1 && s.fuel > 0;
    const speed = clamp(s.speed + 0.1 * ((burns ? 16 : 0) - 9.8) + random.normal(0, noise), -30, 30);
    return { height: s.height + 0.1 * speed, speed, fuel: s.fuel - (burns ? 1 : 0) };
  },
  reward: {
    landing: (_s, _a, next) => (next.height > 0 ? 0 : next.speed > -2 ? 10 : -10),
    fuel: (s, _a, next) => 0.1 * (next.fuel - s.fuel),
  },
  done: (s) => s.height <= 0,
  draw: (s, paint) => {
    paint.line(-4, 0, 4, 0, 0.05, "ground");
    paint.rect(0, s.height, 0.6, 1, "accent");
  },
  view: [-4, -1, 4, 11],
} as const satisfies EnvironmentDefinition<"height" | "speed" | "fuel">;
const captured = { constants: { noise }, functions: { clamp } };

describe("an environment of one's own", () => {
  test("is compiled from functions, methods and what they capture", () => {
    const environment = defineEnv(lander, captured);
    const state = new Float32Array(environment.stateFields.length);
    const out = new Float32Array(2);
    environment.reset(state, 0, Uint32Array.of(1, 2, 3, 4));
    expect(state[0]).toBeGreaterThanOrEqual(5);
    expect(state[0]).toBeLessThan(10);
    let steps = 0;
    let sum = 0;
    do {
      environment.step(state, 0, 0, out);
      sum += out[0]!;
    } while (++steps < 200 && out[1] === 0);
    expect(steps).toBeLessThan(40);
    expect(sum).toBe(-10);
    expect(environment.observationSize).toBe(3);
    expect(environment.stateFields.slice(3)).toEqual(["random[0]", "random[1]", "random[2]"]);
    expect(environment.scene(state, 0)).toMatchObject({
      view: [-4, -1, 4, 11],
      shapes: [
        { kind: "line", role: "ground" },
        { kind: "rect", role: "accent" },
      ],
    });
  });

  test("takes a list where a field is one, from `reset` and from `step`", () => {
    const environment = defineEnv({
      state: ["at", "cells[3]"],
      actions: 2,
      reset: (random) => ({ cells: [random.uniform(2, 3), 5, 6], at: 1 }),
      step: "(s) => { if (s.at > 0) return { at: 0, cells: [s.cells[2], s.cells[0], s.at] }; return { cells: new Array(3).fill(7) }; }",
      reward: () => 1,
    });
    const state = new Float32Array(environment.stateFields.length);
    environment.reset(state, 0, Uint32Array.of(1, 2, 3, 4));
    const first = state[1]!;
    expect([...state.subarray(0, 4)]).toEqual([1, first, 5, 6]);
    expect(first).toBeGreaterThanOrEqual(2);
    environment.step(state, 0, 0, new Float32Array(2));
    expect([...state.subarray(0, 4)]).toEqual([0, 6, first, 1]);
    environment.step(state, 0, 0, new Float32Array(2));
    expect([...state.subarray(0, 4)]).toEqual([0, 7, 7, 7]);
  });

  test("paints by a function of one expression", () => {
    const { scene } = defineEnv(
      { ...lander, draw: (s, paint) => paint.rect(0, s.height, 1, 1, "accent") },
      captured,
    );
    expect(scene(Float32Array.of(7, 0, 0, 0, 0, 0), 0).shapes).toMatchObject([
      { kind: "rect", center: [0, 7] },
    ]);
  });

  test("draws a bar for each number where nobody has said how", () => {
    const { scene } = defineEnv({ ...lander, draw: undefined } as never, captured);
    const [, ...bars] = scene(Float32Array.of(3, -3, 0, 0, 0, 0), 0).shapes;
    expect(bars).toMatchObject([
      { center: [0.5, (0.75 * 3) / 8], size: [0.6, (0.75 * 3) / 4] },
      { center: [1.5, (-0.75 * 3) / 8], size: [0.6, (0.75 * 3) / 4] },
      { center: [2.5, 0] },
    ]);
  });

  test("keeps two words as the key of its random numbers, and adds rewards as a GPU does", () => {
    const tiny = "() => 5.9604644775390625e-8";
    const environment = defineEnv({ ...lander, reward: { one: "() => 1", a: tiny, b: tiny } }, captured);
    const state = new Float32Array(environment.stateFields.length);
    environment.reset(state, 0, Uint32Array.of(0x1234_5678, 0xfedc_ba98, 3, 4));
    expect([...state.subarray(3)]).toEqual([0x12_3456, 0xfe_dcba, expect.any(Number)]);
    const out = new Float32Array(2);
    environment.step(state, 0, 0, out);
    expect(out[0]).toBe(1);
  });

  test("names the parts of its reward", () => {
    const environment = defineEnv(lander, captured);
    expect(environment.rewardComponents?.names).toEqual(["landing", "fuel"]);
    const out = new Float32Array(2);
    const s = Float32Array.of(1, -5, 10, 0, 0, 0);
    const next = Float32Array.of(-0.1, -5, 9, 0, 0, 1);
    environment.rewardComponents?.evaluate(s, 0, 1, next, 0, out);
    expect([...out]).toEqual([-10, Math.fround(-0.1)]);
  });

  test("goes to another realm as its reference, and is the same there", () => {
    const environment = defineEnv(lander, captured);
    const other = environmentByName(environment.reference!);
    expect(other.wgsl).toBe(environment.wgsl);
    expect(other.name).toBe("Lander");
    expect(environmentByName(environment.reference!)).toBe(other);
    for (const broken of [
      "{",
      "{}",
      "[]",
      environment.reference!.replace('"kind":"discrete"', '"kind":"all"'),
    ]) {
      expect(failure(() => environmentByName(broken)).code).toMatch(/^env\/(invalid|unknown)$/);
    }
  });

  test("takes an action of several numbers, in its own functions, in WGSL and from its reference", () => {
    expect(point.wgsl).toContain("action: array<f32, 2>");
    expect(environmentByName(point.reference!).wgsl).toBe(point.wgsl);
    const state = Float32Array.of(0, 1);
    const out = new Float32Array(2);
    point.step(state, 0, [0.5, -0.5], out);
    expect([...state]).toEqual([0.125, 0.875]);
    expect(out[0]).toBeCloseTo(-0.78625, 6);
    expect(
      failure(() => defineEnv({ ...lander, actions: { low: 0, high: 1, dimensions: 17 } }, captured)).message,
    ).toContain("no usable number of dimensions");
    expect(
      failure(() => defineEnv({ ...lander, actions: { low: 0, high: 1, dimensions: 2 } }, captured)).code,
    ).toBe("compile/type");
  });

  test("every built-in environment agrees with its reference", () => {
    for (const name of environmentNames.slice(1)) {
      const environment = environmentByName(name) as ReturnType<typeof compileEnvironment>;
      const own = { step: null, observe: null, done: null, allowed: null, rewards: [] };
      const { checkedStates, undecided, largestDifference } = checkEnvironment(environment, own, {
        states: 200,
        seed: 3,
      });
      expect(checkedStates, name).toBe(200);
      expect(undecided, name).toBeLessThan(60);
      expect(largestDifference, name).toBeLessThan(1e-3);
    }
  });
});

describe("what is wrong with an environment", () => {
  const define = (change: object): FulguriteError =>
    failure(() => defineEnv({ ...lander, ...change }, captured));

  test.each([
    [{ step: "(s) => ({ height: s.hight })" }, "compile/unknown-field", "`hight`"],
    [{ step: "(s) => ({ hight: 1 })" }, "compile/unknown-field", "`hight`"],
    [
      { step: "(s, a, random) => ({ height: a > 0 ? random.uniform() : 0 })" },
      "compile/unsupported",
      "`random.uniform` inside",
    ],
    [{ step: "(s) => { s.height = s; }" }, "compile/type", "is a state"],
    [
      { step: "(s) => { for (let i = 0; i < s.height; i++) s.speed += i; }" },
      "compile/unsupported",
      "end is not a constant",
    ],
    [
      { step: "(s) => { for (let i = 0; i < 300; i++) { for (let j = 0; j < 300; j++) s.speed += 1; } }" },
      "compile/too-large",
      "65536",
    ],
    [{ step: "(s) => { for (let i = 0; i < 8; i++) i = 2; }" }, "compile/type", "`i` is a constant"],
    [{ step: "(s) => s.height" }, "compile/type", "gives a state"],
    [{ done: "(s) => s.height" }, "compile/type", "true or false"],
    [
      { reward: "(s, a, next) => { next.height = 1; return 1; }" },
      "compile/unsupported",
      "assignment to a field",
    ],
    [{ observe: "(s) => s.height > 0 ? [1] : [2]" }, "compile/type", "list of numbers"],
    [
      { observe: "(s) => { if (s.height > 0) return [1]; return [1, 2]; }" },
      "compile/type",
      "returns 1 numbers, and here 2",
    ],
    [{ draw: '(s, paint) => { paint.circle(0, 0, 1, "red"); }' }, "compile/type", "no role"],
    [{ draw: "(s, paint) => paint.text(0)" }, "compile/unsupported", "`paint.text`"],
    [{ draw: "(s, paint) => { paint.text(0); }" }, "compile/unsupported", "`paint.text`"],
    [{ state: ["height", "height"] }, "compile/state", "twice"],
    [{ state: ["a b"] }, "compile/state", "no field"],
    [{ state: ["random"] }, "env/invalid", "random"],
    [{ actions: 0 }, "env/invalid", "number of actions"],
    [{ actions: { low: 2, high: 1 } }, "env/invalid", "range of actions"],
    [{ steps: 0 }, "env/invalid", "time limit"],
    [{ reward: {} }, "env/invalid", "no reward"],
    [{ step: "(s) => ({ height: s.height / (s.speed - s.speed) })" }, "env/not-finite", "`height`"],
    [
      { reset: "() => ({ height: Math.sqrt(-Math.PI * (clamp(1, 0, 2))) })" },
      "env/not-finite",
      "`height` is NaN",
    ],
    [{ step: undefined }, "env/invalid", "no function `step`"],
    [{ reset: { height: 1 } }, "env/invalid", "no function `reset`"],
    [{ reward: null }, "env/invalid", "no function `reward`"],
    [{ reward: { fuel: 1 } }, "env/invalid", "no function `reward.fuel`"],
    [{ done: true }, "env/invalid", "no function `done`"],
    [{ state: { height: 1 } }, "env/invalid", "no list of fields"],
    [{ actions: ["left", "right"] }, "env/invalid", "no actions"],
    [{ actions: null }, "env/invalid", "no actions"],
    [{ actions: { kind: "several", counts: [2, 2] } }, "env/invalid", "no actions"],
    [{ terminated: () => true }, "env/invalid", 'no part "terminated"'],
    [{ allowed: (s: { fuel: number }) => s.fuel > 28 }, "env/invalid", "No action is allowed"],
    [{ reward: { fuel: "(s) => s.fule" } }, "compile/unknown-field", "`reward.fuel`: `fule`"],
    [{ step: "(s) => ({ height: clamp(s.height, 0) })" }, "compile/type", "`clamp` takes 3 arguments, not 2"],
    [{ draw: "(s, paint) => paint.rect(0, 0, 1, 1)" }, "compile/type", "`paint.rect` takes 5 arguments"],
    [{ draw: '(s, paint) => paint.circle("accent", 0, 0, 1)' }, "compile/unsupported", "string literal"],
    [{ reset: "(s, random) => { s.height = 1; }" }, "compile/type", "`s` gives random numbers"],
    [{ step: "(s) => ({ height: 1, ...s })" }, "compile/unsupported", "behind a field"],
    [
      { step: "(s) => { for (let i = 0; i < 1; i += 0.1) s.speed += i; }" },
      "compile/unsupported",
      "of 11 rounds in JavaScript and 10",
    ],
  ])("%o", (change, code, message) => {
    const error = define(change);
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
    expect(error.fix).toMatch(/\.$/);
  });

  test("a function's error is at its own line where the function is a helper's", () => {
    const clamp = "(x, low, high) => {\n  return x | low; }";
    expect(failure(() => defineEnv(lander, { ...captured, functions: { clamp } }))).toMatchObject({
      line: 2,
      message: "`clamp`: operator `|` cannot be compiled",
    });
    const nothing = { ...captured, functions: { clamp: 3 as never } };
    expect(failure(() => defineEnv(lander, nothing)).message).toBe("`clamp`: expected a function");
    expect(failure(() => defineEnv(undefined as never)).code).toBe("env/invalid");
  });

  test("a function that is not what was compiled is caught", () => {
    const clamp = "(x, low, high) => Math.max(low, Math.min(high, x)) + 1";
    const error = failure(() => defineEnv(lander, { ...captured, functions: { clamp } }));
    expect(error.code).toBe("compile/mismatch");
    expect(error.message).toContain("by the function itself");
    expect(error.message).not.toContain("random[");
    expect(error.line).toBe(1);
  });

  test("an index outside its list is caught where JavaScript would see it", () => {
    const error = failure(() =>
      defineEnv({
        state: ["at", "cells[4]"],
        actions: 2,
        reset: () => ({ at: 0 }),
        step: (s) => {
          s.at += 1;
          s.cells[0] = s.cells[s.at]! + 1;
        },
        reward: () => 1,
      }),
    );
    expect(error).toMatchObject({ code: "compile/mismatch" });
    expect(error.message).toContain("`cells[0]`");
  });

  test("the rounds of a helper count wherever it is called", () => {
    const many = "(x) => { let sum = 0; for (let i = 0; i < 300; i++) sum += x; return sum; }";
    const step = "(s) => { for (let i = 0; i < 300; i++) s.speed = clamp(many(s.speed), -1, 1); }";
    const functions = { clamp, many };
    expect(failure(() => defineEnv({ ...lander, step }, { ...captured, functions }))).toMatchObject({
      code: "compile/too-large",
    });
  });

  test("a helper may not call itself", () => {
    const error = failure(() =>
      defineEnv(
        { ...lander, done: "(s) => deep(s.height) > 0" },
        { ...captured, functions: { clamp, deep: "(x) => deep(x - 1)" } },
      ),
    );
    expect(error).toMatchObject({ code: "compile/unsupported" });
    expect(error.message).toContain("calls itself");
  });
});

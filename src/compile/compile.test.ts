import { describe, expect, test } from "vitest";
import { expressionOptions, expressions, randomExpression } from "../../test/support/expressions.ts";
import { FulguriteError } from "../gpu/error.ts";
import { scalarOpcodes } from "../kernels/wasm/opcodes.ts";
import { binaryF32, unaryF32 } from "./arithmetic.ts";
import { checkReward, randomStep } from "./check.ts";
import { type CompiledStepReward, compileStepReward } from "./compile.ts";
import { compileForms } from "./forms.ts";
import { freeNames } from "./free-names.ts";
import { interpretedStep, wasmStep } from "./run-wasm.ts";
import { stripTypes } from "./strip-types.ts";

const compile = (source: string, more: object = {}): CompiledStepReward =>
  compileStepReward(source, { ...expressionOptions, ...more });

const failure = (run: () => unknown): FulguriteError => {
  try {
    run();
  } catch (error) {
    if (error instanceof FulguriteError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
};

const sameBits = (source: string, states: number): void => {
  const { folded } = compileForms(source, expressionOptions);
  const wasm = wasmStep(folded, 4);
  const interpreted = interpretedStep(folded);
  const step = new Float32Array(8);
  for (let i = 0; i < states; i++) {
    const a = randomStep(step, 4, 3, 5, i);
    const [x, y] = [wasm(step, 0, a, step, 4), interpreted(step, 0, a, step, 4)];
    if (x !== y && !(Number.isNaN(x) && Number.isNaN(y))) throw new Error(`${x} !== ${y} in ${source}`);
  }
};

type Binary = (s: { readonly x: number; readonly xDot: number }) => number;

describe("a step reward", () => {
  test.each(expressions.map((f) => [String(f), f] as const))("computes %s", (source, f) => {
    const { checkedStates, nonFinite, undecided } = checkReward(compile(source), f, { states: 500, seed: 1 });
    // The rest are honest: whole-number states at a jump, logarithms of 0.
    expect(checkedStates).toBeGreaterThan(400);
    expect(checkedStates + nonFinite + undecided).toBe(500);
    sameBits(source, 50);
  });

  test("computes random expressions alike in all forms", () => {
    let checked = 0;
    for (let i = 0; i < 250; i++) {
      const source = randomExpression(11, i, i % 2 === 0);
      try {
        checked += checkReward(compile(source), null, { states: 40, seed: i }).checkedStates;
        sameBits(source, 10);
      } catch (error) {
        // Constants that overflow are refused, rightly.
        if (!(error instanceof FulguriteError) || error.code !== "compile/non-finite") throw error;
      }
    }
    expect(checked).toBeGreaterThan(5000);
  });

  // Where the reference calls a result too close, these decide.
  const edges: readonly (readonly [f: Binary, xs: readonly number[], ys: readonly number[]])[] = [
    [(s) => Math.round(s.x), [-2.5, -1.5, -0.5, 0.49999997, 0.5, 1.5, 2.5, 8388607.5], [0]],
    [(s) => s.x % s.xDot, [-7, -6, -5.5, 5.5, 6, 7, 49, -49, 1e6, -1e6], [-3, 3, -0.5, 0.5, 49, 41]],
    [(s) => Math.floor(s.x / s.xDot), [-9, -8, -1, 0, 1, 8, 9, 41, 49, 1e6], [-3, -7, 3, 7, 41, 49]],
    [(s) => Math.trunc(s.x) + 10 * Math.ceil(s.x) + 100 * Math.floor(s.x), [-1.5, -1, -0.5, 0.5, 1], [0]],
    [(s) => Math.atan2(s.x, s.xDot), [-2, -1, 0, 1, 2], [-2, -1, 0, 1, 2]],
    [(s) => s.x ** s.xDot, [-2, -1, -0.5, 0.5, 1, 2], [-3, -2, -1, 0, 1, 2, 3]],
    [(s) => (s.x < s.xDot ? 1 : s.x <= s.xDot ? 2 : 3), [-1, 0, 1], [-1, 0, 1]],
  ];
  test.each(edges.map((edge) => [String(edge[0]), edge] as const))(
    "gives what JavaScript gives at the edges: %s",
    (source, [f, xs, ys]) => {
      const reward = compile(source);
      for (const x of xs) {
        for (const y of ys) {
          const want = f({ x, xDot: y });
          const s = Float32Array.of(x, y, 0, 0);
          const difference = Math.abs(reward.evaluate(s, 0, 0, s, 0) - want);
          expect(difference, `x ${x}, xDot ${y}: ${want}`).toBeLessThanOrEqual(2e-6 * Math.abs(want));
        }
      }
    },
  );

  test("divides by what has no normal reciprocal", () => {
    expect(compile("(s) => s.x / 4").wgsl).toContain("s[0] * 0.25");
    expect(compile("(s) => s.x / 3e38").wgsl).toContain("s[0] / ");
  });

  test("reads states at an offset and says so in WGSL that people can read", () => {
    const reward = compile("(s, a, next) => 1 - weight * Math.abs(next.x) + s.theta * a");
    const states = Float32Array.of(9, 1, 2, 3, 4, 9, 9, 5, 6, 7, 8);
    const expected = Math.fround(Math.fround(1 - Math.fround(Math.fround(0.1) * 5)) + 6);
    expect(reward.evaluate(states, 1, 2, states, 7)).toBe(expected);
    expect(reward.wgsl).toBe(
      [
        "fn step_reward(s: array<f32, 4>, a: f32, next: array<f32, 4>) -> f32 {",
        "  return 1.0 - 0.1 * abs(next[0]) + s[2] * a;",
        "}\n",
      ].join("\n"),
    );
  });
});

describe("a fault in a back end is caught", () => {
  const caught = (evaluate: (source: string) => CompiledStepReward["evaluate"]): boolean =>
    expressions.some((f) => {
      const reward = { ...compile(String(f)), evaluate: evaluate(String(f)) };
      try {
        checkReward(reward, null, { states: 100, seed: 1 });
        return false;
      } catch (error) {
        return error instanceof FulguriteError && error.code === "compile/mismatch";
      }
    });
  const broken = (table: object, name: string, wrong: unknown, run: () => boolean): boolean => {
    const right = Reflect.get(table, name) as unknown;
    Reflect.set(table, name, wrong);
    try {
      return run();
    } finally {
      Reflect.set(table, name, right);
    }
  };
  const wasm = (source: string): CompiledStepReward["evaluate"] =>
    wasmStep(compileForms(source, expressionOptions).folded, 4);
  const interpreted = (source: string): CompiledStepReward["evaluate"] =>
    interpretedStep(compileForms(source, expressionOptions).folded);

  test("none where there is none", () => {
    expect(caught(wasm)).toBe(false);
    expect(caught(interpreted)).toBe(false);
  });

  test.each([
    ["f32.add", "f32.sub"],
    ["f32.sub", "f32.add"],
    ["f32.mul", "f32.div"],
    ["f32.div", "f32.mul"],
    ["f32.min", "f32.max"],
    ["f32.max", "f32.min"],
    ["f32.lt", "f32.gt"],
    ["f32.le", "f32.ge"],
    ["f32.gt", "f32.le"],
    ["f32.ge", "f32.lt"],
    ["f32.eq", "f32.ne"],
    ["f32.neg", "f32.abs"],
    ["f32.abs", "f32.neg"],
    ["f32.floor", "f32.ceil"],
    ["f32.ceil", "f32.trunc"],
    ["f32.trunc", "f32.floor"],
    ["f32.sqrt", "f32.abs"],
  ] as const)("WebAssembly: %s as %s", (right, wrong) => {
    expect(broken(scalarOpcodes, right, scalarOpcodes[wrong], () => caught(wasm))).toBe(true);
  });

  test.each(["+", "-", "*", "/", "min", "max", "<", "<=", ">", ">=", "==", "!=", "&&", "||"] as const)(
    "interpreter: %s takes its sides the wrong way or is negated",
    (operator) => {
      const right = binaryF32[operator];
      const wrong = (x: number, y: number): number =>
        /[-+*/]/.test(operator) ? -right(x, y) : 1 - right(x, y);
      expect(broken(binaryF32, operator, wrong, () => caught(interpreted))).toBe(true);
    },
  );

  test.each(["negate", "not", "abs", "floor", "ceil", "trunc", "sqrt", "sign"] as const)(
    "interpreter: %s does nothing",
    (operator) => {
      expect(
        broken(
          unaryF32,
          operator,
          (x: number) => x,
          () => caught(interpreted),
        ),
      ).toBe(true);
    },
  );

  test("a function whose captured constant is another now", () => {
    const reward = compile("(s) => s.x * weight");
    const error = failure(() => checkReward(reward, (s) => s["x"]! * 0.11, { states: 20, seed: 1 }));
    expect(error.code).toBe("compile/mismatch");
  });
});

describe("what cannot be compiled", () => {
  const cases = [
    ["(s) => fetch('x')", "unsupported", "call to `fetch`", 1, 8],
    ["(s) => {\n  for (const x of s) {}\n  return 1 }", "unsupported", "`for...of` loop", 2, 3],
    [
      "(s, a) => {\n  for (let i = 0; i < a; i++) {}\n  return 1 }",
      "unsupported",
      "whose end is not a constant",
      2,
      23,
    ],
    ["(s) => { while (true) {} }", "unsupported", "`while` loop", 1, 10],
    ["(s) => 'fast'", "unsupported", "string literal", 1, 8],
    ["(s) => `fast`", "unsupported", "template string", 1, 8],
    ["async (s) => 1", "unsupported", "async function", 1, 1],
    ["function* (s) { return 1 }", "unsupported", "generator function", 1, 1],
    ["(s) => s.x | 0", "unsupported", "operator `|`", 1, 8],
    ["(s) => typeof s", "unsupported", "operator `typeof`", 1, 8],
    ["(s) => s?.x", "unsupported", "optional chaining", 1, 8],
    ["(s) => Math.random()", "unsupported", "call to `Math.random`", 1, 8],
    ["(s) => Math.clz32(1)", "unsupported", "call to `Math.clz32`", 1, 8],
    ["(s) => Math.max(...s)", "unsupported", "spread", 1, 17],
    ["(s) => { console.log(s.x); return 1 }", "unsupported", "call to `console.log`", 1, 10],
    ["(s) => { s.x; return 1 }", "unsupported", "expression without effect", 1, 10],
    ["(s) => { s.x = 1; return 1 }", "unsupported", "assignment to a field", 1, 10],
    ["(s, a) => { a = 1; return a }", "unsupported", "assignment to parameter `a`", 1, 13],
    ["(s) => { var x = 1; return x }", "unsupported", "`var` declaration", 1, 10],
    ["(s) => { let x; return x }", "unsupported", "`x` declared without a value", 1, 14],
    ["(s) => { const f = () => 1; return f() }", "unsupported", "nested function", 1, 20],
    ["({ x }) => x", "unsupported", "destructured parameter", 1, 2],
    ["(s, a, next, more) => 1", "unsupported", "parameter 4", 1, 14],
    ["(s, a) => s[a]", "unsupported", "index that is not a constant", 1, 13],
    ["(s) => 10n", "unsupported", "BigInt literal", 1, 8],
    ["(s) => null", "unsupported", "`null`", 1, 8],
    ["(s) => undefined", "unsupported", "`undefined`", 1, 8],
    ["(s) => [1]", "unsupported", "array literal", 1, 8],
    ["(s) => ({})", "unsupported", "object literal", 1, 9],
    ["(s) => (1, 2)", "unsupported", "comma expression", 1, 9],
    ["(s) => new Date()", "unsupported", "`new` expression", 1, 8],
    ["(s) => this.x", "unsupported", "property access", 1, 8],
    ["(s) => constructor", "unbound", "`constructor`", 1, 8],
    ["(s) =>\n  s.x *\n    gain", "unbound", "`gain`", 3, 5],
    ["(s) => config.gain", "unbound", "`config.gain`", 1, 8],
    ["(s) => s.velocity", "unknown-field", "`velocity`", 1, 10],
    ["(s) => s[4]", "unknown-field", "index 4", 1, 10],
    ["(s) => s.__proto__", "unknown-field", "`__proto__`", 1, 10],
    ["(s) => s", "type", "`s` is a state", 1, 8],
    ["(s) => s.x > 0", "type", "the function returns a number", 1, 8],
    ["(s) => s.x ? 1 : 0", "type", "the condition before `?` is a number", 1, 8],
    ["(s) => s.x > 0 ? 1 : false", "type", "the other branch", 1, 22],
    ["(s) => (s.x > 0) + 1", "type", "`+` takes a number", 1, 9],
    ["(s) => s.x === true ? 1 : 0", "type", "the right side of `===`", 1, 16],
    ["(s) => { if (s.x) return 1; return 0 }", "type", "the condition of `if`", 1, 14],
    ["(s) => { if (s.x > 0) return 1 }", "type", "can end without returning", 1, 32],
    ["(s) => { return }", "type", "`return` without a value", 1, 10],
    ["(s) => { const x = 1; x = 2; return x }", "type", "`x` is a constant", 1, 23],
    ["(s) => { const y = weight; const weight = 1; return y }", "type", "used before its declaration", 1, 20],
    ["(s) => Math.atan2(s.x)", "type", "takes 2 arguments, not 1", 1, 8],
    ["(s) => Math.max()", "type", "takes 1 or more", 1, 8],
    ["(s) => Math.abs", "type", "without calling it", 1, 8],
    ["(s) => 1e39", "non-finite", "1e39", 1, 8],
    ["(s) => NaN", "non-finite", "`NaN`", 1, 8],
    ["(s) => s.x + Infinity", "non-finite", "`Infinity`", 1, 14],
    ["(s) => 1e30 * 1e30", "non-finite", "infinite", 1, 8],
    ["(s) => s.x / 0", "non-finite", "division by the constant 0", 1, 8],
    ["(s) => Math.sqrt(-1)", "non-finite", "NaN", 1, 8],
    ["(s) => 1 +", "syntax", "syntax error", 1, 11],
    ["(s: State) => s.x", "syntax", "syntax error", 1, 3],
    ["(s) => 1; alert(1)", "syntax", "after the function", 1, 11],
    ["42", "syntax", "expected a function", 1, 1],
    ["", "syntax", "syntax error", 1, 1],
    [`(s) => ${"(".repeat(5000)}`, "too-large", "nested too deeply", 1, 1],
    [`(s) => ${"1 + s.x + ".repeat(2000)}1`, "too-large", "nested too deeply", 1, 8],
    [`(s) => { ${"let x0 = 1; {".repeat(400)} ${"}".repeat(400)} return 1 }`, "too-large", "deeply", 1, 634],
    [`(s) => Math.max(${"s.x, ".repeat(5000)}1)`, "too-large", "more than 4096 parts", 1, 20492],
    [`(s) => 1 ${" ".repeat(40_000)}`, "too-large", "characters long", 1, 1],
  ] as const;
  test.each(cases.map((entry) => [entry[0].slice(0, 60), entry] as const))("%s", (_title, entry) => {
    const [source, code, message, line, column] = entry;
    const error = failure(() => compile(source));
    expect(error.message).toContain(message);
    expect(error.toData()).toMatchObject({ code: `compile/${code}`, line, column });
    expect(error.fix).toMatch(/\.$/);
  });

  test("counts lines from the cell's own", () => {
    expect(failure(() => compile("(s) =>\n  gain", { line: 10 }))).toMatchObject({ line: 11, column: 3 });
  });

  test("refuses captured values that are no finite numbers", () => {
    const use = (gain: unknown): FulguriteError =>
      failure(() => compile("(s) => gain", { constants: { gain } }));
    expect(use("1").code).toBe("compile/type");
    expect(use(NaN).code).toBe("compile/non-finite");
    expect(use(1e40).code).toBe("compile/non-finite");
  });

  test("survives hostile text", () => {
    const pieces =
      "(s,a,next)=>{}[];?:.+-*/%<>=!&|`'\"\\\n0x1e9 Math.max let const if else return s.x ${ async \u2028 # @".split(
        /(?<=\W)/,
      );
    const words = new Uint32Array(1);
    let seed = 1;
    const below = (n: number): number => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      words[0] = seed;
      return Math.floor((words[0] / 2 ** 32) * n);
    };
    let compiled = 0;
    for (let i = 0; i < 1500; i++) {
      let text = String(expressions[below(expressions.length)]);
      for (let edit = below(4); edit >= 0; edit--) {
        const at = below(text.length + 1);
        text =
          text.slice(0, at) + (below(3) > 0 ? pieces[below(pieces.length)]! : "") + text.slice(at + below(4));
      }
      try {
        compile(text);
        freeNames(text);
        compiled++;
      } catch (error) {
        if (!(error instanceof FulguriteError)) throw error;
        expect(error.line).toBeGreaterThan(0);
      }
    }
    expect(compiled).toBeGreaterThan(15);
  });
});

test("free names are those that a function takes from outside", () => {
  expect(freeNames("(s, a) => weight * s.x + Math.abs(limit) + a")).toEqual(["weight", "limit"]);
  expect(freeNames("(s) => { const k = 1; { const j = k; } return j + k }")).toEqual(["j"]);
  expect(
    freeNames("function f({ x, y: [z = w] }, ...r) { total += f(x, z, r); return { q: arguments } }"),
  ).toEqual(["w", "total"]);
  expect(freeNames("() => { try { g() } catch (e) { for (const i of e) h(i) } return i }")).toEqual([
    "g",
    "h",
    "i",
  ]);
  expect(failure(() => freeNames("(s) =>", 4))).toMatchObject({ code: "compile/syntax", line: 4 });
});

test("types are stripped line by line", () => {
  const source = "(s: { x: number },\n a: number): number =>\n  (s.x as number) * 2";
  const text = stripTypes(source);
  expect(text.split("\n")).toHaveLength(3);
  expect(compile(text).wgsl).toContain("return s[0] * 2.0;");
});

import { expect, test } from "vitest";
import { interpretF32 } from "../compile/interpret.ts";
import { FulguriteError } from "../gpu/error.ts";
import { random4, stream, uniform } from "../kernels/philox.ts";
import { checkEnvironment } from "./check-environment.ts";
import { compileEnvironment } from "./compile-environment.ts";
import { environmentFrom } from "./environment-from.ts";
import { EpisodeRandom } from "./twin.ts";

const FIELDS = ["x", "y", "n"];
const LIST = 5;

/** Text of an environment's step with loops, lists, helpers and random numbers, a function of `seed`. */
function randomStep(seed: number): string {
  const words = new Uint32Array(4);
  let drawn = 0;
  const below = (n: number): number => {
    random4(seed, stream.check, 9, drawn++, words);
    return Math.floor(uniform(words[0]!) * n);
  };
  const pick = <T>(items: readonly T[]): T => items[below(items.length)]!;
  const number = (depth: number, names: readonly string[]): string => {
    const leaf = (): string =>
      pick([
        () => pick(names),
        () => `s.${pick(FIELDS)}`,
        () => String((below(41) - 20) / 4),
        () => `s.list[${pick([...names, "s.n", String(below(LIST))])}]`,
        () => `WEIGHTS[${below(3)}]`,
      ])();
    if (depth === 0) return leaf();
    const inner = (): string => number(depth - 1, names);
    return pick([
      leaf,
      () => `(${inner()} ${pick(["+", "-", "*"])} ${inner()})`,
      () => `(${inner()} / ${pick(["3", "8", "(2 + Math.abs(s.x))"])})`,
      () => `(${inner()} > ${inner()} ? ${inner()} : ${inner()})`,
      () => `Math.${pick(["min", "max"])}(${inner()}, ${inner()})`,
      () => `Math.${pick(["abs", "floor", "sin", "tanh"])}(${inner()})`,
      () => `Math.floor(${inner()} / ${pick(["3", "(s.n + 10)"])})`,
      () => `mix(${inner()}, ${inner()})`,
      () => `total(${pick(["s.list", "list"])})`,
    ])();
  };
  const held = (text: string): string => `Math.max(-9, Math.min(9, ${text}))`;
  const statements = (depth: number, names: readonly string[], inLoop: boolean): string => {
    const forms = [
      () => `s.${pick(["x", "y"])} = ${held(number(2, names))};`,
      () => `s.list[${pick([...names, "s.n"])}] ${pick(["=", "+=", "-="])} ${held(number(1, names))};`,
      () => `list[${below(3)}] = ${held(number(2, names))};`,
      () => `spread(s, list, ${number(1, names)});`,
      () => `q${depth} += random.${pick(["uniform()", "normal(0, 0.5)", "integer(4)", "uniform(-1, 2)"])};`,
      () =>
        `if (${number(1, names)} ${pick(["<", ">="])} ${number(1, names)}) { ${statements(0, names, inLoop)} }`,
    ];
    if (inLoop)
      forms.push(() => `if (${number(1, names)} > ${below(5) - 2}) ${pick(["break", "continue"])};`);
    if (depth > 0) {
      forms.push(
        () => `for (let i${depth} = ${below(3)}; i${depth} < ${2 + below(4)}; i${depth}++) {
          let q${depth - 1} = 0;
          ${statements(depth - 1, [...names, `i${depth}`, `q${depth - 1}`], true)}
        }`,
      );
    }
    return Array.from({ length: 1 + below(3) }, () => pick(forms)()).join("\n");
  };
  return `(s, a, random) => {
    const list = [s.x, a, 1];
    let q2 = 0;
    let q0 = 0;
    ${statements(2, ["a", "q2"], false)}
    s.n = (s.n + 1) % 6;
    for (let i = 0; i < s.list.length; i++) s.list[i] = ${held("s.list[i]")};
    return { x: ${held("s.x + 0.1 * q2 + 0.01 * total(list)")}, y: ${held("s.y - 0.1 * q0")} };
  }`;
}

const compile = (step: string): ReturnType<typeof compileEnvironment> =>
  compileEnvironment(
    environmentFrom({
      name: "Fuzz",
      state: [...FIELDS, `list[${LIST}]`],
      actions: { kind: "discrete", count: 3 },
      steps: 20,
      threshold: null,
      reset:
        "(random, s) => { for (let i = 0; i < 5; i++) s.list[i] = random.normal(); s.x = random.uniform(-3, 3); }",
      step,
      observe: "(s) => [...s.list, s.x * s.y, Math.cos(s.n)]",
      reward: {
        near: "(s, a, next) => -Math.abs(next.x - s.y)",
        sum: "(s, a, next) => total(next.list) / 5",
      },
      done: "(s) => s.x > 8.5",
      draw: null,
      view: [0, 0, 1, 1],
      constants: { WEIGHTS: [0.5, -2, 1.25] },
      functions: {
        mix: "(x, y) => { const d = x - y; if (d > 1) return 0.5 * (x + y); return d < -4 ? x : y + 0.25 * d; }",
        total:
          "(values) => { let sum = 0; for (let i = 0; i < values.length; i++) sum += values[i]; return sum; }",
        spread:
          "(s, values, by) => { for (let i = 0; i < 3; i++) { values[i] *= 0.5; s.list[i] += 0.1 * mix(values[i], by); } }",
      },
    }),
  );

test("random environments are the same in every form", () => {
  const own = { step: null, observe: null, done: null, allowed: null, rewards: [] };
  let checked = 0;
  let undecided = 0;
  for (let seed = 1; seed <= 150; seed++) {
    const text = randomStep(seed);
    let environment: ReturnType<typeof compileEnvironment>;
    try {
      environment = compile(text);
    } catch (error) {
      // Constants that are folded may divide by zero or overflow, and are refused, rightly.
      if (error instanceof FulguriteError && error.code === "compile/non-finite") continue;
      throw new Error(`${String(error)} in ${text}`, { cause: error });
    }
    try {
      const found = checkEnvironment(environment, own, { states: 20, seed });
      checked += found.checkedStates;
      undecided += found.undecided;
      sameBits(environment, seed);
    } catch (error) {
      throw new Error(`${String(error)} in ${text}`, { cause: error });
    }
  }
  expect(checked).toBeGreaterThan(2500);
  // A jump or an index too close to call spoils what follows from it, and that is said.
  expect(undecided).toBeLessThan(checked * 4);
});

/** WebAssembly and the interpreter, step for step. */
function sameBits(environment: ReturnType<typeof compileEnvironment>, seed: number): void {
  const { lowered, stateFields } = environment;
  const random = new EpisodeRandom();
  const frame = interpretF32(lowered.folded.step, random.next);
  const words = new Uint32Array(4);
  random4(seed, stream.check, 0, 0, words);
  const state = new Float32Array(stateFields.length);
  environment.reset(state, 0, words);
  for (let t = 0; t < 8; t++) {
    const other = state.slice();
    if (lowered.randomAt !== null) random.load(other, lowered.randomAt);
    frame.arrays[0] = other;
    frame.scalars[1] = t % 3;
    frame.run();
    environment.step(state, 0, t % 3, new Float32Array(2));
    const { size } = lowered.layout;
    expect([...state.subarray(0, size)]).toEqual([...other.subarray(0, size)]);
  }
}

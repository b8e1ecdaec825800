import type { AnyState } from "../../src/reward/define-reward.ts";
import { random4, stream, uniform } from "../../src/kernels/philox.ts";

/** What the expressions below are about. */
export const expressionOptions = {
  stateFields: ["x", "xDot", "theta", "thetaDot"],
  actionCount: 3,
  constants: { weight: 0.1, limit: 2.4, negative: -3, two: 2 },
} as const;
const { weight, limit, negative, two } = expressionOptions.constants;

type Step = (s: AnyState, a: number, next: AnyState) => number;

/** Step rewards as a person writes them: their text is compiled, they themselves are the truth. */
export const expressions: readonly Step[] = [
  (_s, _a, next) => 1 - 0.1 * Math.abs(next.x),
  () => 1,
  (s) => s.x,
  (_s, a) => a,
  (s, _a, next) => next[3] - s["theta"],
  (s, _a, next) => s.x * next.x - s.xDot / next.xDot + s.theta,
  (s, _a, next) => s.x - (s.xDot - (next.x - next.xDot)),
  (s, _a, next) => s.x / (s.xDot / (next.x / 3)),
  (s) => -s.x - -s.xDot + +s.theta,
  (s) => -(-s.x) * -(s.xDot + 1),
  (s, _a, next) => (Math.abs(next.x) < limit && Math.abs(next.theta) < 0.2 ? 1 : 0) - weight * s.x ** 2,
  (s, a) => (a === 1 ? s.x : a !== 2 ? s.xDot : -1),
  (s) => (s.x > 0 === s.xDot > 0 ? 1 : -1),
  (s) => (!(s.x > 0) || (s.xDot <= 0 && s.theta >= 0) ? two : negative),
  (s) => (s.x < 0 || s.xDot < 0 ? (s.theta < 0 || s.thetaDot < 0 ? 3 : 2) : 1),
  (s) => Math.min(s.x, s.xDot, s.theta) + Math.max(s.x, 0) + Math.min(3),
  (s) => Math.sign(s.x) * Math.floor(s.xDot) + Math.ceil(s.theta) - Math.trunc(s.thetaDot),
  (s) => Math.round(s.x * 4) + Math.round(s.xDot),
  (s) => (s.x % 1.5) + (s.xDot % s.theta),
  (_s, a) => (a * 7) % 3,
  (s) => s.x ** 3 - s.xDot ** -2 + s.theta ** 7 * 0.01 + s.x ** 0 + s.x ** 1,
  (s) => Math.pow(s.x, 2) + Math.abs(s.xDot) ** 0.5 + Math.abs(s.theta) ** 1.7,
  (s) => Math.abs(s.x) ** (s.xDot * 0.5) + negative ** 3 + negative ** two,
  (s) => Math.sqrt(Math.abs(s.x)) + Math.hypot(s.x, s.xDot) + Math.hypot(s.x, s.xDot, s.theta),
  (s, _a, next) => Math.sin(s.x) + Math.cos(next.theta) * Math.sin(s.xDot + next.x),
  (s) => Math.exp(-(s.x ** 2)) + Math.exp(s.xDot) / 100,
  (s) => Math.log(Math.abs(s.x)) + Math.log2(1 + s.x ** 2) - Math.log10(s.xDot * s.xDot + 0.01),
  (s) => Math.log1p(Math.abs(s.x)) + Math.expm1(-Math.abs(s.xDot)) + Math.expm1(s.theta * 0.1),
  (s) => Math.tanh(s.x) + Math.sinh(s.xDot / 3) + Math.cosh(s.theta / 3),
  (s) => Math.atan(s.x) + Math.atan2(s.xDot, s.theta) + Math.tan(s.thetaDot * 0.1),
  (s) => Math.asin(s.x / 12) + Math.acos(s.xDot / 12) + Math.cbrt(s.theta),
  (s) => s.x * Math.PI - Math.E + Math.LN2 * Math.LN10 + Math.SQRT2 / Math.SQRT1_2 + Math.LOG2E * Math.LOG10E,
  (s) => 1e-3 * s.x + 0x10 + 1_000 + 0.5e1 + 1e30 * 1e-30,
  (_s, _a, next) => {
    const upright = Math.cos(next.theta);
    let reward = upright;
    if (Math.abs(next.x) > limit) reward -= 1;
    else if (next.xDot > 1) {
      reward *= 0.5;
      reward += weight;
    } else reward /= 2;
    reward **= 2;
    return reward;
  },
  (s) => {
    if (s.x > 1) return 1;
    if (s.x < -1) {
      const x = s.x * s.x;
      if (x > 4) return -2;
      return -x;
    } else {
      const x = 3;
      return x * s.x;
    }
  },
  (s, a) => {
    let far = s.x > 1;
    far = far || s.x < -1;
    const moving = Math.abs(s.xDot) > 0.5 && !far;
    let n = 0;
    if (far) n++;
    if (moving) n--;
    {
      const a = 2;
      n += a;
    }
    n %= 7;
    return n + a;
  },
  function (s, _a, next) {
    "use strict";
    return (next.x - s.x) / 0.02 > 1 ? 1 : (next.x - s.x) / 0.02;
  },
  (s) => (true ? s.x : 1 - 1) + (false || s.x > 0 ? 1 : 0) + (1 > 2 && s.x > 0 ? 5 : 0),
  (s) => {
    const wgsl = s.x;
    const vec3f = wgsl + 1;
    const fn = vec3f * 2;
    const $ = fn - 1;
    const ä = $ + wgsl;
    const _ = ä;
    return _ + vec3f;
  },
  (state, action, after) => {
    const s = after.x;
    const a = state.x;
    return s - a * action;
  },
  (s) => s.x + s.x + s.x + s.x * (s.xDot + s.xDot * (s.theta + s.theta * (s.thetaDot + s.thetaDot * s.x))),
];

/** Text of a random step reward: a function of (seed, index). `exact` keeps to + - * / and comparisons. */
export function randomExpression(seed: number, index: number, exact: boolean): string {
  const words = new Uint32Array(4);
  let drawn = 0;
  const below = (n: number): number => {
    random4(seed, stream.check, 1_000_000 + drawn++, index, words);
    return Math.floor(uniform(words[0]!) * n);
  };
  const pick = <T>(items: readonly T[]): T => items[below(items.length)]!;
  const leaf = (): string =>
    pick([
      () => `${pick(["s", "next"])}.${pick(expressionOptions.stateFields)}`,
      () => `${pick(["s", "next"])}[${below(4)}]`,
      () => String((below(2000) - 1000) / 2 ** below(12)),
      () => pick(["a", "weight", "limit", "negative"]),
    ])();
  const number = (depth: number): string => {
    if (depth === 0) return leaf();
    const inner = (): string => number(depth - 1 - below(2 > depth ? 1 : 2));
    const forms = [
      () => `(${inner()} ${pick(["+", "-", "*", "/"])} ${inner()})`,
      () => `(${inner()} ${pick(["+", "-", "*"])} ${inner()})`,
      () => `(-(${inner()}))`,
      () => `(${condition(depth - 1)} ? ${inner()} : ${inner()})`,
      () => `Math.${pick(["min", "max"])}(${inner()}, ${inner()})`,
      () => `Math.${pick(["abs", "sign"])}(${inner()})`,
      () => `Math.${pick(["floor", "ceil", "round", "trunc"])}(${inner()})`,
      () => `Math.sqrt(Math.abs(${inner()}))`,
      () => `(${leaf()}) ** ${pick([2, 3, -1])}`,
    ];
    if (!exact) {
      forms.push(
        () => `Math.${pick(["sin", "cos", "tanh", "atan", "exp", "log", "expm1", "cbrt"])}(${inner()})`,
        () => `Math.${pick(["atan2", "hypot", "pow"])}(${inner()}, ${inner()})`,
        () => `(${inner()} % ${inner()})`,
      );
    }
    return pick(forms)();
  };
  const condition = (depth: number): string => {
    const compare = (): string =>
      `${number(Math.max(depth - 1, 0))} ${pick(["<", "<=", ">", ">=", "!=="])} ${number(Math.max(depth - 1, 0))}`;
    return depth < 2
      ? compare()
      : pick([
          compare,
          () => `(${condition(depth - 1)} ${pick(["&&", "||", "===", "!=="])} (${condition(depth - 1)}))`,
          () => `!(${condition(depth - 1)})`,
        ])();
  };
  const expression = (): string => number(2 + below(4));
  if (below(2) === 0) return `(s, a, next) => ${expression()}`;
  return `(s, a, next) => {
    const p = ${expression()};
    let q = ${expression()};
    if (${condition(2)}) { q ${pick(["=", "+=", "-=", "*="])} p; }
    else if (${condition(1)}) return ${expression()};
    return q ${pick(["+", "-", "*"])} p;
  }`;
}

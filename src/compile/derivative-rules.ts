import type { Expression } from "./ir.ts";
import { build } from "./ir-builder.ts";

type Rule = (x: readonly Expression[], y: Expression) => readonly (Expression | null)[];

const { number, plus, minus, times, divide, negate, call } = build;
const one = number(1);
const reciprocal = (x: Expression): Expression => divide(one, x);
const square = (x: Expression): Expression => times(x, x);

/** Partial derivatives by argument, of y = f(x ...); null: zero. */
const rules: Readonly<Record<string, Rule>> = {
  sin: ([x]) => [call("cos", x!)],
  cos: ([x]) => [negate(call("sin", x!))],
  tan: (_, y) => [plus(one, square(y))],
  exp: (_, y) => [y],
  expm1: (_, y) => [plus(y, one)],
  logPositive: ([x]) => [reciprocal(x!)],
  log: ([x]) => [reciprocal(x!)],
  log2: ([x]) => [divide(number(Math.LOG2E), x!)],
  log10: ([x]) => [divide(number(Math.LOG10E), x!)],
  log1p: ([x]) => [reciprocal(plus(one, x!))],
  tanh: (_, y) => [minus(one, square(y))],
  sinh: ([x]) => [call("cosh", x!)],
  cosh: ([x]) => [call("sinh", x!)],
  atan: ([x]) => [reciprocal(plus(one, square(x!)))],
  atan2: ([y, x]) => {
    const size = plus(square(x!), square(y!));
    return [divide(x!, size), negate(divide(y!, size))];
  },
  asin: ([x]) => [reciprocal(build.unary("sqrt", minus(one, square(x!))))],
  acos: ([x]) => [negate(reciprocal(build.unary("sqrt", minus(one, square(x!)))))],
  cbrt: (_, y) => [reciprocal(times(number(3), square(y)))],
  // x ** y: y x^(y - 1), and x^y log x, which is nothing where x is not positive.
  pow: ([x, y], value) => [
    times(y!, call("pow", x!, minus(y!, one))),
    build.select(build.compare(">", x!, number(0)), times(value, call("log", x!)), number(0)),
  ],
  round: () => [null],
  floorDivide: () => [null, null],
  // x - y trunc(x / y)
  remainder: ([x, y], value) => [one, divide(minus(value, x!), y!)],
};

/** Derivative of a call of the library, given the arguments' tangents. */
export function derivativeOfCall(
  callee: string,
  values: readonly Expression[],
  tangents: readonly (Expression | null)[],
  value: Expression,
): Expression | null {
  const terms = partials(callee, values, value).flatMap((partial, i) => {
    const tangent = tangents[i];
    return partial && tangent ? [times(partial, tangent)] : [];
  });
  return terms.length === 0 ? null : terms.reduce(plus);
}

function partials(
  callee: string,
  values: readonly Expression[],
  value: Expression,
): readonly (Expression | null)[] {
  const numbered = /^(power|hypot)(\d+)$/.exec(callee);
  if (numbered?.[1] === "hypot") return values.map((x) => divide(x, value));
  if (numbered) {
    const n = Number(numbered[2]);
    const [x] = values;
    return [times(number(n), n === 2 ? x! : call(`power${n - 1}`, x!))];
  }
  const rule = rules[callee];
  if (!rule) throw new Error(`no derivative of ${callee}`);
  return rule(values, value);
}

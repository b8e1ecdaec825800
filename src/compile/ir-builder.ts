import type { ArithmeticOperator, ComparisonOperator, Expression, UnaryOperator } from "./ir.ts";

/** Nothing that is built here has a place in the source. */
const at = 0;
const arithmetic =
  (operator: ArithmeticOperator) =>
  (left: Expression, right: Expression): Expression => ({
    kind: "binary",
    type: "f32",
    operator,
    left,
    right,
    at,
  });

/** Expressions made by the compiler itself. */
export const build = {
  number: (value: number): Expression => ({ kind: "number", type: "f32", value, at }),
  unary: (operator: UnaryOperator, operand: Expression): Expression => ({
    kind: "unary",
    type: "f32",
    operator,
    operand,
    at,
  }),
  negate: (operand: Expression): Expression => build.unary("negate", operand),
  plus: arithmetic("+"),
  minus: arithmetic("-"),
  times: arithmetic("*"),
  divide: arithmetic("/"),
  max: arithmetic("max"),
  compare: (operator: ComparisonOperator, left: Expression, right: Expression): Expression => ({
    kind: "binary",
    type: "bool",
    operator,
    left,
    right,
    at,
  }),
  select: (condition: Expression, then: Expression, otherwise: Expression): Expression => ({
    kind: "select",
    type: "f32",
    condition,
    then,
    otherwise,
    at,
  }),
  call: (callee: string, ...values: Expression[]): Expression => ({
    kind: "call",
    type: "f32",
    callee,
    arguments: values,
    at,
  }),
} as const;

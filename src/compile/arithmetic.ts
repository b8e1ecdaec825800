import { cos, exp, log, sin, tanh } from "../kernels/math.ts";
import type { BinaryOperator, UnaryOperator } from "./ir.ts";
import type { Primitive } from "./library.ts";

/** Truth is 1, falsehood 0. */
const truth = (value: boolean): number => (value ? 1 : 0);
const f = Math.fround;

/** The f32 operators: operands are f32, every result is rounded to f32. */
export const unaryF32: Readonly<Record<UnaryOperator, (x: number) => number>> = {
  negate: (x) => -x,
  not: (x) => 1 - x,
  abs: Math.abs,
  floor: Math.floor,
  ceil: Math.ceil,
  trunc: Math.trunc,
  sqrt: (x) => f(Math.sqrt(x)),
  sign: Math.sign,
};

export const binaryF32: Readonly<Record<BinaryOperator, (x: number, y: number) => number>> = {
  "+": (x, y) => f(x + y),
  "-": (x, y) => f(x - y),
  "*": (x, y) => f(x * y),
  "/": (x, y) => f(x / y),
  min: Math.min,
  max: Math.max,
  "<": (x, y) => truth(x < y),
  "<=": (x, y) => truth(x <= y),
  ">": (x, y) => truth(x > y),
  ">=": (x, y) => truth(x >= y),
  "==": (x, y) => truth(x === y),
  "!=": (x, y) => truth(x !== y),
  "&&": (x, y) => x * y,
  "||": (x, y) => truth(x + y > 0),
};

export const primitiveF32: Readonly<Record<Primitive, (x: number) => number>> = {
  sin,
  cos,
  exp,
  logPositive: log,
  tanh,
};

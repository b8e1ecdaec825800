import type { UnaryOperator } from "./ir.ts";

/** How a member of `Math` becomes intermediate form. */
export type MathFunction =
  | { readonly kind: "unary"; readonly operator: UnaryOperator }
  /** Any number of arguments from one up, folded from the left. */
  | { readonly kind: "fold"; readonly operator: "min" | "max" }
  /** A call to a primitive or to a function of `library.ts`. */
  | { readonly kind: "call"; readonly callee: string; readonly arity: number }
  | { readonly kind: "hypot" }
  | { readonly kind: "pow" };

const unary = (operator: UnaryOperator): MathFunction => ({ kind: "unary", operator });
const call = (callee: string, arity = 1): MathFunction => ({ kind: "call", callee, arity });

/** Functions of `Math` that compile. */
export const mathFunctions: ReadonlyMap<string, MathFunction> = new Map([
  ...(["abs", "ceil", "floor", "sign", "sqrt", "trunc"] as const).map((name) => [name, unary(name)] as const),
  ["min", { kind: "fold", operator: "min" }],
  ["max", { kind: "fold", operator: "max" }],
  ...[
    "acos",
    "asin",
    "atan",
    "cbrt",
    "cos",
    "cosh",
    "exp",
    "expm1",
    "log",
    "log10",
    "log1p",
    "log2",
    "round",
    "sin",
    "sinh",
    "tan",
    "tanh",
  ].map((name) => [name, call(name)] as const),
  ["atan2", call("atan2", 2)],
  ["hypot", { kind: "hypot" }],
  ["pow", { kind: "pow" }],
] as const);

export const mathConstants: ReadonlyMap<string, number> = new Map(
  (["E", "LN10", "LN2", "LOG10E", "LOG2E", "PI", "SQRT1_2", "SQRT2"] as const).map((name) => [
    name,
    Math[name],
  ]),
);

/** Constant integer exponents up to this become multiplications: WGSL's pow is undefined for negative bases. */
export const MAX_POWER = 64;
/** Most arguments of `Math.hypot`. */
export const MAX_HYPOT = 8;

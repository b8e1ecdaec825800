import type { Constants, FunctionText, FunctionTexts } from "./program.ts";

/** A function of a person's: its parameters are theirs to name and to type. */
export type AnyFunction = (...values: never[]) => unknown;

/** What a numeric function uses from around it, where nobody can look: outside notebooks. */
export interface CapturedOptions {
  /** Numbers and lists of numbers, by name. */
  readonly constants?: Constants;
  /** Functions of the numeric subset, or their texts, by name. */
  readonly functions?: Readonly<Record<string, AnyFunction | string | FunctionText>>;
  /** Line of the cell on which the source begins, 1-based; default 1. */
  readonly line?: number;
}

/** `reset(random) { ... }`, as an object literal may have it, as an expression. */
const asExpression = (text: string): string =>
  /^(?!function\b|async\b)[\w$]+\s*\([^]*?\)\s*\{/.test(text) ? text.replace(/^[\w$]+/, "function") : text;

/** A function's text; where a minifier would rewrite the function, text is given as it is. */
export function functionText(given: AnyFunction | string | FunctionText, line?: number): FunctionText {
  if (typeof given === "object" && given !== null) return given;
  // What is no function is one's text, and the compiler says what it is not.
  const source =
    typeof given === "function" ? asExpression(Function.prototype.toString.call(given)) : String(given);
  return line === undefined ? { source } : { source, line };
}

export const functionTexts = (given: CapturedOptions["functions"] = {}): FunctionTexts =>
  Object.fromEntries(Object.entries(given).map(([name, value]) => [name, functionText(value)]));

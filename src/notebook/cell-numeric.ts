import {
  type AnyFunction,
  type Constants,
  freeNames,
  type FunctionText,
  type FunctionTexts,
  functionText,
} from "../compile/index.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { RewardScope } from "./cell-reward.ts";

/** What numeric functions of a cell use from around them: it travels with their text. */
export interface Captured {
  readonly constants: Constants;
  readonly functions: FunctionTexts;
}

/** Line of the cell's text on which a function's text begins, 1-based. */
export function lineOf(source: string, code: string): number {
  const at = code.indexOf(source);
  if (at >= 0) return code.slice(0, at).split("\n").length;
  // A method in short form was given as a function of its own.
  const body = source.replace(/^function\s*/, "");
  const found = body === source ? -1 : code.indexOf(body);
  return found < 0 ? 1 : code.slice(0, found).split("\n").length;
}

/**
 * Follows the names that these functions take from the cells: numbers, lists of numbers, and functions, whose own
 * names are followed in turn. What was given by name comes first. Throws "compile/unbound" for anything else.
 */
export function captureNumeric(
  texts: readonly FunctionText[],
  given: Readonly<Record<string, unknown>>,
  scope: RewardScope,
): Captured {
  const constants: Record<string, number | readonly number[]> = {};
  const functions: Record<string, FunctionText> = {};
  const seen = new Set<string>();
  const define = (into: object, name: string, value: unknown): void => {
    Object.defineProperty(into, name, { value, enumerable: true });
  };
  const follow = ({ source, line = 1 }: FunctionText): void => {
    for (const name of freeNames(source, line)) {
      if (seen.has(name)) continue;
      seen.add(name);
      const reader = scope.names.get(name);
      // The compiler says best what a name that is no cell's does here: a call, a missing number.
      if (!Object.hasOwn(given, name) && !reader) continue;
      const value: unknown = Object.hasOwn(given, name) ? given[name] : reader!();
      if (typeof value === "number") define(constants, name, value);
      else if (Array.isArray(value) && value.every((item) => typeof item === "number")) {
        define(constants, name, [...(value as number[])]);
      } else if (typeof value === "function") {
        const text = functionText(value as AnyFunction);
        const own = { source: text.source, line: lineOf(text.source, scope.code) };
        define(functions, name, own);
        follow(own);
      } else {
        throw new FulguriteError(
          "compile/unbound",
          `\`${name}\` is used here, and is no number, list of numbers or function.`,
          "Numeric functions can capture numbers, lists of numbers and functions like themselves.",
          { line },
        );
      }
    }
  };
  texts.forEach(follow);
  return Object.freeze({ constants: Object.freeze(constants), functions: Object.freeze(functions) });
}

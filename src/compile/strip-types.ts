import { transform } from "sucrase";
import { FulguriteError } from "../gpu/error.ts";

/** Removes TypeScript's types from a function's source. Lines stay, columns may move. */
export function stripTypes(source: string): string {
  // Parentheses: an anonymous `function` may not begin a statement.
  let code: string;
  try {
    ({ code } = transform(`(${source}\n)`, { transforms: ["typescript"], disableESTransforms: true }));
  } catch (cause) {
    throw new FulguriteError(
      "compile/syntax",
      `syntax error: ${cause instanceof Error ? cause.message : String(cause)}`,
      "Write an arrow function such as `(s, a, next) => 1 - 0.1 * Math.abs(next.x)`.",
      { cause },
    );
  }
  return code.slice(code.indexOf("(") + 1, code.lastIndexOf(")")).trimEnd();
}

import { parseExpressionAt } from "acorn";
import { freeNames } from "../compile/index.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { CodeSource } from "../runner/agent-source.ts";

/** What a function uses from around it. */
export interface ClosureOptions {
  /** By name: cloneable values, and functions, which travel as their text and may use the same names. */
  readonly values?: Readonly<Record<string, unknown>>;
}

type AnyFunction = (...values: never[]) => unknown;

/** A function outside notebooks as it travels: its own text and the given values. Throws "train/unbound". */
export function sourceOfFunction(run: unknown, options: ClosureOptions, what: string): CodeSource {
  return sourceOfExpression(functionText(run, what), options, what);
}

/** An expression's text with the values that it uses. Throws "train/unbound" where it uses others. */
export function sourceOfExpression(entry: string, options: ClosureOptions, what: string): CodeSource {
  const given = options.values ?? {};
  const code: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    if (typeof value === "function") code.push(`const ${name} = ${functionText(value, name)};`);
    else values[name] = structuredClone(value);
  }
  const known = (name: string): boolean => Object.hasOwn(given, name) || name in globalThis;
  for (const text of [...code, entry]) {
    const unbound = freeNames(`() => {${text === entry ? `return (${text});` : text}}`).find(
      (name) => !known(name),
    );
    if (unbound === undefined) continue;
    throw new FulguriteError(
      "train/unbound",
      `The ${what} uses \`${unbound}\`, which does not travel with it.`,
      `Pass it: { values: { ${unbound} } }, or define it inside the function.`,
    );
  }
  return { code: code.join("\n"), entry, values };
}

/** A function's text as an expression; methods in short form included. */
export function functionText(run: unknown, what: string): string {
  const text = typeof run === "function" ? Function.prototype.toString.call(run as AnyFunction) : null;
  if (text === null || text.endsWith("{ [native code] }")) {
    throw new FulguriteError(
      "train/invalid",
      `The ${what} is not a function with a text of its own.`,
      "Pass an arrow function or a function declared in your code, not a bound or built-in one.",
    );
  }
  try {
    parseExpressionAt(`(${text})`, 0, { ecmaVersion: 2024 });
    return text;
  } catch {
    return `({ ${text} })[${JSON.stringify((run as AnyFunction).name)}]`;
  }
}

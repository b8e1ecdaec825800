import { createRequire } from "node:module";
import { compileFunction } from "node:vm";
import type { CodeSource } from "./agent-source.ts";
import { isShippedPackage, noPackage, PACKAGES } from "./packages.ts";

const require = createRequire(import.meta.url);

/** In Node a shipped package is the installed one. */
const nodePackage = (name: string): unknown => {
  if (!isShippedPackage(name)) throw noPackage(name);
  return require(name);
};

/**
 * Evaluates trusted code in Node, anew at every call, with `globals` and the captured values as its names. Not part
 * of the browser's build: import it from the command line only.
 */
export function evaluateInNode<Entry>(source: CodeSource, globals: Readonly<Record<string, unknown>>): Entry {
  const names = { ...globals, ...source.values, [PACKAGES]: nodePackage };
  const text = `${source.library ?? ""}\n;${source.code}\n;return (${source.entry}\n);`;
  const evaluate = compileFunction(text, Object.keys(names), { filename: "fulgurite-cell.js" });
  return (evaluate as (...values: readonly unknown[]) => Entry)(...Object.values(names));
}

import { readFileSync } from "node:fs";
import { compileFunction } from "node:vm";
import { analyzeCell } from "../../src/notebook/analyze.ts";
import { parseDocument } from "../../src/notebook/document.ts";

/**
 * What some cells of a shipped notebook define, evaluated in this very realm without a kernel: `Names` is
 * `typeof import("../../notebooks/x.nb.ts")`. `imports` are the names that these cells import.
 */
export async function notebookCells<Names>(
  notebook: string,
  cells: readonly string[],
  imports: Readonly<Record<string, unknown>> = {},
): Promise<Names> {
  const text = readFileSync(new URL(`../../notebooks/${notebook}.nb.ts`, import.meta.url), "utf8");
  const analyses = parseDocument(text)
    .cells.filter(({ id }) => cells.includes(id))
    .map(({ source }) => analyzeCell(source));
  const defined = analyses.flatMap(({ defines }) => defines).filter((name) => !(name in imports));
  const body = `${analyses.map((it) => it.code).join("\n;\n")}\n;return { ${defined.join(", ")} };`;
  const code = `return (async () => {${body}})();`;
  const evaluate = compileFunction(code, Object.keys(imports), { filename: `${notebook}.js` });
  return (evaluate as (...values: readonly unknown[]) => Promise<Names>)(...Object.values(imports));
}

import { CONTEXT, type CellAnalysis } from "./analyze.ts";

/** What the evaluated text may call besides the person's own names. */
export interface EvaluationContext {
  /** Receives the value of a last expression. */
  last(value: unknown): void;
  /** Receives a reader for each name in scope; a reader throws while its name is not yet initialised. */
  scope(readers: Readonly<Record<string, () => unknown>>): void;
  /** `import(...)` of the cell. */
  import(specifier: unknown): Promise<unknown>;
}

/** How an evaluated cell calls itself in stack traces: `fulgurite-cell/<id>.ts:<line>`. */
export const cellUrl = (id: string): string => `fulgurite-cell/${id}.ts`;

/**
 * Runs one cell and resolves with the values of the names that it defines. `scope` holds the values of the free
 * names that it takes from other cells and from us; every other name is the realm's own. This is the one place
 * in the project that evaluates text, and it runs in the sandbox or in Node by request.
 */
export async function evaluateCell(
  id: string,
  analysis: CellAnalysis,
  scope: ReadonlyMap<string, unknown>,
  context: EvaluationContext,
): Promise<Map<string, unknown>> {
  const parameters = [...scope.keys()];
  const names = [...new Set([...parameters, ...analysis.defines])];
  const readers = names.map((name) => `${name}: () => ${name}`).join(", ");
  // Everything before the cell's own text stays on its first line, so that stack traces need no source map.
  const text =
    `(async (${[CONTEXT, ...parameters].join(", ")}) => { "use strict"; ${CONTEXT}.scope({ ${readers} }); ` +
    `${analysis.code}\n;return [${analysis.defines.join(", ")}]; })\n//# sourceURL=${cellUrl(id)}`;
  // Indirect: the text sees the realm's globals and nothing of this module.
  const run = (0, eval)(text) as (context: EvaluationContext, ...values: unknown[]) => Promise<unknown[]>;
  const values = await run(context, ...scope.values());
  return new Map(analysis.defines.map((name, index) => [name, values[index]]));
}

/** Evaluates a module that was turned into a function body; what it exports is in `module.exports`. */
export function evaluateModule(
  name: string,
  code: string,
  module: { exports: Readonly<Record<string, unknown>> },
  require: (specifier: string) => Readonly<Record<string, unknown>>,
): void {
  const run = (0, eval)(
    `(function (require, module, exports, importMeta) {${code}\n})\n//# sourceURL=${name.replace(/\s/g, "%20")}`,
  ) as (...values: unknown[]) => void;
  run(require, module, module.exports, Object.freeze({ url: name }));
}

import { FulguriteError } from "../gpu/error.ts";
import { PACKAGE, type CellImport } from "./analyze.ts";
import { cellApiNames, createCellApi, outputOf, type CellApi } from "./cell-api.ts";
import { settleSources } from "./cell-definitions.ts";
import { describeCellError } from "./cell-error.ts";
import { CellTests } from "./cell-tests.ts";
import { evaluateCell } from "./evaluate.ts";
import type { CellGraph } from "./graph.ts";
import { closureNotebook, unknownImport, type CellRun, type KernelCell } from "./kernel-cell.ts";
import type { KernelRequests } from "./kernel-requests.ts";
import { plotRecorder } from "./plot-recorder.ts";
import type { ModuleLoader, Namespace } from "./modules.ts";

/** What a run of a cell sees of the kernel. */
export interface RunContext {
  readonly graph: CellGraph;
  readonly find: (id: string) => KernelCell | undefined;
  readonly requests: KernelRequests;
  readonly modules: ModuleLoader;
  /** Resolves when the values of this run are replaced. */
  readonly invalidation: Promise<void>;
}

/** Evaluates a cell; resolves with the values of the names that it defines. */
export async function runCell(
  cell: KernelCell,
  run: CellRun,
  context: RunContext,
): Promise<ReadonlyMap<string, unknown>> {
  const { id, source, analysis } = cell;
  const { graph, find, modules } = context;
  const names = new Map<string, () => unknown>();
  const notebook = closureNotebook(cell, names, graph, find, modules);
  const show = run.buffer.push.bind(run.buffer);
  let displayed: unknown;
  const tests = new CellTests(show, (thrown) => describeCellError(thrown, id, source));
  const api = createCellApi({
    signal: run.controller.signal,
    invalidation: context.invalidation,
    test: tests.test,
    inputs: cell.inputs,
    scope: { code: analysis.code, names, notebook, cell: id },
    show,
    displayed: (value) => {
      displayed = value;
    },
    train: (job) => {
      run.trained = true;
      // What the cell showed before goes first, or it would wipe the view of the run.
      run.buffer.flush();
      const { controller, needed } = run;
      const result = context.requests.ask({ kind: "train", id, job, needed }, controller.signal);
      // A cell may train without waiting; its failure is shown by the run itself.
      result.catch(() => undefined);
      return result;
    },
    complete: (asked) => context.requests.ask({ kind: "complete", asked }, run.controller.signal),
  });
  const evaluation = {
    last: (value: unknown) => {
      // A cell that ends with a call of an asynchronous function has no value to show, a `test(...)` least of all.
      if (value !== undefined && value !== displayed && !(value instanceof Promise))
        run.buffer.push(outputOf(value, null));
    },
    scope: (readers: Readonly<Record<string, () => unknown>>) => {
      for (const [name, reader] of Object.entries(readers)) names.set(name, reader);
    },
    import: (specifier: unknown) => modules.import(String(specifier)),
  };
  const scope = ownScope(cell, api, context);
  const foreign = analysis.imports.filter(({ from }) => from !== PACKAGE);
  // Most cells import nothing, and need no turn for it.
  if (foreign.length > 0)
    for (const [name, value] of await imported(foreign, modules)) scope.set(name, value);
  const values = await evaluateCell(id, analysis, scope, evaluation);
  settleSources(values.values());
  await tests.settle();
  return values;
}

/** Values of the names that the cell takes from other cells and from us. */
function ownScope(cell: KernelCell, api: CellApi, { graph, find }: RunContext): Map<string, unknown> {
  const scope = new Map<string, unknown>();
  const isOurs = (name: string): name is keyof CellApi => (cellApiNames as readonly string[]).includes(name);
  const own = new Set(cell.analysis.defines);
  for (const name of cell.analysis.free) {
    const from = graph.dependencies.get(cell.id)!.get(name);
    if (from !== undefined) scope.set(name, find(from)?.values?.get(name));
    else if (isOurs(name) && !own.has(name)) scope.set(name, api[name]);
  }
  for (const { local, imported: name, from } of cell.analysis.imports) {
    if (from !== PACKAGE) continue;
    if (name === "*") scope.set(local, Object.freeze({ ...api }));
    else if (isOurs(name)) scope.set(local, api[name]);
    else if (!scope.has(local)) throw unknownImport(name);
  }
  return scope;
}

async function imported(
  imports: readonly CellImport[],
  modules: ModuleLoader,
): Promise<Map<string, unknown>> {
  const values = new Map<string, unknown>();
  for (const { local, imported: name, from, line } of imports) {
    try {
      // Drawing happens on the page; a cell's Plot writes down what it is asked for.
      const namespace: Namespace =
        from === "@observablehq/plot" ? (plotRecorder as Namespace) : await modules.import(from);
      if (local === "") continue;
      if (name !== "*" && !(name in namespace)) throw unknownImport(name, from, Object.keys(namespace));
      values.set(local, name === "*" ? namespace : namespace[name]);
    } catch (error) {
      if (!(error instanceof FulguriteError)) throw error;
      throw new FulguriteError(error.code, error.message, error.fix, { line, cause: error });
    }
  }
  return values;
}

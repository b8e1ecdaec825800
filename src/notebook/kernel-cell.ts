import { FulguriteError } from "../gpu/error.ts";
import { analyzeCell, PACKAGE, type CellAnalysis } from "./analyze.ts";
import { cellApiNames, hasOwnView, outputOf } from "./cell-api.ts";
import type { ClosureCell, ClosureNotebook } from "./closure.ts";
import type { CellGraph } from "./graph.ts";
import type { LiveValues } from "./live-values.ts";
import { resolve, type ModuleLoader } from "./modules.ts";
import type { OutputBuffer } from "./output-buffer.ts";
import type { CellSummary, HeldUp, KernelCellState } from "./protocol.ts";
import type { InputValue } from "./input-spec.ts";
import type { TrainedWith } from "./trained-with.ts";

/** One run of a cell. */
export interface CellRun {
  readonly controller: AbortController;
  readonly buffer: OutputBuffer;
  /** The person asked for another cell that needs this one: an earlier training with an equal job will do. */
  readonly needed: boolean;
  /** Asked for a training, whose view the host shows. */
  trained: boolean;
}

/** What the kernel keeps of a cell. */
export interface KernelCell {
  readonly id: string;
  source: string;
  /** What the person has set, by label. */
  inputs: Readonly<Record<string, InputValue>>;
  lazyFlag: boolean;
  /** Of the last text that could be read, so that a half-typed edit does not tear the graph. */
  analysis: CellAnalysis;
  /** Why the present text cannot be read. */
  broken: FulguriteError | null;
  state: KernelCellState;
  /** Of an eager cell that does not run for it; until the state changes. */
  heldUp: HeldUp | null;
  /** Names that changed since the last run began. */
  readonly because: Set<string>;
  values: ReadonlyMap<string, unknown> | null;
  /** Ran at least once, also in a kernel before this one. */
  ran: boolean;
  /** What it trained with in a kernel before this one. */
  trainedWith: TrainedWith | null;
  /** No run of it has ended in this kernel. */
  fresh: boolean;
  run: CellRun | null;
  /** Of the last run, for what it still shows. */
  buffer: OutputBuffer | null;
  /** Ran, and goes on publishing values. */
  live: { readonly values: LiveValues; readonly run: CellRun } | null;
  /** Settles the `invalidation` of the run that the present values came from. */
  invalidate: (() => void) | null;
  /** By itself, because the person asked for it, or because a cell needs it that they asked for. */
  queued: "eager" | "forced" | "needed" | null;
  waiting: (() => void)[];
}

const NOTHING: CellAnalysis = { code: "", defines: [], free: [], assigned: [], imports: [], trains: false };

/** A cell before its text is read. */
export const emptyCell = (id: string): KernelCell => ({
  id,
  source: "",
  inputs: {},
  lazyFlag: false,
  analysis: NOTHING,
  broken: null,
  state: { kind: "idle" },
  heldUp: null,
  because: new Set(),
  values: null,
  ran: false,
  trainedWith: null,
  fresh: true,
  run: null,
  buffer: null,
  live: null,
  invalidate: null,
  queued: null,
  waiting: [],
});

/** Names that a text which cannot be read would define, by how its lines begin: who needs them waits for its cell. */
const DECLARATION =
  /^(?:export[ \t]+)?(?:const|let|var|class|(?:async[ \t]+)?function\*?)[ \t]+([A-Za-z_$][\w$]*)/gm;

/** Analyses a new text; where it cannot be read, the analysis of the last one stays. */
export function readSource(cell: KernelCell, source: string): void {
  cell.source = source;
  try {
    cell.analysis = analyzeCell(source);
    cell.broken = null;
  } catch (error) {
    if (!(error instanceof FulguriteError)) throw error;
    cell.broken = error;
    if (cell.analysis.code !== "") return;
    const defines = [...new Set([...source.matchAll(DECLARATION)].map(([, name]) => name!))];
    cell.analysis = { ...NOTHING, defines };
  }
}

/** Aborts a run, ends live values, and settles `invalidation`: whatever the cell still does has no effect. */
export function abandon(cell: KernelCell): void {
  for (const run of [cell.run, cell.live?.run]) {
    run?.buffer.close();
    run?.controller.abort();
  }
  cell.live?.values.stop();
  cell.live = null;
  cell.run = null;
  cell.invalidate?.();
  cell.invalidate = null;
}

/** Whether the cell runs only when it is asked for: by its flag or because it trains. */
export const isLazy = (cell: KernelCell): boolean => cell.lazyFlag || cell.analysis.trains;

/** What the host is told of the cell before it runs. */
export const summaryOf = (cell: KernelCell, graph: CellGraph): CellSummary => ({
  id: cell.id,
  defines: cell.analysis.defines,
  uses: [...graph.dependencies.get(cell.id)!.keys()],
  lazy: isLazy(cell),
});

/** Whether other cells can use the cell's values. */
export const hasValues = (cell: KernelCell): boolean =>
  !cell.run && (cell.state.kind === "done" || cell.live !== null);

/** Why what depends on the cell does not run while the cell has no values. */
export function heldUpBy({ id, state, heldUp }: KernelCell): HeldUp {
  const because = state.kind === "error" ? "failed" : state.kind === "cancelled" ? "stopped" : "open";
  return heldUp ?? { by: id, because };
}

/** Tells those who wait that the cell neither waits nor runs. */
export function settle(cell: KernelCell): void {
  for (const resolve of cell.waiting.splice(0)) resolve();
}

/** Resolves once the cell neither waits nor runs. */
export function finished(cell: KernelCell): Promise<void> {
  return cell.queued || cell.run
    ? new Promise((resolve) => {
        cell.waiting.push(resolve);
      })
    : Promise.resolve();
}

const ours: ReadonlySet<string> = new Set(cellApiNames);

/** The cells as the closures of a run's definitions see them: its own names as they are now, others' as they ended. */
export function closureNotebook(
  running: KernelCell,
  readers: ReadonlyMap<string, () => unknown>,
  graph: CellGraph,
  find: (id: string) => KernelCell | undefined,
  modules: ModuleLoader,
): ClosureNotebook {
  const { analysis } = running;
  return {
    order: graph.order,
    ours,
    library: (imports) => {
      const lines = imports.map(({ local, imported, from }) => {
        const module = `$modules(${JSON.stringify(resolve(from, null))})`;
        return `var ${local} = ${imported === "*" ? module : `${module}[${JSON.stringify(imported)}]`};`;
      });
      const { script, packages } = modules.script(new Set(imports.map(({ from }) => from)), "$modules");
      return { library: script + lines.join("\n"), ...(packages.length === 0 ? {} : { packages }) };
    },
    cell: (id): ClosureCell => {
      const dependencies = graph.dependencies.get(id) ?? new Map<string, string>();
      if (id === running.id) return { analysis, dependencies, value: (name) => readers.get(name)?.() };
      const cell = find(id) ?? emptyCell(id);
      const value = (name: string): unknown => {
        if (!cell.values) throw ancestorProblem(id);
        return cell.values.get(name);
      };
      return { analysis: cell.analysis, dependencies, value };
    },
  };
}

/** Environments, rewards, agents and policies are shown where they are defined; else the last value, if the cell shows nothing. */
export function showDefinitions(
  defines: readonly string[],
  values: ReadonlyMap<string, unknown>,
  { buffer, trained }: CellRun,
): void {
  for (const name of defines) {
    if (hasOwnView(values.get(name))) buffer.push(outputOf(values.get(name), name));
  }
  const last = defines.at(-1);
  if (trained || buffer.count > 0 || last === undefined) return;
  const value = values.get(last);
  if (value !== undefined && typeof value !== "function") buffer.push(outputOf(value, last));
}

export function ancestorProblem(ancestor: string): FulguriteError {
  return new FulguriteError(
    "notebook/ancestor",
    `The cell \`${ancestor}\`, which this one needs, did not finish.`,
    `Look at \`${ancestor}\` first.`,
  );
}

export function unknownImport(
  name: string,
  from = PACKAGE,
  known: readonly string[] = cellApiNames.filter((one) => one !== "console"),
): FulguriteError {
  return new FulguriteError(
    "notebook/import",
    `"${from}" has no \`${name}\` for cells.`,
    known.length === 0 ? "It exports nothing." : `It has ${known.slice(0, 40).join(", ")}.`,
  );
}

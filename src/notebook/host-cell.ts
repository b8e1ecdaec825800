import type { DocumentCell } from "./document.ts";
import { MAX_OUTPUT_CHARACTERS, MAX_OUTPUTS, sizeOf } from "./output-buffer.ts";
import type { GpuVerdict } from "../train/check-definition.ts";
import type { DefinedOutput } from "./definition-desk.ts";
import type { Job } from "../train/job.ts";
import type { InputValue } from "./input-spec.ts";
import type { CellSummary, HeldUp } from "./protocol.ts";
import type { TrainedWith } from "./trained-with.ts";
import type { CellState, CellView, Output } from "./session-types.ts";

/** What the session keeps of a cell. */
export interface HostCell {
  state: CellState;
  heldUp: HeldUp | null;
  outputs: Output[];
  /** Characters of the outputs, against floods. */
  size: number;
  defines: readonly string[];
  uses: readonly string[];
  lazy: boolean;
  /** Ran once, so that a fresh kernel knows. */
  ran: boolean;
  /** What the person has set, by label. */
  inputs: Readonly<Record<string, InputValue>>;
  /** What its newest training ran with. */
  trainedWith: TrainedWith | null;
  view: CellView | null;
  /** What the view was made of. */
  viewed: DocumentCell | null;
}

/** A cell as the page sees it; the same object until something of it changes, so that only what changed is drawn. */
export function viewOf(cell: HostCell, from: DocumentCell): CellView {
  if (cell.view !== null && cell.viewed === from) return cell.view;
  const { id, kind, flags, source, line } = from;
  cell.viewed = from;
  cell.view = {
    id,
    kind,
    lazy: cell.lazy || flags.includes("lazy"),
    fold: flags.includes("fold"),
    hidden: flags.includes("hidden"),
    readonly: flags.includes("readonly"),
    source: source.replaceAll("\r\n", "\n"),
    line,
    state: cell.state,
    heldUp: cell.heldUp,
    outputs: [...cell.outputs],
    defines: cell.defines,
    uses: cell.uses,
  };
  return cell.view;
}

/** Whether the kernel said of the cell what it said before. */
export const isKnown = (cell: HostCell, { defines, uses, lazy }: CellSummary): boolean =>
  cell.lazy === lazy && sameNames(cell.defines, defines) && sameNames(cell.uses, uses);

const sameNames = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name, i) => name === b[i]);

/**
 * Adds outputs, or puts them in place of those there are. What goes beyond the limits is left out: the kernel
 * keeps to them by itself, unless its cells took it over.
 */
export function addOutputs(cell: HostCell, outputs: readonly Output[], replace: boolean): void {
  if (replace) {
    cell.outputs = [];
    cell.size = 0;
  }
  for (const output of outputs) {
    if (output.view === "progress") {
      const at = cell.outputs.findIndex((one) => one.view === "progress" && one.label === output.label);
      if (at >= 0) {
        cell.outputs[at] = output;
        continue;
      }
    }
    cell.size += sizeOf(output);
    if (cell.outputs.length > MAX_OUTPUTS || cell.size > 2 * MAX_OUTPUT_CHARACTERS) break;
    const last = cell.outputs.at(-1);
    if (output.view === "text" && last?.view === "text" && last.stream === output.stream) {
      cell.outputs[cell.outputs.length - 1] = { ...last, text: `${last.text}\n${output.text}` };
    } else {
      cell.outputs.push(output);
    }
  }
}

/** Says of an output what the GPU says of it. */
export function addVerdict(cell: HostCell, output: DefinedOutput, gpu: GpuVerdict): void {
  cell.outputs = cell.outputs.map((one) => (one === output ? { ...output, gpu } : one));
  cell.view = null;
}

/** The view of a run that a cell asked for. */
export const runOutput = (runId: string, job: Job): Output => ({
  view: "run",
  runId,
  ...(job.kind === "simulated" && typeof job.sweep === "string" ? { setting: job.sweep } : {}),
});

export const emptyHostCell = (): HostCell => ({
  state: { kind: "idle" },
  heldUp: null,
  outputs: [],
  size: 0,
  defines: [],
  uses: [],
  lazy: false,
  ran: false,
  inputs: {},
  trainedWith: null,
  view: null,
  viewed: null,
});

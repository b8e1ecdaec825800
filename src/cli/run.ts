import { FulguriteError } from "../gpu/error.ts";
import { outputText } from "../notebook/formats/index.ts";
import { heldUpWords } from "../notebook/held-up-words.ts";
import type { CellView } from "../notebook/session-types.ts";
import type { JobOverrides } from "../train/override-job.ts";
import { onInterruption } from "./interruption.ts";
import { neededCells } from "./needed-cells.ts";
import { readNotebook } from "./notebook-file.ts";
import type { EndedTraining, NotebookRunner, RunnerOptions } from "./notebook-runner.ts";
import { endLines, nested, progressLine, reporter } from "./progress.ts";
import { openSandboxed } from "./sandboxed-runner.ts";
import { openTrusted } from "./trusted-runner.ts";

export interface RunCommand {
  readonly notebook: string;
  /** A cell, or several with commas between them, and what they need; undefined for all eager ones. */
  readonly cell: string | undefined;
  /** Lazy cells too, in the order of the notebook. */
  readonly all: boolean;
  readonly trusted: boolean;
  readonly hosts: readonly string[];
  /** Seconds that async generators have to end once everything else has. */
  readonly wait: number;
  readonly overrides: JobOverrides;
  readonly json: boolean;
  readonly store?: string | undefined;
  readonly resume?: boolean;
}

/** Opens a notebook where the command says. */
export function openRunner(trusted: boolean, options: RunnerOptions): Promise<NotebookRunner> {
  return trusted ? openTrusted(options) : openSandboxed(options);
}

/** `fulgurite run`: runs a notebook's cells and shows what they show. Resolves with the exit code. */
export async function runNotebook(command: RunCommand): Promise<number> {
  const notebook = await readNotebook(command.notebook);
  for (const note of notebook.notes) console.error(note);
  const report = reporter();
  const runner = await openRunner(command.trusted, {
    notebook,
    overrides: command.overrides,
    hosts: command.hosts,
    store: command.store,
    resume: command.resume ?? false,
    onProgress: (cell, progress, kind) => {
      report.show(`${cell} ${progressLine(progress, kind)}`);
    },
  });
  let interrupted = false;
  const endListening = onInterruption(() => {
    interrupted = true;
    void runner.interrupt();
  });
  try {
    for (const step of await steps(runner, command)) {
      if (interrupted) break;
      await step();
    }
    const endless = interrupted ? [] : await runner.settled(1_000 * command.wait);
    if (endless.length > 0 && !interrupted) await runner.interrupt();
    report.end();
    const all = (await runner.cells()).filter(({ kind }) => kind !== "md");
    const cells = command.cell === undefined ? all : neededCells(all, command.cell.split(","));
    const results = await runner.results();
    const failed = cells.filter(hasFailed);
    if (endless.length > 0) console.error(stillPublished(endless, command.wait));
    if (command.json) console.log(JSON.stringify(summary(notebook.id, cells, results, endless, command)));
    else print(cells, results, command);
    return interrupted ? 130 : failed.length > 0 ? 1 : 0;
  } finally {
    endListening();
    await runner.close();
  }
}

async function steps(runner: NotebookRunner, { cell, all }: RunCommand): Promise<(() => Promise<void>)[]> {
  if (cell !== undefined) {
    const ids = (await runner.cells()).map(({ id }) => id);
    const wanted = cell.split(",");
    const unknown = wanted.find((id) => !ids.includes(id));
    if (unknown !== undefined) {
      throw new FulguriteError(
        "cli/no-cell",
        `There is no cell "${unknown}".`,
        `Its cells are ${ids.join(", ")}.`,
      );
    }
    return wanted.map((id) => () => runner.run(id));
  }
  await runner.runEager();
  if (!all) return [];
  const lazy = (await runner.cells()).filter(({ lazy: isLazy, kind }) => isLazy && kind !== "md");
  return lazy.map(
    ({ id }) =>
      () =>
        runner.run(id),
  );
}

/** Whether a cell ended in an error, or defined what the GPU computes otherwise. */
const hasFailed = ({ state, outputs }: CellView): boolean =>
  state.kind === "error" || outputs.some((output) => "gpu" in output && output.gpu.kind === "failed");

/** What is said of generators that the command stopped: they may be without end by design, and are no failure. */
const stillPublished = (cells: readonly string[], wait: number): string =>
  `Stopped after ${wait} s, still publishing values: ${cells.join(", ")}. --wait gives them longer.`;

const SHORTENED = "shortened by --quick: it shows that the notebook runs to its end, not what it learns";

function summary(
  id: string,
  cells: readonly CellView[],
  results: readonly EndedTraining[],
  stopped: readonly string[],
  { overrides }: RunCommand,
): unknown {
  const last = results.at(-1)?.result.metrics ?? {};
  return {
    notebook: id,
    ok: !cells.some(hasFailed),
    ...(overrides.quick === true ? { note: SHORTENED } : {}),
    ...(stopped.length > 0 ? { stopped } : {}),
    cells: cells.map(({ id: cell, kind, lazy, state, outputs }) => ({
      cell,
      kind,
      lazy,
      state: state.kind,
      ...(state.kind === "error" ? { error: state.error } : {}),
      shown: outputs.map(outputText),
    })),
    runs: results.map(({ cell, seed, result: { metrics, ...rest } }) => ({
      cell,
      seed,
      ...rest,
      metrics: nested(metrics),
    })),
    metrics: nested(last),
  };
}

function print(
  cells: readonly CellView[],
  results: readonly EndedTraining[],
  { all, cell, overrides }: RunCommand,
): void {
  for (const { id, state, heldUp, outputs } of cells) {
    const lines = outputs.filter(({ view }) => view !== "run").map(outputText);
    for (const { result, kind } of results.filter((ended) => ended.cell === id)) {
      lines.push(...endLines(result, kind));
    }
    if (state.kind === "error") {
      const { message, fix, code, line } = state.error;
      lines.push(`${line === null ? "" : `line ${line}: `}${message}`);
      if (state.lineText !== null) lines.push(`    ${state.lineText}`);
      lines.push(`${fix} [${code}]`);
    }
    if (heldUp !== null) lines.push(`Waits for ${heldUp.by}, which ${heldUpWords(heldUp)}.`);
    if (lines.length === 0 && state.kind !== "stale") continue;
    const word = state.kind === "done" ? "" : ` (${state.kind})`;
    console.log(`── ${id}${word}\n${lines.join("\n")}`);
  }
  const idle = cells.filter(({ lazy, state }) => lazy && state.kind === "idle").length;
  if (!all && cell === undefined && idle > 0) {
    console.log(
      `${idle} lazy ${idle === 1 ? "cell was" : "cells were"} not run; --all runs ${idle === 1 ? "it" : "them"}.`,
    );
  }
  if (overrides.quick === true) console.log(SHORTENED);
}

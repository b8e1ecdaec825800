import { Runtime, type Variable } from "@observablehq/runtime";
import { Kernel } from "../../src/notebook/kernel.ts";
import type { KernelMessage } from "../../src/notebook/protocol.ts";
import { draws } from "./notebook-fuzz.ts";

/** A pure cell: it defines a name from others, `name = base + Σ weight · other`. */
interface PureCell {
  readonly id: string;
  readonly name: string;
  readonly base: number;
  readonly terms: readonly (readonly [weight: number, name: string])[];
}

const source = ({ name, base, terms }: PureCell): string =>
  `export const ${name}: number = ${[String(base), ...terms.map(([weight, other]) => `${weight} * ${other}`)].join(" + ")};`;

/** Our kernel, as what each cell came to: a number, or null where it has none. */
class OurKernel {
  readonly #kinds = new Map<string, string>();
  readonly #values = new Map<string, number>();
  readonly #kernel = new Kernel((message) => {
    this.#receive(message);
  });
  /** Runs since the last edit, by cell. */
  readonly runs = new Map<string, number>();

  constructor(cells: readonly PureCell[]) {
    this.edit(cells);
    this.#kernel.receive({ kind: "run-eager", command: 1 });
  }

  edit(cells: readonly PureCell[]): void {
    this.runs.clear();
    const sources = cells.map((cell) => ({ id: cell.id, source: source(cell), lazy: false }));
    this.#kernel.receive({ kind: "cells", cells: sources });
  }

  async settle(): Promise<void> {
    // The second look is for what a finished cell has just set going.
    for (let quiet = 0; quiet < 2;) {
      await new Promise((resolve) => setImmediate(resolve));
      const busy = [...this.#kinds.values()].some((kind) => kind === "queued" || kind === "running");
      quiet = busy ? 0 : quiet + 1;
    }
  }

  value(id: string): number | null {
    return this.#kinds.get(id) === "done" ? (this.#values.get(id) ?? null) : null;
  }

  dispose(): void {
    this.#kernel.dispose();
  }

  #receive(message: KernelMessage): void {
    if (message.kind === "state") {
      this.#kinds.set(message.id, message.state.kind);
      if (message.state.kind === "running") this.runs.set(message.id, (this.runs.get(message.id) ?? 0) + 1);
    } else if (message.kind === "graph") {
      const ids = new Set(message.cells.map(({ id }) => id));
      for (const id of this.#kinds.keys()) if (!ids.has(id)) this.#kinds.delete(id);
    } else if (message.kind === "outputs") {
      const shown = message.outputs.at(-1);
      if (shown?.view === "value" && shown.value.kind === "primitive") {
        this.#values.set(message.id, Number(shown.value.text));
      }
    }
  }
}

/** The same cells in Observable's runtime. */
class TheirRuntime {
  readonly #runtime = new Runtime({}, () => undefined);
  readonly #module = this.#runtime.module();
  readonly #variables = new Map<string, Variable>();

  edit(cells: readonly PureCell[]): void {
    for (const [id, variable] of this.#variables) {
      if (cells.some((cell) => cell.id === id)) continue;
      variable.delete();
      this.#variables.delete(id);
    }
    for (const { id, name, base, terms } of cells) {
      let variable = this.#variables.get(id);
      if (!variable) {
        variable = this.#module.variable({});
        this.#variables.set(id, variable);
      }
      const inputs = [...new Set(terms.map(([, other]) => other))];
      variable.define(name, inputs, (...values: number[]) =>
        terms.reduce((sum, [weight, other]) => sum + weight * values[inputs.indexOf(other)]!, base),
      );
    }
  }

  async value(id: string): Promise<number | null> {
    while (this.#runtime._computing) await this.#runtime._computing;
    return this.#variables.get(id)!._promise.then(
      (value) => (typeof value === "number" ? value : null),
      () => null,
    );
  }

  dispose(): void {
    this.#runtime.dispose();
  }
}

const NAMES = Array.from({ length: 9 }, (_, i) => `n${i}`);

function randomCell(draw: (below: number) => number, id: string): PureCell {
  // Mostly a name of its own and names from above; now and then one that is taken, a cycle, or none at all.
  const index = Number(id.slice(1)) % NAMES.length;
  const name = draw(14) === 0 ? NAMES[draw(NAMES.length)]! : NAMES[index]!;
  const terms = Array.from({ length: draw(4) }, (): readonly [number, string] => {
    const other = draw(10) === 0 ? NAMES[draw(NAMES.length)]! : NAMES[draw(Math.max(1, index))]!;
    return [1 + draw(5), draw(40) === 0 ? "missing" : other];
  });
  return { id, name, base: draw(100), terms: terms.filter(([, other]) => other !== name) };
}

function randomEdit(draw: (below: number) => number, cells: readonly PureCell[]): PureCell[] {
  const at = draw(cells.length);
  switch (draw(5)) {
    case 0:
      return cells.filter((_, index) => index !== at);
    case 1: {
      const id = `c${Math.max(-1, ...cells.map((cell) => Number(cell.id.slice(1)))) + 1}`;
      return [...cells.slice(0, at), randomCell(draw, id), ...cells.slice(at)];
    }
    case 2:
      return [...cells.slice(at), ...cells.slice(0, at)];
    default:
      return cells.map((cell, index) => (index === at ? randomCell(draw, cell.id) : cell));
  }
}

export interface OracleReport {
  readonly graphs: number;
  readonly edits: number;
  /** Cells compared that had a value, and that had none. */
  readonly values: number;
  readonly without: number;
}

/**
 * Random graphs of pure eager cells and edits of them: after each, every cell of our kernel must have the value that
 * it has in Observable's runtime, or none where that has none, and none ran twice.
 */
export async function compareWithObservable(graphs: number, seed: number): Promise<OracleReport> {
  const draw = draws(seed);
  const report = { graphs, edits: 0, values: 0, without: 0 };
  for (let graph = 0; graph < graphs; graph++) {
    let cells = Array.from({ length: 1 + draw(9) }, (_, i) => randomCell(draw, `c${i}`));
    const ours = new OurKernel(cells);
    const theirs = new TheirRuntime();
    theirs.edit(cells);
    for (let edit = 0; ; edit++) {
      await ours.settle();
      for (const cell of cells) {
        const [mine, other] = [ours.value(cell.id), await theirs.value(cell.id)];
        const twice = (ours.runs.get(cell.id) ?? 0) > 1;
        if (mine !== other || twice) {
          const text = cells.map((one) => `${one.id}: ${source(one)}`).join("\n");
          throw new Error(
            `graph ${graph}, edit ${edit}, ${cell.id}: ${mine}, not ${other}${twice ? ", ran twice" : ""}\n${text}`,
          );
        }
        if (mine === null) report.without++;
        else report.values++;
      }
      if (edit === 4 || cells.length === 0) break;
      report.edits++;
      cells = randomEdit(draw, cells);
      ours.edit(cells);
      theirs.edit(cells);
    }
    ours.dispose();
    theirs.dispose();
  }
  return report;
}

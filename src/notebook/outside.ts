import { inputsOver, type CellInputs } from "./cell-inputs.ts";
import { CellTests } from "./cell-tests.ts";
import type { CellViews } from "./cell-views.ts";
import { describeCellError } from "./cell-error.ts";

/**
 * What cells have in scope, for a notebook's code that is used outside of notebooks, as a module: it runs there too.
 * Inside a cell the kernel puts its own in their place.
 */

/** Shows a value under the cell; outside a notebook on the console. Returns it. */
export function display<T>(value: T): T {
  console.log(value);
  return value;
}

/** Aborts when the cell is stopped or superseded; outside a notebook never. */
export const signal: AbortSignal = new AbortController().signal;

/** Resolves when the cell's values are replaced, to release what they hold; outside a notebook never. */
export const invalidation: Promise<void> = new Promise<void>(() => undefined);

/** A named test; in a notebook its result is shown under the cell. Outside, it rejects where the body fails. */
export async function test(name: string, body: () => unknown): Promise<void> {
  const tests = new CellTests(
    () => undefined,
    (thrown) => describeCellError(thrown, "test", ""),
  );
  await tests.test(name, body);
  await tests.settle();
}

/** Outside a notebook nobody moves an input: each has the value that it begins with. */
const inputs = inputsOver((_label, _input, value) => value);

/** A slider; its value is a number. In a notebook the cell runs again when it is moved. */
export const slider: CellInputs["slider"] = inputs.slider;
/** A choice; its value is one of the options. */
export const select: CellInputs["select"] = inputs.select;
/** A switch. */
export const toggle: CellInputs["toggle"] = inputs.toggle;
/** A field for text. */
export const text: CellInputs["text"] = inputs.text;
/** A file that the person chooses, or null. */
export const file: CellInputs["file"] = inputs.file;
/** A button; its value is how often it was pressed. */
export const button: CellInputs["button"] = () => 0;
/** Inputs that are sent together: `form("Settings", (f) => ({ rate: f.slider("rate", { min: 0, max: 1 }) }))`. */
export const form: CellInputs["form"] = (_label, fields) => fields(inputs);

/** Shows rows, columns by name, or an Arrow table, however long. */
export const table: CellViews["table"] = (data) => {
  console.table(data);
};
/** Shows a picture: pixels, or the bytes of a PNG, JPEG, GIF or WebP. */
export const image: CellViews["image"] = () => undefined;
/** Shows a bar that `set(share, words)` moves. */
export const progress: CellViews["progress"] = () => ({ set: () => undefined });
/** Shows two texts, and what differs. */
export const diff: CellViews["diff"] = (before, after) => {
  console.log(before, after);
};
/** Shows spans as a tree and as a waterfall; at most 1,000. */
export const trace: CellViews["trace"] = (spans) => {
  console.table([...spans]);
};

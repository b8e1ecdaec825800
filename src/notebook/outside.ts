import { CellTests } from "./cell-tests.ts";
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

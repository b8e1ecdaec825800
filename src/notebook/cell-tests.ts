import { FulguriteError } from "../gpu/error.ts";
import type { CellError } from "./cell-error.ts";
import type { Output } from "./session-types.ts";

/** `test(name, body)`: runs the body, at once where it is not asynchronous; the cell fails where one of its tests does. */
export type CellTest = (name: string, body: () => unknown) => Promise<void>;

/** The tests of one run of one cell. */
export class CellTests {
  readonly #show: (output: Output) => void;
  readonly #describe: (thrown: unknown) => CellError;
  readonly #pending: Promise<void>[] = [];
  readonly #failed: { readonly name: string; readonly line: number | null }[] = [];
  #count = 0;

  constructor(show: (output: Output) => void, describe: (thrown: unknown) => CellError) {
    this.#show = show;
    this.#describe = describe;
  }

  readonly test: CellTest = (name, body) => {
    const run = this.#run(String(name), body);
    this.#pending.push(run);
    return run;
  };

  /** Waits for tests that were not awaited; throws "notebook/test-failed" where one failed. */
  async settle(): Promise<void> {
    if (this.#pending.length === 0) return;
    await Promise.all(this.#pending);
    if (this.#failed.length === 0) return;
    const names = this.#failed.map(({ name }) => `"${name}"`).join(", ");
    const line = this.#failed[0]!.line;
    throw new FulguriteError(
      "notebook/test-failed",
      `${this.#failed.length} of ${this.#count} tests failed: ${names}.`,
      "Correct the code that they test.",
      line === null ? {} : { line },
    );
  }

  async #run(name: string, body: () => unknown): Promise<void> {
    this.#count++;
    try {
      const ended = body();
      // One that is not asynchronous has its result at once, and its place in the order.
      if (ended instanceof Promise) await ended;
      this.#show({ view: "test", name, passed: true, message: null });
    } catch (thrown) {
      const { error } = this.#describe(thrown);
      this.#failed.push({ name, line: error.line });
      this.#show({ view: "test", name, passed: false, message: error.message });
    }
  }
}

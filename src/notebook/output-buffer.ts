import { measure } from "../runner/measure.ts";
import { tableBytes } from "./table-data.ts";
import type { Output } from "./session-types.ts";

/** Messages a second and cell stay at or under 20. */
const FLUSH_INTERVAL_MS = 50;
/** What one cell may show in one run, in characters of its messages. */
export const MAX_OUTPUT_CHARACTERS = 1_000_000;
export const MAX_OUTPUTS = 1_000;

/** Characters of an output, roughly; captured values need not be JSON. */
export function sizeOf(output: Output): number {
  if (output.view === "text") return output.text.length + 1;
  // Bulk data counts a character for 64 bytes, so that a cell may show a table of millions of numbers.
  if (output.view === "table") return Math.ceil(tableBytes(output.table) / 64);
  if (output.view === "image") return Math.ceil(output.image.bytes.length / 64);
  if (output.view === "plot") return Math.ceil(measure(output, 64 * MAX_OUTPUT_CHARACTERS) / 64);
  if (output.view === "input") return 200;
  if (output.view === "composite-reward") return measure(output, 4 * MAX_OUTPUT_CHARACTERS) / 2;
  return JSON.stringify(output).length;
}

/**
 * Collects what one run of a cell shows and sends it in batches. The first batch replaces what the cell showed
 * before, so that a quick rerun does not flicker.
 */
export class OutputBuffer {
  readonly #send: (outputs: readonly Output[], replace: boolean) => void;
  #pending: Output[] = [];
  #replace = true;
  readonly #bars = new Set<string>();
  #characters = 0;
  #count = 0;
  #full = false;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #closed = false;

  constructor(send: (outputs: readonly Output[], replace: boolean) => void) {
    this.#send = send;
  }

  /** Outputs of this run so far. */
  get count(): number {
    return this.#count;
  }

  push(output: Output): void {
    if (this.#closed || this.#full) return;
    const last = this.#pending.at(-1);
    const merges = output.view === "text" && last?.view === "text" && last.stream === output.stream;
    if (output.view === "progress") {
      this.#pushProgress(output);
      return;
    }
    this.#characters += sizeOf(output);
    if (!merges) this.#count++;
    if (this.#characters > MAX_OUTPUT_CHARACTERS || this.#count > MAX_OUTPUTS) {
      this.#full = true;
      this.#pending.push({
        view: "text",
        stream: "warn",
        text: "This cell shows too much; the rest was left out.",
      });
    } else if (merges) {
      this.#pending[this.#pending.length - 1] = { ...last, text: `${last.text}\n${output.text}` };
    } else {
      this.#pending.push(output);
    }
    this.#timer ??= setTimeout(() => {
      this.flush();
    }, FLUSH_INTERVAL_MS);
  }

  /** A bar that is on its way is replaced by its newest state, and costs nothing. */
  #pushProgress(output: Extract<Output, { view: "progress" }>): void {
    const at = this.#pending.findIndex((one) => one.view === "progress" && one.label === output.label);
    if (at >= 0) this.#pending[at] = output;
    else this.#pending.push(output);
    if (!this.#bars.has(output.label)) this.#count++;
    this.#bars.add(output.label);
    this.#timer ??= setTimeout(() => {
      this.flush();
    }, FLUSH_INTERVAL_MS);
  }

  /** Sends what is pending; at the first call also nothing, to clear what the cell showed before. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#closed || (this.#pending.length === 0 && !this.#replace)) return;
    this.#send(this.#pending, this.#replace);
    this.#pending = [];
    this.#replace = false;
  }

  /** Sends nothing any more: the run was replaced by another. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#closed = true;
  }
}

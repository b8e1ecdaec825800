import type { Span } from "./records.ts";
import { rolloutNumberOf } from "./span.ts";

/**
 * A batch of spans, column by column: what a curve reads without making an object a row. A sealed segment
 * gives Arrow's own buffers, the tail builds the same from its rows. Treat the arrays as read-only.
 */
export interface SpanColumns {
  /** Rows, n. */
  readonly length: number;
  /** [n] */
  readonly sequence: Int32Array;
  /** [n] Numbers of the rollouts; -1 for none, and for a rollout not numbered within its run. */
  readonly rollout: Int32Array;
  spanIdAt(row: number): string;
  nameAt(row: number): string;
  /** Attribute keys that hold a number in at least one row of this span name. */
  numericKeys(name: string): readonly string[];
  /** [n], NaN where the attribute is absent or no number. */
  numbers(key: string): Float64Array;
  rolloutIdAt(row: number): string | null;
  attemptIdAt(row: number): string | null;
  /** Ascending; null asks for the spans of no rollout. */
  rowsOfRollout(rolloutId: string | null): readonly number[];
  /** A tail's row has its tokens; a segment's has neither tokens nor long texts, which lie apart. */
  spanAt(row: number): Span;
}

/** Rows of the tail as columns. */
export class TailColumns implements SpanColumns {
  readonly #rows: readonly Span[];

  constructor(rows: readonly Span[]) {
    this.#rows = rows;
  }

  get length(): number {
    return this.#rows.length;
  }

  get sequence(): Int32Array {
    return Int32Array.from(this.#rows, (span) => span.sequence);
  }

  get rollout(): Int32Array {
    return Int32Array.from(this.#rows, ({ runId, rolloutId }) => rolloutNumberOf(runId, rolloutId));
  }

  spanIdAt(row: number): string {
    return this.#rows[row]!.spanId;
  }

  rolloutIdAt(row: number): string | null {
    return this.#rows[row]!.rolloutId;
  }

  attemptIdAt(row: number): string | null {
    return this.#rows[row]!.attemptId;
  }

  rowsOfRollout(rolloutId: string | null): readonly number[] {
    return this.#rows.flatMap((span, row) => (span.rolloutId === rolloutId ? [row] : []));
  }

  nameAt(row: number): string {
    return this.#rows[row]!.name;
  }

  numericKeys(name: string): readonly string[] {
    const keys = new Set<string>();
    for (const span of this.#rows) {
      if (span.name !== name) continue;
      for (const key in span.attributes) if (typeof span.attributes[key] === "number") keys.add(key);
    }
    return [...keys];
  }

  numbers(key: string): Float64Array {
    return Float64Array.from(this.#rows, ({ attributes }) => numberOf(attributes[key]));
  }

  spanAt(row: number): Span {
    return this.#rows[row]!;
  }
}

export const numberOf = (value: unknown): number => (typeof value === "number" ? value : Number.NaN);

/** Rows of several batches by rollout and sequence; equal ones stay in the order of writing. */
export interface RowOrder {
  readonly length: number;
  /** Which batch, and which of its rows. */
  readonly batch: Uint32Array;
  readonly row: Uint32Array;
}

/**
 * The rows of `batches` that `wanted` takes, by number of the rollout (the run's own spans first), then sequence.
 * Linear where they are in order already.
 */
export function orderRows(
  batches: readonly SpanColumns[],
  wanted: (batch: SpanColumns, row: number, sequence: number, number: number) => boolean,
): RowOrder {
  const capacity = batches.reduce((sum, batch) => sum + batch.length, 0);
  const batchOf = new Uint32Array(capacity);
  const rowOf = new Uint32Array(capacity);
  const rolloutOf = new Int32Array(capacity);
  const sequenceOf = new Int32Array(capacity);
  let length = 0;
  let ordered = true;
  batches.forEach((batch, b) => {
    const { sequence, rollout } = batch;
    for (let row = 0; row < sequence.length; row++) {
      const at = sequence[row]!;
      if (!wanted(batch, row, at, b)) continue;
      batchOf[length] = b;
      rowOf[length] = row;
      rolloutOf[length] = rollout[row]!;
      sequenceOf[length] = at;
      if (length > 0) {
        const step = rolloutOf[length]! - rolloutOf[length - 1]!;
        if (step < 0 || (step === 0 && at < sequenceOf[length - 1]!)) ordered = false;
      }
      length++;
    }
  });
  if (ordered) return { length, batch: batchOf.subarray(0, length), row: rowOf.subarray(0, length) };
  const order = Uint32Array.from({ length }, (_, i) => i).sort(
    (a, b) => rolloutOf[a]! - rolloutOf[b]! || sequenceOf[a]! - sequenceOf[b]! || a - b,
  );
  return { length, batch: order.map((i) => batchOf[i]!), row: order.map((i) => rowOf[i]!) };
}

import { readBook } from "./books.ts";
import type { SpanColumns } from "./span-columns.ts";
import { orderOf, type Segment, type StorageTransaction } from "./storage.ts";

interface Known {
  readonly nextSegment: number;
  readonly segments: readonly Segment[];
}

interface Opened {
  readonly columns: SpanColumns;
  readonly bytes: number;
}

/** Hot columns that are kept open, in bytes. */
const mostBytes = 48 * 2 ** 20;

/**
 * Catalogues of runs, each good until the run has a new segment (whatever changes them gives out a new number), and the hot columns that were opened last: a
 * segment's number is never given twice, so they stay true for as long as the catalogue has it.
 */
export class CatalogueCache {
  readonly #known = new Map<string, Known>();
  /** Least recently used first. */
  readonly #opened = new Map<string, Opened>();
  #bytes = 0;

  /** Segments of a run, in the order of writing. Needs the tables "bookkeeping", "runs" and "segments". */
  async segments(transaction: StorageTransaction, runId: string): Promise<readonly Segment[]> {
    const book = await readBook(transaction, runId);
    if (!book || book.deleted) return [];
    const { nextSegment } = book;
    const known = this.#known.get(runId);
    if (known?.nextSegment === nextSegment) return known.segments;
    const rows = await transaction.list("segments", runId);
    const segments = rows.map(({ value }) => value).sort((a, b) => orderOf(a) - orderOf(b));
    this.#known.set(runId, { nextSegment, segments });
    return segments;
  }

  opened({ runId, number }: Segment): SpanColumns | null {
    const key = `${runId}/${number}`;
    const found = this.#opened.get(key);
    if (!found) return null;
    this.#opened.delete(key);
    this.#opened.set(key, found);
    return found.columns;
  }

  keep({ runId, number, byteLength }: Segment, columns: SpanColumns): void {
    this.#opened.set(`${runId}/${number}`, { columns, bytes: byteLength });
    this.#bytes += byteLength;
    for (const [key, { bytes }] of this.#opened) {
      if (this.#bytes <= mostBytes) break;
      this.#opened.delete(key);
      this.#bytes -= bytes;
    }
  }

  forget(runId: string): void {
    this.#known.delete(runId);
    for (const [key, { bytes }] of this.#opened) {
      if (!key.startsWith(`${runId}/`)) continue;
      this.#opened.delete(key);
      this.#bytes -= bytes;
    }
  }
}

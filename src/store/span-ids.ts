import type { Span } from "./records.ts";
import { decodeSegment } from "./segment.ts";
import { simulatedSpanId } from "./span.ts";
import type { Bookkeeping, StorageTransaction } from "./storage.ts";

export interface FreshSpans {
  readonly spans: readonly Span[];
  readonly series: Bookkeeping["series"];
}

/**
 * Tells new spans from repeated ones. Ids made from the sequence are settled by the run's bookkeeping row
 * alone when they come in order, as a simulated run's do; any other id is looked up among all ids of the run,
 * read once and kept for as long as this tab is the only one that writes to the run.
 */
export class SpanIds {
  readonly #known = new Map<string, { version: number; readonly ids: Set<string> }>();

  /** Spans that the store does not have. Remembers nothing before `committed`. */
  async filter(
    transaction: StorageTransaction,
    book: Bookkeeping,
    spans: readonly Span[],
  ): Promise<FreshSpans> {
    let { series } = book;
    const fresh: Span[] = [];
    const added = new Set<string>();
    for (const span of spans) {
      const { spanId, sequence } = span;
      const inSeries = spanId === simulatedSpanId(book.runId, sequence);
      const beyond = series === null || sequence > series.last || sequence < series.first;
      if (!inSeries || !beyond) {
        if (added.has(spanId) || (await this.#idsOf(transaction, book)).has(spanId)) continue;
      }
      if (inSeries) {
        series = {
          first: Math.min(series?.first ?? sequence, sequence),
          last: Math.max(series?.last ?? sequence, sequence),
        };
      }
      added.add(spanId);
      fresh.push(span);
    }
    return { spans: fresh, series };
  }

  /** After a write: what was known at `before` is known at `after`, with `spans`. */
  committed(before: Bookkeeping | null, after: Bookkeeping, spans: readonly Span[]): void {
    const known = this.#known.get(after.runId);
    if (!known) return;
    if (known.version !== before?.version) {
      this.forget(after.runId);
      return;
    }
    known.version = after.version;
    for (const { spanId } of spans) known.ids.add(spanId);
  }

  forget(runId: string): void {
    this.#known.delete(runId);
  }

  async #idsOf(transaction: StorageTransaction, book: Bookkeeping): Promise<ReadonlySet<string>> {
    const { runId, version } = book;
    const known = this.#known.get(runId);
    if (known?.version === version) return known.ids;
    const [groups, segments, blobs] = await Promise.all([
      transaction.list("tail", runId),
      transaction.list("segments", runId),
      transaction.list("blobs", runId),
    ]);
    const ids = new Set<string>();
    const damaged = new Set(
      segments.filter(({ value }) => value.damage !== null).map(({ key }) => String(key)),
    );
    for (const { key, value } of blobs) {
      if (damaged.has(String(key))) continue;
      try {
        const columns = decodeSegment(value);
        for (let row = 0; row < columns.length; row++) ids.add(columns.spanIdAt(row));
      } catch {
        // Reading the run names it; its ids cannot be known.
      }
    }
    for (const { value } of groups) for (const span of value.rows) ids.add(span.spanId);
    this.#known.set(runId, { version, ids });
    return ids;
  }
}

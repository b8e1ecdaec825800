import type { CatalogueCache } from "./catalogue-cache.ts";
import { readSegmentRows } from "./read.ts";
import type { Span } from "./records.ts";
import { writeSegments } from "./seal.ts";
import { segmentSize } from "./segment-size.ts";
import { chunkKey, orderOf, type Bookkeeping, type Segment, type StorageTransaction } from "./storage.ts";

/** Removes a segment with everything that lies apart from it; the caller writes the bookkeeping row that this returns. */
export function dropSegment(
  transaction: StorageTransaction,
  book: Bookkeeping,
  segment: Segment,
): Bookkeeping {
  const { runId, number } = segment;
  transaction.delete("segments", [runId, number]);
  transaction.delete("blobs", [runId, number]);
  for (const part of [segment.tokens, segment.texts]) {
    if (!part) continue;
    if (!("chunks" in part)) transaction.delete("tokens", [runId, number]);
    else
      for (const chunk of part.chunks) transaction.delete("tokens", [runId, chunkKey(number, chunk.number)]);
  }
  return { ...book, segmentBytes: Math.max(0, book.segmentBytes - segmentSize(segment)) };
}

export interface Rewritten {
  readonly book: Bookkeeping;
  /** Rows that were left out. */
  readonly removed: number;
  /** Segments there were, and segments there are now in their place. */
  readonly before: number;
  readonly after: number;
}

/**
 * Writes the rows of some segments anew, without those that `keep` leaves out, in the place that the first of them had
 * in the order of writing. Null, and nothing is written, where one of them cannot be read whole; it will be named by
 * whoever reads the run. The caller writes the bookkeeping row.
 */
export async function rewriteSegments(
  transaction: StorageTransaction,
  book: Bookkeeping,
  segments: readonly Segment[],
  catalogue: CatalogueCache,
  keep: (span: Span) => boolean = () => true,
): Promise<Rewritten | null> {
  const rows: Span[] = [];
  let total = 0;
  for (const segment of segments) {
    const read = await readSegmentRows(transaction, segment, catalogue);
    if (!read) return null;
    total += read.length;
    for (const span of read) if (keep(span)) rows.push(span);
  }
  let after = book;
  for (const segment of segments) after = dropSegment(transaction, after, segment);
  const first = after.nextSegment;
  const order = Math.min(...segments.map(orderOf));
  after = writeSegments(transaction, after, rows, order);
  return {
    book: after,
    removed: total - rows.length,
    before: segments.length,
    after: after.nextSegment - first,
  };
}

import type { ArrowBatch } from "./arrow-read.ts";

/**
 * Most bytes of one chunk. A rollout's tokens are found by reading one or two: small enough to be read in 2 ms, large
 * enough that a scan does not wait for each.
 */
const chunkBytes = 224 * 1024;

/** A piece of what is kept apart from a segment's hot columns: an Arrow stream with the segment's row of each of its rows. */
export interface EncodedChunk {
  readonly firstRow: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Entries of ascending rows cut where a chunk is full. `encode` takes a stretch of them. */
export function inChunks(
  rows: readonly number[],
  bytesOf: (entry: number) => number,
  encode: (from: number, to: number) => Uint8Array<ArrayBuffer>,
): EncodedChunk[] {
  const chunks: EncodedChunk[] = [];
  let from = 0;
  let bytes = 0;
  for (let entry = 0; entry < rows.length; entry++) {
    const more = bytesOf(entry);
    if (entry > from && bytes + more > chunkBytes) {
      chunks.push({ firstRow: rows[from]!, bytes: encode(from, entry) });
      from = entry;
      bytes = 0;
    }
    bytes += more;
  }
  if (from < rows.length) chunks.push({ firstRow: rows[from]!, bytes: encode(from, rows.length) });
  return chunks;
}

/** Which entry of a chunk a segment's row is. */
export function rowsOfChunk(batch: ArrowBatch): ReadonlyMap<number, number> {
  const rows = batch.columns.get("row");
  if (rows?.kind !== "numbers") throw new Error("column row is missing");
  const entryOf = new Map<number, number>();
  rows.values.forEach((row, entry) => entryOf.set(row, entry));
  return entryOf;
}

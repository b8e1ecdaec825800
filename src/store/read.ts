import { crc32 } from "./crc32.ts";
import type { Span, SpanQuery, StoreProblem } from "./records.ts";
import { decodeSegment } from "./segment.ts";
import { orderRows, TailColumns, type SpanColumns } from "./span-columns.ts";
import type { Segment, StorageTransaction, TableName } from "./storage.ts";

export const spanTables: readonly TableName[] = ["segments", "blobs", "tail"];

/** Bytes of the segments that a query needs, and the tail, all of one moment. */
export interface StoredSpans {
  readonly segments: readonly {
    readonly segment: Segment;
    readonly bytes: Uint8Array<ArrayBuffer> | undefined;
  }[];
  readonly tail: readonly Span[];
}

/** The zone map's answer: may the segment hold a wanted span? */
const mayHold = (segment: Segment, { name, afterSequence }: SpanQuery): boolean =>
  (name === undefined || segment.names.includes(name)) &&
  (afterSequence === undefined || segment.maxSequence > afterSequence);

export async function readStored(transaction: StorageTransaction, query: SpanQuery): Promise<StoredSpans> {
  const { runId } = query;
  const [catalogue, groups] = await Promise.all([
    transaction.list("segments", runId),
    transaction.list("tail", runId),
  ]);
  const wanted = catalogue.filter(({ value }) => value.damage === null && mayHold(value, query));
  const blobs = await Promise.all(wanted.map(({ key }) => transaction.get("blobs", key)));
  return {
    segments: wanted.map(({ value }, i) => ({ segment: value, bytes: blobs[i] })),
    tail: groups.flatMap(({ value }) => value.rows),
  };
}

/** Why a segment cannot be read, or its columns. */
export function openSegment(
  segment: Segment,
  bytes: Uint8Array<ArrayBuffer> | undefined,
): SpanColumns | string {
  if (!bytes) return "its data is missing";
  if (bytes.byteLength !== segment.byteLength) {
    return `${bytes.byteLength} bytes instead of ${segment.byteLength}`;
  }
  if (crc32(bytes) !== segment.crc) return "its checksum differs";
  try {
    const columns = decodeSegment(bytes);
    return columns.length === segment.rows ? columns : `${columns.length} rows instead of ${segment.rows}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Columns of all readable batches; `damaged` is told of the others. */
export function openColumns(
  stored: StoredSpans,
  damaged: (segment: Segment, reason: string) => void,
): SpanColumns[] {
  const batches: SpanColumns[] = [];
  for (const { segment, bytes } of stored.segments) {
    const columns = openSegment(segment, bytes);
    if (typeof columns === "string") damaged(segment, columns);
    else batches.push(columns);
  }
  if (stored.tail.length > 0) batches.push(new TailColumns(stored.tail));
  return batches;
}

/** The wanted spans in sequence order. */
export function selectSpans(batches: readonly SpanColumns[], { name, afterSequence }: SpanQuery): Span[] {
  const order = orderRows(
    batches,
    (batch, row, sequence) =>
      (afterSequence === undefined || sequence > afterSequence) &&
      (name === undefined || batch.nameAt(row) === name),
  );
  return Array.from({ length: order.length }, (_, i) => batches[order.batch[i]!]!.spanAt(order.row[i]!));
}

export function corruptProblem(segment: Segment, reason: string): StoreProblem {
  const { runId, number, rows, minSequence, maxSequence } = segment;
  return {
    code: "store/corrupt-segment",
    message: `Segment ${number} of run ${runId} (${rows} spans, sequence ${minSequence} to ${maxSequence}) cannot be read: ${reason}.`,
    fix: "It was set aside and the rest of the run is readable; delete the run once you no longer need it.",
    line: null,
    column: null,
    runId,
    segment: number,
  };
}

import { crc32 } from "./crc32.ts";
import type { Span } from "./records.ts";
import { rolloutZone } from "./rollout-zone.ts";
import { encodeSegment, maxSegmentRows } from "./segment.ts";
import { rolloutNumberOf } from "./span.ts";
import type { Bookkeeping, Segment, StorageTransaction } from "./storage.ts";
import { encodeTokens } from "./token-columns.ts";
import type { Written } from "./write.ts";

/**
 * Moves a run's tail into segments: they are added and the rows deleted in the one transaction, so that a
 * span is in one place at any moment. Encoding happens inside; two tabs cannot seal the same rows. The run's own
 * spans go apart from those of rollouts, so that a curve opens none of the latter.
 */
export async function sealTail(transaction: StorageTransaction, runId: string): Promise<Written | null> {
  const before = await transaction.get("bookkeeping", runId);
  if (!before || before.tailRows === 0) return null;
  const rows = (await transaction.list("tail", runId)).flatMap(({ value }) => value.rows);
  let after: Bookkeeping = { ...before, version: before.version + 1, tailRows: 0, tailBytes: 0 };
  for (const part of inPieces(rows)) {
    const number = after.nextSegment;
    const bytes = encodeSegment(part);
    const tokens = encodeTokens(part);
    transaction.put("blobs", [runId, number], bytes);
    if (tokens) transaction.put("tokens", [runId, number], tokens);
    transaction.put("segments", [runId, number], catalogueRow(runId, number, part, bytes, tokens));
    const written = bytes.byteLength + (tokens?.byteLength ?? 0);
    after = { ...after, nextSegment: number + 1, segmentBytes: after.segmentBytes + written };
  }
  transaction.deleteAll("tail", runId);
  transaction.put("bookkeeping", runId, after);
  return { before, after, spans: [] };
}

/** Rows of one segment each, in order. */
function inPieces(rows: readonly Span[]): Span[][] {
  const own: Span[] = [];
  const traced: { readonly number: number; readonly span: Span }[] = [];
  for (const span of rows) {
    if (span.rolloutId === null) own.push(span);
    else traced.push({ number: rolloutNumberOf(span.runId, span.rolloutId), span });
  }
  own.sort((a, b) => a.sequence - b.sequence);
  traced.sort((a, b) => a.number - b.number || a.span.sequence - b.span.sequence);
  return [own, traced.map(({ span }) => span)].flatMap((sorted) => {
    const pieces = Math.ceil(sorted.length / maxSegmentRows);
    return Array.from({ length: pieces }, (_, piece) =>
      sorted.slice(
        Math.floor((piece * sorted.length) / pieces),
        Math.floor(((piece + 1) * sorted.length) / pieces),
      ),
    );
  });
}

function catalogueRow(
  runId: string,
  number: number,
  rows: readonly Span[],
  bytes: Uint8Array<ArrayBuffer>,
  tokens: Uint8Array<ArrayBuffer> | null,
): Segment {
  let minTime = Infinity;
  let maxTime = -Infinity;
  let minSequence = Infinity;
  let maxSequence = -Infinity;
  for (const { startTime, endTime, sequence } of rows) {
    minTime = Math.min(minTime, startTime);
    maxTime = Math.max(maxTime, endTime);
    minSequence = Math.min(minSequence, sequence);
    maxSequence = Math.max(maxSequence, sequence);
  }
  const namesOf = (spans: readonly Span[]): string[] => [...new Set(spans.map(({ name }) => name))];
  return {
    runId,
    number,
    rows: rows.length,
    minSequence,
    maxSequence,
    minTime,
    maxTime,
    names: namesOf(rows),
    rollouts: rolloutZone(rows),
    byteLength: bytes.byteLength,
    crc: crc32(bytes),
    damage: null,
    tokens: tokens && {
      names: namesOf(rows.filter((span) => span.tokens)),
      byteLength: tokens.byteLength,
      crc: crc32(tokens),
      damage: null,
    },
  };
}

import { readBook } from "./books.ts";
import type { EncodedChunk } from "./cold-chunk.ts";
import type { Span } from "./records.ts";
import { rolloutZone } from "./rollout-zone.ts";
import { encodeSegment, maxSegmentRows } from "./segment.ts";
import { rolloutNumberOf } from "./span.ts";
import {
  chunkKey,
  type Bookkeeping,
  type ColdPart,
  type Segment,
  type StorageTransaction,
} from "./storage.ts";
import type { TailCache } from "./tail-cache.ts";
import { unpackGroup } from "./tail-group.ts";
import { encodeTexts, longTextKeys } from "./text-chunks.ts";
import { encodeTokens } from "./token-chunks.ts";
import type { Written } from "./write.ts";
import { xxh32 } from "./xxh32.ts";

/**
 * Moves a run's tail into segments: they are added and the rows deleted in the one transaction, so that a
 * span is in one place at any moment. Encoding happens inside; two tabs cannot seal the same rows. The run's own
 * spans go apart from those of rollouts, so that a curve opens none of the latter.
 */
export async function sealTail(
  transaction: StorageTransaction,
  runId: string,
  tails: TailCache,
): Promise<Written | null> {
  const before = await readBook(transaction, runId);
  if (!before || before.tailRows === 0) return null;
  const rows =
    tails.rows(before) ?? (await transaction.list("tail", runId)).flatMap(({ value }) => unpackGroup(value));
  const after = writeSegments(
    transaction,
    { ...before, version: before.version + 1, tailRows: 0, tailBytes: 0 },
    rows,
  );
  transaction.deleteAll("tail", runId);
  transaction.put("bookkeeping", runId, after);
  return { before, after, spans: [], direct: false };
}

/**
 * Writes rows as new segments; the caller writes the bookkeeping row that this returns. `order` is their place in the order
 * of writing; default the end.
 */
export function writeSegments(
  transaction: StorageTransaction,
  book: Bookkeeping,
  rows: readonly Span[],
  order?: number,
): Bookkeeping {
  const { runId } = book;
  let { nextSegment, segmentBytes } = book;
  for (const part of inPieces(rows)) {
    const number = nextSegment++;
    const long = longTextKeys(part);
    const bytes = encodeSegment(part, long);
    const tokens = encodeTokens(part);
    const texts = encodeTexts(part, long);
    const segment: Segment = {
      ...zoneMap(part),
      runId,
      number,
      ...(order === undefined ? {} : { order }),
      byteLength: bytes.byteLength,
      hash: xxh32(bytes),
      damage: null,
      tokens: coldPart(namesOf(part.filter((span) => span.tokens)), tokens, 0),
      texts: coldPart(namesOf(part), texts, tokens.length),
    };
    transaction.put("blobs", [runId, number], bytes);
    segmentBytes += bytes.byteLength;
    [...tokens, ...texts].forEach(({ bytes }, chunk) => {
      transaction.put("tokens", [runId, chunkKey(number, chunk)], bytes);
      segmentBytes += bytes.byteLength;
    });
    transaction.put("segments", [runId, number], segment);
  }
  return { ...book, nextSegment, segmentBytes };
}

const namesOf = (spans: readonly Span[]): string[] => [...new Set(spans.map(({ name }) => name))];

/** Catalogue of the chunks, numbered from `first`. */
function coldPart(names: readonly string[], chunks: readonly EncodedChunk[], first: number): ColdPart | null {
  if (chunks.length === 0) return null;
  return {
    names,
    damage: null,
    chunks: chunks.map(({ firstRow, bytes }, i) => ({
      number: first + i,
      firstRow,
      byteLength: bytes.byteLength,
      hash: xxh32(bytes),
    })),
  };
}

/** Rows of one segment each, in order. */
function inPieces(rows: readonly Span[]): Span[][] {
  const own: Span[] = [];
  const traced: { readonly number: number; readonly span: Span }[] = [];
  const numbers = new Map<string, number>();
  for (const span of rows) {
    if (span.rolloutId === null) {
      own.push(span);
      continue;
    }
    let number = numbers.get(span.rolloutId);
    if (number === undefined) {
      number = rolloutNumberOf(span.runId, span.rolloutId);
      numbers.set(span.rolloutId, number);
    }
    traced.push({ number, span });
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

/** What a query must know of a segment to leave it closed. */
function zoneMap(
  rows: readonly Span[],
): Pick<Segment, "rows" | "minSequence" | "maxSequence" | "minTime" | "maxTime" | "names" | "rollouts"> {
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
  return {
    rows: rows.length,
    minSequence,
    maxSequence,
    minTime,
    maxTime,
    names: namesOf(rows),
    rollouts: rolloutZone(rows),
  };
}

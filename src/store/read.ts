import { FulguriteError } from "../gpu/error.ts";
import type { CatalogueCache } from "./catalogue-cache.ts";
import { openIntact, type Damage, type Expected } from "./damage.ts";
import type { Span, SpanQuery, TokenColumns } from "./records.ts";
import { holdsRollout } from "./rollout-zone.ts";
import { decodeSegment } from "./segment.ts";
import { segmentSize } from "./segment-size.ts";
import { orderRows, TailColumns, type SpanColumns } from "./span-columns.ts";
import {
  chunkKey,
  type ColdPart,
  type Key,
  type Segment,
  type StorageTransaction,
  type TableName,
  type TokenPart,
} from "./storage.ts";
import { unpackGroup } from "./tail-group.ts";
import { decodeTexts, type TextRows } from "./text-chunks.ts";
import { decodeTokens, type TokenLists } from "./token-chunks.ts";

export const spanTables: readonly TableName[] = [
  "bookkeeping",
  "runs",
  "segments",
  "blobs",
  "tail",
  "tokens",
];

/** A readable batch; a tail's rows have their tokens and texts, a segment's lie in chunks. */
export interface Batch {
  readonly columns: SpanColumns;
  /** The wanted rows, ascending; null for all. */
  readonly rows: readonly number[] | null;
  readonly tokens: Chunks<ReturnType<typeof decodeTokens>> | null;
  readonly texts: Chunks<TextRows> | null;
}

/** Chunks that were read, by ascending first row. */
export type Chunks<Content> = readonly { readonly firstRow: number; readonly content: Content }[];

export interface StoredSpans {
  /** In the order of writing; the tail is the last. */
  readonly batches: readonly Batch[];
  readonly damaged: readonly Damage[];
}

/** The zone map's answer: may the segment hold a wanted span? */
const mayHold = (segment: Segment, { runId, rolloutId, name, afterSequence }: SpanQuery): boolean =>
  (name === undefined || segment.names.includes(name)) &&
  (afterSequence === undefined || segment.maxSequence > afterSequence) &&
  (rolloutId === undefined || segment.rollouts === null || holdsRollout(segment.rollouts, runId, rolloutId));

/** What of the cold parts a query needs. */
export interface ColdNeeds {
  readonly tokens: boolean;
  readonly texts: boolean;
}

/** Reads the segments that a query needs, and the tail, all of one moment. */
export async function readStored(
  transaction: StorageTransaction,
  query: SpanQuery,
  catalogue: CatalogueCache,
  needs: ColdNeeds = { tokens: query.tokens !== false, texts: true },
): Promise<StoredSpans> {
  const { runId, rolloutId } = query;
  const [segments, groups] = await Promise.all([
    catalogue.segments(transaction, runId),
    transaction.list("tail", runId),
  ]);
  const wanted = segments.filter((segment) => segment.damage === null && mayHold(segment, query));
  const damaged: Damage[] = [];
  const opened = await Promise.all(
    wanted.map((segment) => openSegment(transaction, segment, query, needs, catalogue, damaged)),
  );
  const batches = opened.filter((batch) => batch !== null);
  const rows = groups.flatMap(({ value }) => unpackGroup(value));
  const tail = rolloutId === undefined ? rows : rows.filter((span) => span.rolloutId === rolloutId);
  if (tail.length > 0)
    batches.push({ columns: new TailColumns(tail), rows: null, tokens: null, texts: null });
  return { batches, damaged };
}

/** A sealed or growing batch of a run, as it lies. */
export interface ScannedBatch {
  readonly columns: SpanColumns;
  /** Token lists of a sealed batch, in order of its rows; a tail's rows have their own. */
  readonly tokens: readonly TokenLists[];
}

/** Bytes that are read in one go. */
const scanBytes = 12 * 2 ** 20;

/** Segments of one scan in stretches that are read together. */
export function inStretches(segments: readonly Segment[], query: SpanQuery, tokens: boolean): Segment[][] {
  const stretches: Segment[][] = [];
  let bytes = Infinity;
  for (const segment of segments) {
    if (segment.damage !== null || !mayHold(segment, query)) continue;
    const more = segmentSize(segment, { tokens, texts: false });
    if (bytes + more > scanBytes) {
      stretches.push([]);
      bytes = 0;
    }
    stretches.at(-1)!.push(segment);
    bytes += more;
  }
  return stretches;
}

/** Reads one stretch. Segments that were compacted meanwhile are an error: their rows are elsewhere now. */
export async function readStretch(
  transaction: StorageTransaction,
  segments: readonly Segment[],
  query: SpanQuery,
  tokens: boolean,
  catalogue: CatalogueCache,
): Promise<{ readonly batches: readonly ScannedBatch[]; readonly damaged: readonly Damage[] }> {
  const there = new Set((await catalogue.segments(transaction, query.runId)).map(({ number }) => number));
  if (segments.some(({ number }) => !there.has(number))) throw changedError(query.runId);
  const damaged: Damage[] = [];
  const opened = await Promise.all(
    segments.map((segment) =>
      openSegment(transaction, segment, { runId: query.runId }, { tokens, texts: false }, catalogue, damaged),
    ),
  );
  const batches = opened
    .filter((batch) => batch !== null)
    .map(({ columns, tokens }) => ({ columns, tokens: (tokens ?? []).map(({ content }) => content.lists) }));
  return { batches, damaged };
}

const changedError = (runId: string): FulguriteError =>
  new FulguriteError(
    "store/changed",
    `Run ${runId} was compacted, or deleted, while it was read.`,
    "Read it again.",
  );

async function openSegment(
  transaction: StorageTransaction,
  segment: Segment,
  query: SpanQuery,
  needs: ColdNeeds,
  catalogue: CatalogueCache,
  damaged: Damage[],
): Promise<Batch | null> {
  const { runId, number } = segment;
  let columns: SpanColumns | string | null = catalogue.opened(segment);
  if (!columns) {
    columns = openIntact(await transaction.get("blobs", [runId, number]), segment, (intact) => {
      const decoded = decodeSegment(intact);
      if (decoded.length === segment.rows) return decoded;
      throw new Error(`${decoded.length} rows instead of ${segment.rows}`);
    });
    if (typeof columns === "string") {
      damaged.push({ segment, part: "segment", reason: columns });
      return null;
    }
    // A scan would only push out what is looked up again and again.
    if (query.rolloutId !== undefined) catalogue.keep(segment, columns);
  }
  const rows = query.rolloutId === undefined ? null : columns.rowsOfRollout(query.rolloutId);
  if (rows?.length === 0) return null;
  const read = async <Content extends object>(
    part: "tokens" | "texts",
    needed: boolean,
    decode: (bytes: Uint8Array<ArrayBuffer>) => Content,
  ): Promise<Chunks<Content> | null> => {
    const cold = segment[part];
    if (!needed || !cold || cold.damage !== null) return null;
    if (query.name !== undefined && !cold.names.includes(query.name)) return null;
    const chunks = await Promise.all(
      chunksOf(segment, cold, rows).map(async ({ key, firstRow, expected }) => ({
        firstRow,
        content: openIntact(await transaction.get("tokens", key), expected, decode),
      })),
    );
    const failed = chunks.find(({ content }) => typeof content === "string");
    if (!failed) return chunks as Chunks<Content>;
    damaged.push({ segment, part, reason: failed.content as string });
    return null;
  };
  const [tokens, texts] = await Promise.all([
    read("tokens", needs.tokens, decodeTokens),
    read("texts", needs.texts, decodeTexts),
  ]);
  return { columns, rows, tokens, texts };
}

/** All rows of one segment, whole, as they lie; null where any part of it cannot be read. */
export async function readSegmentRows(
  transaction: StorageTransaction,
  segment: Segment,
  catalogue: CatalogueCache,
): Promise<Span[] | null> {
  const damaged: Damage[] = [];
  const needs = { tokens: true, texts: true };
  const batch = await openSegment(transaction, segment, { runId: segment.runId }, needs, catalogue, damaged);
  if (!batch || damaged.length > 0) return null;
  const { columns, tokens, texts } = batch;
  return Array.from({ length: columns.length }, (_, row) =>
    complete(columns.spanAt(row), atRow<TokenColumns>(tokens, row), atRow(texts, row)),
  );
}

/** The chunks that may hold any of `rows` (ascending; null for all). */
function chunksOf(
  { runId, number, rows: length }: Segment,
  cold: ColdPart | TokenPart,
  rows: readonly number[] | null,
): { readonly key: Key; readonly firstRow: number; readonly expected: Expected }[] {
  if (!("chunks" in cold)) return [{ key: [runId, number], firstRow: 0, expected: cold }];
  const { chunks } = cold;
  return chunks
    .filter(({ firstRow }, i) => {
      const next = chunks[i + 1]?.firstRow ?? length;
      return rows === null || rows.some((row) => row >= firstRow && row < next);
    })
    .map((chunk) => ({
      key: [runId, chunkKey(number, chunk.number)],
      firstRow: chunk.firstRow,
      expected: chunk,
    }));
}

function atRow<Found>(
  chunks: Chunks<{ at(row: number): Found | undefined }> | null,
  row: number,
): Found | undefined {
  const chunk = chunks?.findLast(({ firstRow }) => firstRow <= row);
  return chunk?.content.at(row);
}

/** The wanted spans by rollout and sequence. */
export function selectSpans(batches: readonly Batch[], query: SpanQuery): Span[] {
  const { name, afterSequence } = query;
  const wantedRows = batches.map(({ rows }) => rows && new Set(rows));
  const order = orderRows(
    batches.map(({ columns }) => columns),
    (batch, row, sequence, number) =>
      (afterSequence === undefined || sequence > afterSequence) &&
      (wantedRows[number]?.has(row) ?? true) &&
      (name === undefined || batch.nameAt(row) === name),
  );
  return Array.from({ length: order.length }, (_, i) => {
    const { columns, tokens, texts } = batches[order.batch[i]!]!;
    const row = order.row[i]!;
    const span = columns.spanAt(row);
    const own = query.tokens === false ? undefined : (span.tokens ?? atRow<TokenColumns>(tokens, row));
    return complete(span, own, atRow(texts, row));
  });
}

function complete(
  span: Span,
  tokens: TokenColumns | undefined,
  texts: Readonly<Record<string, string>> | undefined,
): Span {
  if (!span.tokens && !tokens && !texts) return span;
  const whole: { tokens?: TokenColumns } & Omit<Span, "tokens"> = {
    ...span,
    attributes: texts ? { ...span.attributes, ...texts } : span.attributes,
  };
  if (tokens) whole.tokens = tokens;
  else delete whole.tokens;
  return whole as Span;
}

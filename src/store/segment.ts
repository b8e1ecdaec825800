import { dictionaryColumn, numberColumn, textColumn, validityOf, type Column } from "./arrow-column.ts";
import { readArrow } from "./arrow-read.ts";
import { writeArrow } from "./arrow-write.ts";
import { encodeValue } from "./json-numbers.ts";
import type { Span } from "./records.ts";
import { attributePrefix, repeated, restColumn, SegmentColumns } from "./segment-columns.ts";
import { numberOf, type SpanColumns } from "./span-columns.ts";
import { noKeys } from "./text-chunks.ts";

/** Rows at which a tail is sealed, rows of one commit that need no tail, and the most that one segment takes. */
export const sealRows = 2000;
export const directRows = 1000;
export const maxSegmentRows = 4096;

/** Format of the Arrow stream, in its schema's metadata; a reader exists for every number that ever shipped. */
const formatKey = "fulgurite.segment";
const format = "3";
/**
 * Version 1 had no columns for strings, version 2 indices of 32 bits only and the long texts among the rest: both are
 * read like version 3.
 */
const formats: readonly (string | undefined)[] = ["1", "2", format];

interface Promotion {
  readonly numbers: readonly string[];
  readonly strings: readonly string[];
}

/** What is known of one attribute key while its rows are counted. */
interface KeyCount {
  readonly type: string;
  rows: number;
  /** Bytes as JSON, roughly: numbers count twenty. */
  bytes: number;
  readonly distinct: Set<string>;
  distinctBytes: number;
}

/**
 * A number's column costs 8 bytes a row, a string's 4 and each distinct text once, JSON the key and the value in
 * every row: an attribute takes a column where that is smaller and no row holds anything else under the key.
 */
function promotedKeys(rows: readonly Span[], apart: ReadonlySet<string>): Promotion {
  const counts = new Map<string, KeyCount | null>();
  for (const { attributes } of rows) {
    for (const key in attributes) {
      const value = attributes[key];
      const type = typeof value;
      if (type === "string" && apart.has(key)) {
        counts.set(key, null);
        continue;
      }
      let count = counts.get(key);
      if (count === undefined) {
        count =
          type === "number" || type === "string"
            ? { type, rows: 0, bytes: 0, distinct: new Set(), distinctBytes: 0 }
            : null;
        counts.set(key, count);
      }
      if (count === null) continue;
      // UTF-8 has no lone surrogates, JSON escapes them.
      if (count.type !== type || (typeof value === "string" && !value.isWellFormed())) {
        counts.set(key, null);
        continue;
      }
      count.rows++;
      count.bytes += key.length + (typeof value === "string" ? value.length + 6 : 20);
      if (typeof value !== "string" || count.distinct.has(value)) continue;
      count.distinct.add(value);
      count.distinctBytes += value.length + 4;
    }
  }
  const chosen = (type: string, cost: (count: KeyCount) => number): string[] =>
    [...counts].flatMap(([key, count]) => (count?.type === type && cost(count) <= count.bytes ? [key] : []));
  return {
    numbers: chosen("number", () => 8 * rows.length),
    strings: chosen("string", ({ distinctBytes }) => 4 * rows.length + distinctBytes),
  };
}

const attributeIsThere = ({ attributes }: Span, key: string): boolean => attributes[key] !== undefined;

/** `Float64Array.from` goes through an iterator, ten times slower. */
function fill(rows: readonly Span[], valueOf: (span: Span) => number): Float64Array {
  const values = new Float64Array(rows.length);
  for (let row = 0; row < rows.length; row++) values[row] = valueOf(rows[row]!);
  return values;
}

const int32 = (rows: readonly Span[], valueOf: (span: Span) => number): Int32Array => {
  const values = new Int32Array(rows.length);
  for (let row = 0; row < rows.length; row++) values[row] = valueOf(rows[row]!);
  return values;
};

/**
 * One Arrow IPC stream with one record batch. The same rows always give the same bytes. Texts under the keys in `apart`
 * are left out, and so are tokens: both lie in chunks of their own.
 */
export function encodeSegment(
  rows: readonly Span[],
  apart: ReadonlySet<string> = noKeys,
): Uint8Array<ArrayBuffer> {
  const columns: [string, Column][] = [["spanId", textColumn(rows.map((span) => span.spanId))]];
  for (const key of repeated) columns.push([key, dictionaryColumn(rows.map((span) => span[key]))]);
  columns.push(
    ["sequence", numberColumn(int32(rows, (span) => span.sequence))],
    ["startTime", numberColumn(fill(rows, (span) => span.startTime))],
    ["endTime", numberColumn(fill(rows, (span) => span.endTime))],
  );
  const promoted = promotedKeys(rows, apart);
  for (const key of promoted.numbers) {
    const values = fill(rows, ({ attributes }) => numberOf(attributes[key]));
    const validity = validityOf(rows.length, (row) => attributeIsThere(rows[row]!, key));
    columns.push([attributePrefix + key, numberColumn(values, validity)]);
  }
  for (const key of promoted.strings) {
    // Null only where it is absent: a key with a null or a number in any row is not promoted.
    const values = rows.map(({ attributes }) => (attributes[key] ?? null) as string | null);
    columns.push([attributePrefix + key, dictionaryColumn(values)]);
  }
  const inColumns = new Set([...promoted.numbers, ...promoted.strings]);
  columns.push([
    restColumn,
    textColumn(rows.map(({ attributes }) => encodeRest(attributes, inColumns, apart))),
  ]);
  return writeArrow(columns, rows.length, { [formatKey]: format });
}

/** What has no column, as JSON; null where nothing is left. */
function encodeRest(
  attributes: Span["attributes"],
  inColumns: ReadonlySet<string>,
  apart: ReadonlySet<string>,
): string | null {
  let rest: Record<string, unknown> | null = null;
  for (const key in attributes) {
    if (inColumns.has(key) || (apart.has(key) && typeof attributes[key] === "string")) continue;
    rest ??= {};
    rest[key] = attributes[key];
  }
  return rest && JSON.stringify(rest, encodeValue);
}

/** Reads a segment; throws (an `Error` that says what is wrong) where the bytes are none. */
export function decodeSegment(bytes: Uint8Array<ArrayBuffer>): SpanColumns {
  const { columns, length, metadata } = readArrow(bytes);
  const found = metadata.get(formatKey);
  if (!formats.includes(found)) throw new Error(`format ${String(found)} instead of ${format}`);
  return new SegmentColumns(columns, length);
}

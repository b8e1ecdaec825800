import {
  Field,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableFromIPC,
  tableToIPC,
  type Data,
} from "apache-arrow";
import { dictionaryData, float64Data, int32Data, utf8Data } from "./arrow-columns.ts";
import type { Span } from "./records.ts";
import { attributePrefix, repeated, restColumn, SegmentColumns } from "./segment-columns.ts";
import { numberOf, type SpanColumns } from "./span-columns.ts";

/** Rows at which a tail is sealed, and the most that one segment takes. */
export const sealRows = 2000;
export const maxSegmentRows = 4096;

/** Format of the Arrow stream, in its schema's metadata; a reader exists for every number that ever shipped. */
const formatKey = "fulgurite.segment";
const format = "2";
/** Version 1 had no columns for strings, and is read like version 2. */
const formats: readonly (string | undefined)[] = ["1", format];

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
function promotedKeys(rows: readonly Span[]): Promotion {
  const counts = new Map<string, KeyCount | null>();
  for (const { attributes } of rows) {
    for (const key in attributes) {
      const value = attributes[key];
      const type = typeof value;
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

/** JSON has no NaN, infinities or -0; an object cannot occur otherwise, so one stands for them. */
const encodeValue = (_key: string, value: unknown): unknown =>
  typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))
    ? { number: Object.is(value, -0) ? "-0" : String(value) }
    : value;

const attributeIsThere = ({ attributes }: Span, key: string): boolean => attributes[key] !== undefined;

/** `Float64Array.from` goes through an iterator, ten times slower. */
function fill(rows: readonly Span[], valueOf: (span: Span) => number): Float64Array {
  const values = new Float64Array(rows.length);
  for (let row = 0; row < rows.length; row++) values[row] = valueOf(rows[row]!);
  return values;
}

/** One Arrow IPC stream with one record batch. The same rows always give the same bytes. */
export function encodeSegment(rows: readonly Span[]): Uint8Array<ArrayBuffer> {
  const columns: [string, Data][] = [
    ["spanId", utf8Data(rows.map((span) => span.spanId))],
    ...repeated.map((key, id): [string, Data] => [
      key,
      dictionaryData(
        id,
        rows.map((span) => span[key]),
      ),
    ]),
    ["sequence", int32Data(Int32Array.from(rows, (span) => span.sequence))],
    ["startTime", float64Data(fill(rows, (span) => span.startTime))],
    ["endTime", float64Data(fill(rows, (span) => span.endTime))],
  ];
  const promoted = promotedKeys(rows);
  for (const key of promoted.numbers) {
    const values = fill(rows, ({ attributes }) => numberOf(attributes[key]));
    const present = (row: number): boolean => attributeIsThere(rows[row]!, key);
    columns.push([attributePrefix + key, float64Data(values, present)]);
  }
  promoted.strings.forEach((key, i) => {
    // Null only where it is absent: a key with a null or a number in any row is not promoted.
    const values = rows.map(({ attributes }) => (attributes[key] ?? null) as string | null);
    columns.push([attributePrefix + key, dictionaryData(repeated.length + i, values)]);
  });
  const inColumns = new Set([...promoted.numbers, ...promoted.strings]);
  const rest = rows.map(({ attributes }) => {
    const keys = Object.keys(attributes).filter((key) => !inColumns.has(key));
    if (keys.length === 0) return null;
    return JSON.stringify(Object.fromEntries(keys.map((key) => [key, attributes[key]])), encodeValue);
  });
  columns.push([restColumn, utf8Data(rest)]);

  const fields = columns.map(([name, data]) =>
    Field.new({ name, type: data.type, nullable: data.nullCount > 0 }),
  );
  const schema = new Schema(fields, new Map([[formatKey, format]]));
  const children = columns.map(([, data]) => data);
  const data = makeData({ type: new Struct(fields), length: rows.length, nullCount: 0, children });
  return new Uint8Array(tableToIPC(new Table(schema, [new RecordBatch(schema, data)]), "stream"));
}

/** Reads a segment; throws (an `Error` that says what is wrong) where the bytes are none. */
export function decodeSegment(bytes: Uint8Array<ArrayBuffer>): SpanColumns {
  const table = tableFromIPC(bytes);
  const found = table.schema.metadata.get(formatKey);
  if (!formats.includes(found)) throw new Error(`format ${String(found)} instead of ${format}`);
  const [batch] = table.batches;
  if (!batch || table.batches.length !== 1)
    throw new Error(`${table.batches.length} record batches instead of 1`);
  return new SegmentColumns(
    new Map(table.schema.fields.map((field, i) => [field.name, batch.data.children[i]!])),
    batch.numRows,
  );
}

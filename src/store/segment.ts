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
import {
  dictionaryData,
  float64Data,
  int32Data,
  isPresent,
  readDictionary,
  readUtf8,
  utf8Data,
} from "./arrow-columns.ts";
import type { AttributeValue, Span } from "./records.ts";
import { numberOf, type SpanColumns } from "./span-columns.ts";

/** Rows at which a tail is sealed, and the most that one segment takes. */
export const sealRows = 2000;
export const maxSegmentRows = 4096;

/** Format of the Arrow stream, in its schema's metadata; a reader exists for every number that ever shipped. */
const formatKey = "fulgurite.segment";
const format = "1";

/** A promoted attribute's column is `attributes.<key>`; what was not promoted is JSON in `attributes`. */
const restColumn = "attributes";
const attributePrefix = "attributes.";

const repeated = ["traceId", "parentId", "runId", "rolloutId", "attemptId", "name", "status"] as const;

/**
 * A column costs 8 bytes a row, JSON about the key and twenty bytes a value: numbers take a column where
 * that is smaller and no row holds anything else under the key.
 */
function promotedKeys(rows: readonly Span[]): string[] {
  const counts = new Map<string, number>();
  for (const { attributes } of rows) {
    for (const key in attributes) {
      const before = counts.get(key) ?? 0;
      counts.set(key, typeof attributes[key] === "number" ? before + 1 : Number.NaN);
    }
  }
  return [...counts]
    .filter(([key, count]) => 8 * rows.length <= (key.length + 20) * count)
    .map(([key]) => key);
}

/** JSON has no NaN, infinities or -0; an object cannot occur otherwise, so one stands for them. */
const encodeValue = (_key: string, value: unknown): unknown =>
  typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))
    ? { number: Object.is(value, -0) ? "-0" : String(value) }
    : value;

function decodeRest(json: string): Record<string, AttributeValue> {
  const rest = JSON.parse(json) as Record<string, AttributeValue | { readonly number: string }>;
  return Object.fromEntries(
    Object.entries(rest).map(([key, value]) => [
      key,
      typeof value === "object" && value !== null ? Number(value.number) : value,
    ]),
  );
}

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
  for (const key of promoted) {
    const values = fill(rows, ({ attributes }) => numberOf(attributes[key]));
    const present = (row: number): boolean => attributeIsThere(rows[row]!, key);
    columns.push([attributePrefix + key, float64Data(values, present)]);
  }
  const inColumns = new Set(promoted);
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
  if (found !== format) throw new Error(`format ${String(found)} instead of ${format}`);
  const [batch] = table.batches;
  if (!batch || table.batches.length !== 1)
    throw new Error(`${table.batches.length} record batches instead of 1`);
  return new SegmentColumns(
    new Map(table.schema.fields.map((field, i) => [field.name, batch.data.children[i]!])),
    batch.numRows,
  );
}

/** A segment's columns, on the bytes it was read from; strings and JSON are decoded when first asked for. */
class SegmentColumns implements SpanColumns {
  readonly length: number;
  readonly #data: ReadonlyMap<string, Data>;
  readonly #promoted: readonly { readonly key: string; readonly data: Data; readonly values: Float64Array }[];
  readonly #strings = new Map<string, readonly (string | null)[]>();
  #rest: readonly (Readonly<Record<string, AttributeValue>> | null)[] | null = null;

  constructor(data: ReadonlyMap<string, Data>, length: number) {
    this.length = length;
    this.#data = data;
    for (const name of ["spanId", ...repeated, "sequence", "startTime", "endTime", restColumn]) {
      if (data.get(name)?.length !== length) throw new Error(`column ${name} is missing or short`);
    }
    this.#promoted = [...data.keys()]
      .filter((name) => name.startsWith(attributePrefix))
      .map((name) => ({
        key: name.slice(attributePrefix.length),
        data: data.get(name)!,
        values: this.#values(name) as Float64Array,
      }));
  }

  get sequence(): Int32Array {
    return this.#values("sequence") as Int32Array;
  }

  spanIdAt(row: number): string {
    return this.#text("spanId")[row]!;
  }

  nameAt(row: number): string {
    return this.#text("name")[row]!;
  }

  numericKeys(name: string): readonly string[] {
    const rows: number[] = [];
    this.#text("name").forEach((found, row) => {
      if (found === name) rows.push(row);
    });
    const promoted = this.#promoted.filter(({ data }) => rows.some((row) => isPresent(data, row)));
    const keys = new Set(promoted.map(({ key }) => key));
    const rest = this.#restRows();
    for (const row of rows) {
      for (const key in rest[row]) if (typeof rest[row][key] === "number") keys.add(key);
    }
    return [...keys];
  }

  numbers(key: string): Float64Array {
    if (this.#data.has(attributePrefix + key)) return this.#values(attributePrefix + key) as Float64Array;
    return Float64Array.from(this.#restRows(), (rest) => numberOf(rest?.[key]));
  }

  spanAt(row: number): Span {
    const text = (name: string): string | null => this.#text(name)[row]!;
    const time = (name: string): number => (this.#data.get(name)!.values as Float64Array)[row]!;
    const attributes: Record<string, AttributeValue> = {};
    for (const { key, data, values } of this.#promoted) {
      if (isPresent(data, row)) attributes[key] = values[row]!;
    }
    return {
      spanId: text("spanId")!,
      traceId: text("traceId")!,
      parentId: text("parentId"),
      runId: text("runId")!,
      rolloutId: text("rolloutId"),
      attemptId: text("attemptId"),
      sequence: this.sequence[row]!,
      name: text("name")!,
      status: text("status") as Span["status"],
      startTime: time("startTime"),
      endTime: time("endTime"),
      attributes: Object.assign(attributes, this.#restRows()[row]),
    };
  }

  /** Buffers are padded to 8 bytes: an Int32 column of odd length has one element too many. */
  #values(name: string): Int32Array | Float64Array {
    return (this.#data.get(name)!.values as Int32Array | Float64Array).subarray(0, this.length);
  }

  #text(name: string): readonly (string | null)[] {
    let strings = this.#strings.get(name);
    if (!strings) {
      const data = this.#data.get(name)!;
      strings = name === "spanId" || name === restColumn ? readUtf8(data) : readDictionary(data);
      this.#strings.set(name, strings);
    }
    return strings;
  }

  #restRows(): readonly (Readonly<Record<string, AttributeValue>> | null)[] {
    this.#rest ??= this.#text(restColumn).map((json) => (json === null ? null : decodeRest(json)));
    return this.#rest;
  }
}

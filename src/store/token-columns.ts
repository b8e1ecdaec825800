import { Field, makeData, RecordBatch, Schema, Struct, Table, tableFromIPC, tableToIPC } from "apache-arrow";
import { int32Data, listData, readList } from "./arrow-columns.ts";
import type { Span, TokenColumns } from "./records.ts";

/** Format of the Arrow stream, in its schema's metadata. */
const formatKey = "fulgurite.tokens";
const format = "1";

const idColumns = ["promptIds", "responseIds"] as const;
const probabilityColumns = ["samplerLogProbabilities", "logProbabilities"] as const;
const listColumns = [...idColumns, ...probabilityColumns];

/** Tokens of a segment's spans, by row of the segment. */
export interface TokenRows {
  /** Undefined where the span has none. The arrays own their bytes. */
  at(row: number): TokenColumns | undefined;
}

/**
 * One Arrow IPC stream with the tokens of those rows that have any: the row's number within the segment, and four
 * lists. Null where none has. The same rows always give the same bytes.
 */
export function encodeTokens(rows: readonly Span[]): Uint8Array<ArrayBuffer> | null {
  const numbers: number[] = [];
  const tokens: TokenColumns[] = [];
  rows.forEach((span, row) => {
    if (!span.tokens) return;
    numbers.push(row);
    tokens.push(span.tokens);
  });
  if (tokens.length === 0) return null;
  const columns = [
    ["row", int32Data(Int32Array.from(numbers))] as const,
    ...idColumns.map((name) => [name, listData(tokens.map((columns) => columns[name]))] as const),
    ...probabilityColumns.map((name) => [name, listData(tokens.map((columns) => columns[name]))] as const),
  ];
  const fields = columns.map(([name, data]) => Field.new({ name, type: data.type, nullable: false }));
  const schema = new Schema(fields, new Map([[formatKey, format]]));
  const children = columns.map(([, data]) => data);
  const data = makeData({ type: new Struct(fields), length: tokens.length, nullCount: 0, children });
  return new Uint8Array(tableToIPC(new Table(schema, [new RecordBatch(schema, data)]), "stream"));
}

/** Reads the tokens of a segment; throws (an `Error` that says what is wrong) where the bytes are none. */
export function decodeTokens(bytes: Uint8Array<ArrayBuffer>): TokenRows {
  const table = tableFromIPC(bytes);
  const found = table.schema.metadata.get(formatKey);
  if (found !== format) throw new Error(`tokens of format ${String(found)} instead of ${format}`);
  const [batch] = table.batches;
  if (!batch) throw new Error("no record batch");
  const column = (name: string) => {
    const data = batch.data.children[table.schema.fields.findIndex((field) => field.name === name)];
    if (data?.length !== batch.numRows) throw new Error(`column ${name} is missing or short`);
    return data;
  };
  const rows = (column("row").values as Int32Array).subarray(0, batch.numRows);
  const entryOf = new Map<number, number>();
  rows.forEach((row, entry) => entryOf.set(row, entry));
  const lists = listColumns.map((name) => [name, column(name)] as const);
  return {
    at: (row) => {
      const entry = entryOf.get(row);
      if (entry === undefined) return undefined;
      return Object.fromEntries(
        lists.map(([name, data]) => [name, readList(data, entry)]),
      ) as unknown as TokenColumns;
    },
  };
}

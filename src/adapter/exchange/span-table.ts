import {
  DataType,
  Dictionary,
  Field,
  Float32,
  Float64,
  Int32,
  List,
  makeData,
  makeVector,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableFromIPC,
  tableToIPC,
  Utf8,
  Vector,
  type Data,
} from "apache-arrow";
import type { Rollout, Span, TokenColumns } from "../../store/records.ts";
import { importProblem, messageOf, type Imported, type ImportProblem } from "../../trace/import-problem.ts";
import { checkArrowBounds } from "./arrow-bounds.ts";
import { texts, validity } from "./arrow-buffers.ts";
import { isFields, wrongSpan } from "./checks.ts";
import { decodeCloneable, encodeCloneable } from "./cloneable-json.ts";
import { decodeRolloutLines, encodeRolloutLines } from "./rollout-lines.ts";

const formatKey = "fulgurite.spans";
const format = "1";
const rolloutsKey = "fulgurite.rollouts";
const repeated = ["traceId", "runId", "rolloutId", "attemptId", "name", "status"] as const;
const tokenColumns = [
  ["promptIds", Int32Array],
  ["responseIds", Int32Array],
  ["samplerLogProbabilities", Float32Array],
  ["logProbabilities", Float32Array],
] as const;

function dictionary(id: number, rows: readonly (string | null)[]): Data<Dictionary<Utf8, Int32>> {
  const distinct = [...new Set(rows.filter((row) => row !== null))];
  const places = new Map(distinct.map((text, i) => [text, i]));
  const data = Int32Array.from(rows, (row) => (row === null ? 0 : places.get(row)!));
  const type = new Dictionary(new Utf8(), new Int32(), id);
  return makeData({
    type,
    length: rows.length,
    ...validity(rows),
    data,
    dictionary: makeVector(texts(distinct)),
  });
}

function lists(rows: readonly (Int32Array | Float32Array | null)[], floats: boolean): Data<List> {
  const valueOffsets = new Int32Array(rows.length + 1);
  rows.forEach((row, i) => (valueOffsets[i + 1] = valueOffsets[i]! + (row?.length ?? 0)));
  const data = new (floats ? Float32Array : Int32Array)(valueOffsets[rows.length]!);
  rows.forEach((row, i) => {
    if (row) data.set(row, valueOffsets[i]);
  });
  const child =
    data instanceof Float32Array
      ? makeData({ type: new Float32(), data })
      : makeData({ type: new Int32(), data });
  const type = new List<Int32 | Float32>(Field.new({ name: "item", type: child.type, nullable: false }));
  return makeData({ type, length: rows.length, ...validity(rows), valueOffsets, child });
}

const textFields = ["spanId", "parentId", ...repeated] as const;

/** Texts that UTF-8 cannot hold (lone surrogates), by field: JSON can. */
function illFormed(span: Span): string | null {
  const wrong = textFields.filter((key) => span[key]?.isWellFormed() === false);
  return wrong.length === 0 ? null : JSON.stringify(Object.fromEntries(wrong.map((key) => [key, span[key]])));
}

/**
 * Spans as one Arrow file (IPC, random access), which pandas, Polars, DuckDB and others read: a column a field,
 * attributes as JSON, token ids and log-probabilities as lists that are null for spans without tokens. Their rollouts
 * (task, answer, attempts, rewards) stand in the schema's metadata, under "fulgurite.rollouts", as JSON lines.
 */
export function encodeSpanTable(
  spans: readonly Span[],
  rollouts: readonly Rollout[] = [],
): Uint8Array<ArrayBuffer> {
  const text = (value: string | null): string | null => value && value.toWellFormed();
  const columns: [string, Data][] = [
    ["spanId", texts(spans.map(({ spanId }) => text(spanId)))],
    ["parentId", texts(spans.map(({ parentId }) => text(parentId)))],
    ...repeated.map((key, id): [string, Data] => [
      key,
      dictionary(
        id,
        spans.map((span) => text(span[key])),
      ),
    ]),
    ["sequence", makeData({ type: new Int32(), data: Int32Array.from(spans, ({ sequence }) => sequence) })],
    [
      "startTime",
      makeData({ type: new Float64(), data: Float64Array.from(spans, ({ startTime }) => startTime) }),
    ],
    ["endTime", makeData({ type: new Float64(), data: Float64Array.from(spans, ({ endTime }) => endTime) })],
    ["attributes", texts(spans.map(({ attributes }) => JSON.stringify(encodeCloneable(attributes).json)))],
    ...tokenColumns.map(([key, Type]): [string, Data] => [
      key,
      lists(
        spans.map(({ tokens }) => tokens?.[key] ?? null),
        Type === Float32Array,
      ),
    ]),
    ["illFormed", texts(spans.map(illFormed))],
  ];
  const fields = columns.map(([name, data]) =>
    Field.new({ name, type: data.type, nullable: name === "illFormed" || data.nullCount > 0 }),
  );
  const metadata = new Map([[formatKey, format]]);
  if (rollouts.length > 0) metadata.set(rolloutsKey, encodeRolloutLines({ rollouts, spans: [] }));
  const schema = new Schema(fields, metadata);
  const data = makeData({
    type: new Struct(fields),
    length: spans.length,
    nullCount: 0,
    children: columns.map(([, column]) => column),
  });
  return new Uint8Array(tableToIPC(new Table(schema, [new RecordBatch(schema, data)]), "file"));
}

/** Numbers of a list; null for a list of anything else. Its offsets may say more than there is. */
function asArray(value: unknown): Int32Array | Float32Array | null {
  if (!(value instanceof Vector)) return null;
  if (value.length === 0) return DataType.isFloat(value.type) ? new Float32Array() : new Int32Array();
  if (value.data.length !== 1) return null;
  const [{ values, length }] = value.data as [Data<Int32 | Float32>];
  if (!(values instanceof Int32Array || values instanceof Float32Array)) return null;
  return length <= values.length ? values.slice(0, length) : null;
}

function tokensAt(row: Readonly<Record<string, unknown>>): TokenColumns | null {
  const columns = tokenColumns.map(([key]) => [key, asArray(row[key])] as const);
  return columns.every(([, array]) => array !== null)
    ? (Object.fromEntries(columns) as unknown as TokenColumns)
    : null;
}

function spanAt(row: Readonly<Record<string, unknown>>): unknown {
  const { attributes, illFormed: fixes } = row;
  const tokens = tokensAt(row);
  const correct = typeof fixes === "string" ? (JSON.parse(fixes) as unknown) : {};
  return {
    ...Object.fromEntries(textFields.map((key) => [key, row[key] ?? null])),
    sequence: row["sequence"],
    startTime: row["startTime"],
    endTime: row["endTime"],
    attributes: typeof attributes === "string" ? decodeCloneable(JSON.parse(attributes)) : attributes,
    ...(isFields(correct)
      ? Object.fromEntries(Object.entries(correct).filter(([key]) => textFields.includes(key as never)))
      : {}),
    ...(tokens ? { tokens } : {}),
  };
}

/** The spans of a table, and what it says of their rollouts. */
export interface SpanTable extends Imported<Span> {
  readonly rollouts: readonly Rollout[];
}

/** Reads such a file, or a stream of the same columns. A row that is no span is a problem with its number. */
export function decodeSpanTable(bytes: Uint8Array): SpanTable {
  const items: Span[] = [];
  const rollouts: Rollout[] = [];
  const problems: ImportProblem[] = [];
  let row = 0;
  try {
    checkArrowBounds(bytes);
    const table = tableFromIPC(bytes);
    const columns = table.schema.fields.map(({ name }, i) => [name, table.getChildAt(i)] as const);
    const missing = [...textFields, "sequence", "startTime", "endTime", "attributes"].filter(
      (name) => !columns.some(([known]) => known === name),
    );
    if (missing.length > 0) throw new Error(`there is no column ${missing.join(", ")}`);
    const lines = decodeRolloutLines(table.schema.metadata.get(rolloutsKey) ?? "");
    rollouts.push(...lines.rollouts);
    for (const { message, fix } of lines.problems)
      problems.push(importProblem("arrow", `Of the rollouts: ${message}`, fix));
    // A damaged length would make rows without end. Every row takes more than one byte: its id's offset alone takes four.
    const rows = table.numRows;
    if (rows > bytes.length / 4) throw new Error(`it says ${rows} rows, in ${bytes.length} bytes`);
    const short = columns.find(([, column]) => (column?.length ?? 0) < rows);
    if (short) throw new Error(`column ${short[0]} is shorter than the others`);
    while (row < rows) {
      const at = row++;
      try {
        const span = spanAt(
          Object.fromEntries(columns.map(([name, column]) => [name, column?.get(at) as unknown])),
        );
        const wrong = wrongSpan(span);
        if (wrong !== null) throw new Error(wrong);
        items.push(span as Span);
      } catch (error) {
        const message = `Row ${row} is no span: ${messageOf(error)}.`;
        problems.push(
          importProblem("arrow", message, "Export the row again; the others were read.", { row }),
        );
      }
    }
  } catch (error) {
    const message = `This is no Arrow file of spans: ${messageOf(error)}.`;
    problems.push(importProblem("arrow", message, "Export it again, as an Arrow IPC file.", { byte: 0 }));
  }
  return { items, rollouts, problems };
}

import * as read from "./validate.ts";

/** One column of a table: numbers (dates as milliseconds), or texts told apart by a code into a dictionary. */
export type TableColumn =
  | { readonly name: string; readonly kind: "number"; readonly values: Float64Array }
  | { readonly name: string; readonly kind: "date"; readonly values: Float64Array }
  | {
      readonly name: string;
      readonly kind: "text";
      readonly dictionary: readonly string[];
      readonly codes: Uint32Array;
    };

export interface TableData {
  readonly rows: number;
  readonly columns: readonly TableColumn[];
}

const MAX_ROWS = 20_000_000;
const MAX_COLUMNS = 200;
const MAX_DICTIONARY = 2_000_000;
/** Of the texts of one table together. */
const MAX_CHARACTERS = 64_000_000;

/** Bytes that it takes, roughly. */
export const tableBytes = ({ columns }: TableData): number =>
  columns.reduce(
    (sum, column) =>
      sum +
      (column.kind === "text"
        ? column.codes.byteLength + column.dictionary.reduce((all, text) => all + 2 * text.length + 16, 0)
        : column.values.byteLength),
    0,
  );

/** Columns by name (arrays or typed arrays), rows as objects, or an Arrow table. Null where it is none of these. */
export function tableOf(data: unknown): TableData | null {
  if (isArrow(data)) {
    const columns = data.schema.fields.map(({ name }, i) => column(name, arrowValues(data.getChildAt(i))));
    return { rows: data.numRows, columns };
  }
  if (Array.isArray(data)) {
    const names = new Set<string>();
    for (const row of data.slice(0, 1_000) as unknown[]) {
      if (typeof row !== "object" || row === null) return null;
      for (const name of Object.keys(row)) names.add(name);
    }
    const rows = data as readonly Readonly<Record<string, unknown>>[];
    return {
      rows: rows.length,
      columns: [...names].map((name) =>
        column(
          name,
          rows.map((row) => row[name]),
        ),
      ),
    };
  }
  if (typeof data !== "object" || data === null) return null;
  const entries = Object.entries(data).filter(([, values]) => isList(values)) as [
    string,
    ArrayLike<unknown>,
  ][];
  if (entries.length === 0) return null;
  return {
    rows: Math.max(...entries.map(([, values]) => values.length)),
    columns: entries.map(([name, values]) => column(name, values)),
  };
}

interface ArrowLike {
  readonly numRows: number;
  readonly schema: { readonly fields: readonly { readonly name: string }[] };
  getChildAt(index: number): unknown;
}

const isArrow = (data: unknown): data is ArrowLike =>
  typeof data === "object" &&
  data !== null &&
  typeof (data as Partial<ArrowLike>).numRows === "number" &&
  Array.isArray((data as Partial<ArrowLike>).schema?.fields) &&
  typeof (data as Partial<ArrowLike>).getChildAt === "function";

/** A numeric Arrow column without nulls as it lies in memory; any other one by one. */
function arrowValues(vector: unknown): ArrayLike<unknown> {
  const { toArray, nullCount, length, get } = vector as {
    toArray(): unknown;
    nullCount: number;
    length: number;
    get(index: number): unknown;
  };
  const array = nullCount === 0 ? toArray.call(vector) : null;
  if (ArrayBuffer.isView(array) && (array as Float64Array).length === length && !isBig(array)) {
    return array as Float64Array;
  }
  return Array.from({ length }, (_, i) => get.call(vector, i));
}

const isBig = (values: unknown): boolean =>
  values instanceof BigInt64Array || values instanceof BigUint64Array;

const isList = (values: unknown): boolean =>
  Array.isArray(values) || (ArrayBuffer.isView(values) && !(values instanceof DataView));

function column(name: string, values: ArrayLike<unknown>): TableColumn {
  if (values instanceof Float64Array) return { name, kind: "number", values: values.slice() };
  if (ArrayBuffer.isView(values) && !isBig(values)) {
    return { name, kind: "number", values: Float64Array.from(values as ArrayLike<number>) };
  }
  let numbers = true;
  let dates = true;
  for (let i = 0; i < values.length && (numbers || dates); i++) {
    const value = values[i];
    if (value === null || value === undefined) continue;
    if (typeof value !== "number") numbers = false;
    if (!(value instanceof Date)) dates = false;
  }
  if (numbers || dates) {
    const copy = new Float64Array(values.length);
    for (let i = 0; i < values.length; i++) copy[i] = values[i] == null ? NaN : Number(values[i]);
    return { name, kind: numbers ? "number" : "date", values: copy };
  }
  const codes = new Uint32Array(values.length);
  const known = new Map<string, number>();
  for (let i = 0; i < values.length; i++) {
    const text = textOf(values[i]);
    let code = known.get(text);
    if (code === undefined) known.set(text, (code = known.size));
    codes[i] = code;
  }
  return { name, kind: "text", dictionary: [...known.keys()], codes };
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return String(value);
  try {
    return JSON.stringify(value) ?? "";
  } catch {
    return String(value);
  }
}

const name = read.text(1_000);
const floats: read.Reader<Float64Array> = (value) => {
  if (!(value instanceof Float64Array) || value.length > MAX_ROWS) throw new read.Invalid("floats");
  return value;
};
const codes: read.Reader<Uint32Array> = (value) => {
  if (!(value instanceof Uint32Array) || value.length > MAX_ROWS) throw new read.Invalid("codes");
  return value;
};

/** A checked table from the kernel. */
export const tableData: read.Reader<TableData> = (value) => {
  const table = read.object<TableData>({
    rows: read.whole(MAX_ROWS),
    columns: read.list(
      read.union<"kind", TableColumn>("kind", {
        number: read.object({ name, kind: read.oneOf("number"), values: floats }),
        date: read.object({ name, kind: read.oneOf("date"), values: floats }),
        text: read.object({
          name,
          kind: read.oneOf("text"),
          dictionary: read.list(read.text(1_000_000), MAX_DICTIONARY),
          codes,
        }),
      }),
      MAX_COLUMNS,
    ),
  })(value);
  if (tableBytes(table) > 2 * MAX_CHARACTERS + 16 * MAX_ROWS) throw new read.Invalid("table size");
  return table;
};

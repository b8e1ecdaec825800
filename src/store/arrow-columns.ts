import {
  Dictionary,
  Field,
  Float32,
  Float64,
  Int32,
  List,
  makeData,
  makeVector,
  Utf8,
  type Data,
} from "apache-arrow";

// apache-arrow's builders (and vectorFromArray) make code from strings, which the page's policy forbids; so
// columns are made from their buffers here.

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** [n] bits, 1 = present, least significant first. */
function validity(
  length: number,
  isPresent: (row: number) => boolean,
): { bitmap: Uint8Array; nulls: number } {
  const bitmap = new Uint8Array(Math.ceil(length / 8));
  let nulls = 0;
  for (let row = 0; row < length; row++) {
    if (isPresent(row)) bitmap[row >> 3]! |= 1 << (row & 7);
    else nulls++;
  }
  return { bitmap, nulls };
}

/** Presence of a column's row; every row where the column has no nulls. */
export function isPresent(data: Data, row: number): boolean {
  return data.nullCount === 0 || (data.nullBitmap[row >> 3]! & (1 << (row & 7))) !== 0;
}

export function utf8Data(values: readonly (string | null)[]): Data<Utf8> {
  const valueOffsets = new Int32Array(values.length + 1);
  let capacity = 0;
  for (const value of values) capacity += 3 * (value?.length ?? 0);
  const data = new Uint8Array(capacity);
  let end = 0;
  values.forEach((value, i) => {
    if (value) end += encoder.encodeInto(value, data.subarray(end)).written;
    valueOffsets[i + 1] = end;
  });
  const { bitmap, nulls } = validity(values.length, (row) => values[row] !== null);
  return makeData({
    type: new Utf8(),
    length: values.length,
    nullCount: nulls,
    ...(nulls > 0 ? { nullBitmap: bitmap } : {}),
    valueOffsets,
    data: data.subarray(0, end),
  });
}

/** Strings that repeat: each once, and an index a row. `id` names the dictionary within its file. */
export function dictionaryData(
  id: number,
  values: readonly (string | null)[],
): Data<Dictionary<Utf8, Int32>> {
  const distinct = new Map<string, number>();
  const indices = Int32Array.from(values, (value) => {
    if (value === null) return 0;
    const known = distinct.get(value);
    if (known !== undefined) return known;
    distinct.set(value, distinct.size);
    return distinct.size - 1;
  });
  const { bitmap, nulls } = validity(values.length, (row) => values[row] !== null);
  return makeData({
    type: new Dictionary(new Utf8(), new Int32(), id),
    length: values.length,
    nullCount: nulls,
    ...(nulls > 0 ? { nullBitmap: bitmap } : {}),
    data: indices,
    dictionary: makeVector(utf8Data([...distinct.keys()])),
  });
}

export const int32Data = (data: Int32Array): Data<Int32> => makeData({ type: new Int32(), data });

/** Null where `present` says so; without it every row has a value. */
export function float64Data(data: Float64Array, present?: (row: number) => boolean): Data<Float64> {
  if (!present) return makeData({ type: new Float64(), data });
  const { bitmap, nulls } = validity(data.length, present);
  return makeData({
    type: new Float64(),
    data,
    nullCount: nulls,
    ...(nulls > 0 ? { nullBitmap: bitmap } : {}),
  });
}

/** Arrays of whole numbers or of float32, one a row, end to end in one buffer. */
export function listData(rows: readonly Int32Array[]): Data<List<Int32>>;
export function listData(rows: readonly Float32Array[]): Data<List<Float32>>;
export function listData(rows: readonly (Int32Array | Float32Array)[]): Data<List> {
  const valueOffsets = new Int32Array(rows.length + 1);
  rows.forEach((row, i) => (valueOffsets[i + 1] = valueOffsets[i]! + row.length));
  const total = valueOffsets[rows.length]!;
  const data = rows[0] instanceof Float32Array ? new Float32Array(total) : new Int32Array(total);
  rows.forEach((row, i) => {
    data.set(row, valueOffsets[i]!);
  });
  const child = data instanceof Float32Array ? makeData({ type: new Float32(), data }) : int32Data(data);
  const type = new List<Int32 | Float32>(Field.new({ name: "item", type: child.type, nullable: false }));
  return makeData({ type, length: rows.length, nullCount: 0, valueOffsets, child });
}

/** One row of a list column, copied: it owns its bytes. */
export function readList(data: Data, row: number): unknown {
  const { valueOffsets } = data;
  const values = data.children[0]!.values as Int32Array | Float32Array;
  return values.slice(valueOffsets[row], valueOffsets[row + 1]);
}

/** All strings of a column; the bytes are decoded at once where they are ASCII. */
export function readUtf8(data: Data): (string | null)[] {
  const { valueOffsets, values, length } = data;
  const bytes = values.subarray(valueOffsets[0], valueOffsets[length]);
  const text = decoder.decode(bytes);
  const ascii = text.length === bytes.length;
  const first = valueOffsets[0] ?? 0;
  return Array.from({ length }, (_, row) => {
    if (!isPresent(data, row)) return null;
    const start = valueOffsets[row]! - first;
    const end = valueOffsets[row + 1]! - first;
    return ascii ? text.slice(start, end) : decoder.decode(bytes.subarray(start, end));
  });
}

/** Strings of a dictionary column, one shared string for each distinct value. */
export function readDictionary(data: Data): (string | null)[] {
  const chunks = data.dictionary?.data ?? [];
  const distinct = chunks.flatMap((chunk) => readUtf8(chunk));
  const indices = data.values as Int32Array;
  return Array.from({ length: data.length }, (_, row) =>
    isPresent(data, row) ? (distinct[indices[row]!] ?? null) : null,
  );
}

import { Dictionary, Float64, Int32, makeData, makeVector, Utf8, type Data } from "apache-arrow";

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

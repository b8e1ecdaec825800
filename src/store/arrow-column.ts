// Columns as Arrow lays them out in memory, over typed arrays: what a segment is made of and read as. `apache-arrow` has
// the same, but its builders make code from strings (which the page's policy forbids), and a stream of its takes 2 ms
// to write and 1.4 ms to open however short it is.

export type NumberArray =
  Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Float32Array | Float64Array;

interface Shape {
  /** Rows, n. */
  readonly length: number;
  /** [ceil(n / 8)] bits, 1 = present, least significant first; null where every row is. */
  readonly validity: Uint8Array | null;
}

export interface NumberColumn extends Shape {
  readonly kind: "numbers";
  /** [n] */
  readonly values: NumberArray;
}

export interface TextColumn extends Shape {
  readonly kind: "text";
  /** [n + 1] Where each row's UTF-8 begins in `bytes`. */
  readonly offsets: Int32Array;
  readonly bytes: Uint8Array;
}

/** Texts that repeat: each once, and an index a row. */
export interface DictionaryColumn extends Shape {
  readonly kind: "dictionary";
  /** [n] */
  readonly indices: Int8Array | Int16Array | Int32Array;
  readonly distinct: TextColumn;
}

export interface ListColumn extends Shape {
  readonly kind: "list";
  /** [n + 1] Where each row's items begin. */
  readonly offsets: Int32Array;
  readonly items: NumberColumn;
}

export type Column = NumberColumn | TextColumn | DictionaryColumn | ListColumn;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const isPresent = ({ validity }: Shape, row: number): boolean =>
  validity === null || (validity[row >> 3]! & (1 << (row & 7))) !== 0;

/** Bits of the rows that `present` takes; null where it takes all. */
export function validityOf(length: number, present: (row: number) => boolean): Uint8Array | null {
  const bits = new Uint8Array((length + 7) >> 3);
  let missing = false;
  for (let row = 0; row < length; row++) {
    if (present(row)) bits[row >> 3]! |= 1 << (row & 7);
    else missing = true;
  }
  return missing ? bits : null;
}

export const numberColumn = (values: NumberArray, validity: Uint8Array | null = null): NumberColumn => ({
  kind: "numbers",
  length: values.length,
  validity,
  values,
});

export function textColumn(texts: readonly (string | null)[]): TextColumn {
  const { length } = texts;
  const offsets = new Int32Array(length + 1);
  let units = 0;
  let missing = false;
  for (let row = 0; row < length; row++) {
    const text = texts[row]!;
    if (text === null) missing = true;
    else units += text.length;
    offsets[row + 1] = units;
  }
  const validity = missing ? validityOf(length, (row) => texts[row] !== null) : null;
  // `join` leaves nulls empty. One call for all of them, and nothing to add up where all of it is ASCII.
  let bytes: Uint8Array = encoder.encode(texts.join(""));
  if (bytes.length !== units) {
    bytes = new Uint8Array(3 * units);
    let end = 0;
    for (let row = 0; row < length; row++) {
      const text = texts[row]!;
      if (text) end += encoder.encodeInto(text, bytes.subarray(end)).written;
      offsets[row + 1] = end;
    }
    bytes = bytes.subarray(0, end);
  }
  return { kind: "text", length, validity, offsets, bytes };
}

export function dictionaryColumn(texts: readonly (string | null)[]): DictionaryColumn {
  const { length } = texts;
  const known = new Map<string, number>();
  const wide = new Int32Array(length);
  let missing = false;
  let last: string | null = null;
  let lastIndex = 0;
  for (let row = 0; row < length; row++) {
    const text = texts[row]!;
    if (text === null) {
      missing = true;
      continue;
    }
    if (text !== last) {
      const found = known.get(text);
      lastIndex = found ?? known.size;
      if (found === undefined) known.set(text, lastIndex);
      last = text;
    }
    wide[row] = lastIndex;
  }
  const indices =
    known.size <= 128 ? Int8Array.from(wide) : known.size <= 32_768 ? Int16Array.from(wide) : wide;
  return {
    kind: "dictionary",
    length,
    validity: missing ? validityOf(length, (row) => texts[row] !== null) : null,
    indices,
    distinct: textColumn([...known.keys()]),
  };
}

/** Arrays of one kind of number, one a row, end to end; null where a row has none. */
export function listColumn(
  rows: readonly (NumberArray | null)[],
  empty: (length: number) => NumberArray,
): ListColumn {
  const offsets = new Int32Array(rows.length + 1);
  let missing = false;
  for (let row = 0; row < rows.length; row++) {
    offsets[row + 1] = offsets[row]! + (rows[row]?.length ?? 0);
    if (rows[row] === null) missing = true;
  }
  const values = empty(offsets[rows.length]!);
  for (let row = 0; row < rows.length; row++) {
    const items = rows[row];
    if (items) values.set(items, offsets[row]!);
  }
  const validity = missing ? validityOf(rows.length, (row) => rows[row] !== null) : null;
  return { kind: "list", length: rows.length, validity, offsets, items: numberColumn(values) };
}

/** One row, decoded by itself. */
export function textAt(column: TextColumn, row: number): string | null {
  if (!isPresent(column, row)) return null;
  const { offsets, bytes } = column;
  return decoder.decode(bytes.subarray(offsets[row], offsets[row + 1]));
}

/** All rows; decoded in one call where they are ASCII. */
export function textsOf(column: TextColumn): (string | null)[] {
  const { offsets, length } = column;
  const first = offsets[0] ?? 0;
  const bytes = column.bytes.subarray(first, offsets[length]);
  const text = decoder.decode(bytes);
  const ascii = text.length === bytes.length;
  const texts = new Array<string | null>(length);
  for (let row = 0; row < length; row++) {
    const start = offsets[row]! - first;
    const end = offsets[row + 1]! - first;
    texts[row] = !isPresent(column, row)
      ? null
      : ascii
        ? text.slice(start, end)
        : decoder.decode(bytes.subarray(start, end));
  }
  return texts;
}

/** The items of one row, a view; null where it has none. */
export function itemsAt(column: ListColumn, row: number): NumberArray | null {
  if (!isPresent(column, row)) return null;
  return column.items.values.subarray(column.offsets[row], column.offsets[row + 1]);
}

import { makeData, Utf8, type Data } from "apache-arrow";

// apache-arrow's builders make code from strings, which the page's policy forbids; so columns are made from buffers.

const encoder = new TextEncoder();

export interface Validity {
  readonly nullCount: number;
  readonly nullBitmap?: Uint8Array;
}

/** Which of the rows are there, for `isMissing` those that are not; without a bitmap where all are. */
export function validity<T>(
  rows: ArrayLike<T>,
  isMissing: (row: T) => boolean = (row) => row === null,
): Validity {
  const nullBitmap = new Uint8Array(Math.ceil(rows.length / 8));
  let nullCount = 0;
  for (let i = 0; i < rows.length; i++) {
    if (isMissing(rows[i]!)) nullCount++;
    else nullBitmap[i >> 3]! |= 1 << (i & 7);
  }
  return nullCount === 0 ? { nullCount } : { nullCount, nullBitmap };
}

/** A column of texts. */
export function texts(rows: readonly (string | null)[]): Data<Utf8> {
  const encoded = rows.map((row) => encoder.encode(row ?? ""));
  const valueOffsets = new Int32Array(rows.length + 1);
  encoded.forEach((bytes, i) => (valueOffsets[i + 1] = valueOffsets[i]! + bytes.length));
  const data = new Uint8Array(valueOffsets[rows.length]!);
  encoded.forEach((bytes, i) => {
    data.set(bytes, valueOffsets[i]);
  });
  return makeData({ type: new Utf8(), length: rows.length, ...validity(rows), valueOffsets, data });
}

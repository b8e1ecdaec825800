/**
 * Checks the metadata of an Arrow file or stream before apache-arrow reads it: a damaged length would have it make objects
 * until the memory is gone. Format: arrow.apache.org/docs/format/Columnar.html and its .fbs files.
 */

/** What a FlatBuffers field holds: bytes in place, a text, a table, or a list of structs (by size) or tables. */
type FieldShape =
  | number
  | "text"
  | (() => TableShape)
  | { readonly structs: number }
  | { readonly tables: () => TableShape }
  | { readonly union: Readonly<Record<number, () => TableShape>> };

/** By slot; a union's type stands in the slot before it. Null: nothing is read there. */
type TableShape = readonly (FieldShape | null)[];

const keyValue = (): TableShape => ["text", "text"];
const integerType = (): TableShape => [4, 1];
const dictionaryEncoding = (): TableShape => [8, integerType, 1, 2];
const anyType = (): TableShape => [8, 8, 8];
const field = (): TableShape => [
  "text",
  1,
  1,
  // Every type is a table of scalars, save those with lists of ids, which we have no use for.
  { union: Object.fromEntries(Array.from({ length: 27 }, (_, type) => [type, anyType])) },
  dictionaryEncoding,
  { tables: field },
  { tables: keyValue },
];
const schema = (): TableShape => [2, { tables: field }, { tables: keyValue }, { structs: 8 }];
const recordBatch = (): TableShape => [8, { structs: 16 }, { structs: 16 }, anyType, { structs: 8 }];
const dictionaryBatch = (): TableShape => [8, recordBatch, 1];
const message = (): TableShape => [
  2,
  1,
  { union: { 1: schema, 2: dictionaryBatch, 3: recordBatch } },
  8,
  { tables: keyValue },
];
const footer = (): TableShape => [2, schema, { structs: 24 }, { structs: 24 }, { tables: keyValue }];

class Bounds {
  readonly #view: DataView;
  /** Values that may still be looked at: offsets can make small files immense. */
  #left: number;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#left = bytes.length + 1000;
  }

  fail(at: number, why: string): never {
    throw new Error(`${why} at byte ${this.#view.byteOffset + at}`);
  }

  inside(at: number, length: number): void {
    if (!(at >= 0 && length >= 0 && at + length <= this.#view.byteLength))
      this.fail(at, "it points outside of itself");
  }

  offset(at: number): number {
    this.inside(at, 4);
    const to = at + this.#view.getUint32(at, true);
    this.inside(to, 4);
    return to;
  }

  /** Start of the items and their number; they fit. */
  list(at: number, size: number): readonly [start: number, count: number] {
    const start = this.offset(at);
    const count = this.#view.getUint32(start, true);
    this.inside(start + 4, count * size);
    this.#left -= count;
    if (this.#left < 0) this.fail(at, "it has too many parts");
    return [start + 4, count];
  }

  /** Place of a table's field; 0 where it is left out. */
  slot(table: number, slot: number): number {
    this.inside(table, 4);
    const vtable = table - this.#view.getInt32(table, true);
    this.inside(vtable, 4);
    const size = this.#view.getUint16(vtable, true);
    this.inside(vtable, size);
    const at = 4 + 2 * slot;
    if (at + 2 > size) return 0;
    const offset = this.#view.getUint16(vtable + at, true);
    return offset === 0 ? 0 : table + offset;
  }

  table(at: number, shape: TableShape, depth = 0): void {
    if (depth > 32) this.fail(at, "it is nested too deep");
    if (this.#left-- < 0) this.fail(at, "it has too many parts");
    shape.forEach((of, slot) => {
      const place = this.slot(at, slot);
      if (of === null || place === 0) return;
      if (typeof of === "number") this.inside(place, of);
      else if (of === "text") this.list(place, 1);
      else if (typeof of === "function") this.table(this.offset(place), of(), depth + 1);
      else if ("structs" in of) this.list(place, of.structs);
      else if ("tables" in of) {
        const [start, count] = this.list(place, 4);
        for (let i = 0; i < count; i++) this.table(this.offset(start + 4 * i), of.tables(), depth + 1);
      } else {
        const type = this.slot(at, slot - 1);
        const inner = type === 0 ? undefined : of.union[this.#view.getUint8(type)];
        if (inner) this.table(this.offset(place), inner(), depth + 1);
      }
    });
  }

  long(at: number): number {
    this.inside(at, 8);
    return Number(this.#view.getBigInt64(at, true));
  }

  int(at: number): number {
    this.inside(at, 4);
    return this.#view.getInt32(at, true);
  }

  byte(at: number): number {
    this.inside(at, 1);
    return this.#view.getUint8(at);
  }
}

/** A record batch's lengths and buffers; `rows` is the most that its bytes can hold. */
function checkBatch(bounds: Bounds, table: number, rows: number, body: number): void {
  const length = bounds.slot(table, 0);
  const isCount = (value: number): boolean => value >= 0 && value <= rows;
  if (length !== 0 && !isCount(bounds.long(length)))
    bounds.fail(length, "it says more rows than it has bytes");
  const nodes = bounds.slot(table, 1);
  if (nodes !== 0) {
    const [start, count] = bounds.list(nodes, 16);
    for (let at = start; at < start + 16 * count; at += 8) {
      if (!isCount(bounds.long(at))) bounds.fail(at, "a column says more rows than it has bytes");
    }
  }
  const buffers = bounds.slot(table, 2);
  if (buffers === 0) return;
  const [start, count] = bounds.list(buffers, 16);
  for (let at = start; at < start + 16 * count; at += 16) {
    const [offset, size] = [bounds.long(at), bounds.long(at + 8)];
    if (!(offset >= 0 && size >= 0 && offset + size <= body))
      bounds.fail(at, "a buffer lies outside of the file");
  }
}

/** Kinds of message, as the format numbers them. */
const kinds = { dictionaryBatch: 2, recordBatch: 3 } as const;

/**
 * One message from byte `start` on, of the wanted kind; the byte after its body, or null at the end of a stream. (A file
 * whose index has a message of another kind would be read for ever.)
 */
function checkMessage(bytes: Uint8Array, start: number, wanted?: number): number | null {
  const whole = new Bounds(bytes);
  let at = start;
  let length = whole.int(at);
  if (length === -1) length = whole.int((at += 4));
  at += 4;
  if (length === 0 && wanted === undefined) return null;
  whole.inside(at, length);
  const bounds = new Bounds(bytes.subarray(at, at + length));
  const table = bounds.offset(0);
  bounds.table(table, message());
  const bodyAt = bounds.slot(table, 3);
  const body = bodyAt === 0 ? 0 : bounds.long(bodyAt);
  whole.inside(at + length, body);
  const header = bounds.slot(table, 2);
  const type = bounds.slot(table, 1);
  const kind = type === 0 ? 0 : bounds.byte(type);
  if (wanted !== undefined && kind !== wanted) whole.fail(start, `there is no message of kind ${wanted}`);
  if (header !== 0) {
    const inner = bounds.offset(header);
    // A bit a row is the least that a column takes.
    if (kind === kinds.recordBatch) checkBatch(bounds, inner, 8 * bytes.length, body);
    const data = kind === kinds.dictionaryBatch ? bounds.slot(inner, 1) : 0;
    if (data !== 0) checkBatch(bounds, bounds.offset(data), 8 * bytes.length, body);
  }
  return at + length + body;
}

const magic = "ARROW1";

/** Throws an `Error` that says what is wrong and where; returns where every length and offset lies within the bytes. */
export function checkArrowBounds(bytes: Uint8Array): void {
  const isFile = [...magic].every((character, i) => bytes[i] === character.charCodeAt(0));
  if (!isFile) {
    for (let at: number | null = 0; at !== null && at < bytes.length;) at = checkMessage(bytes, at);
    return;
  }
  const whole = new Bounds(bytes);
  const tail = bytes.length - magic.length;
  const length = whole.int(tail - 4);
  const start = tail - 4 - length;
  whole.inside(start, length);
  const bounds = new Bounds(bytes.subarray(start, start + length));
  const table = bounds.offset(0);
  bounds.table(table, footer());
  for (const [slot, kind] of [
    [2, kinds.dictionaryBatch],
    [3, kinds.recordBatch],
  ] as const) {
    const place = bounds.slot(table, slot);
    if (place === 0) continue;
    const [blocks, count] = bounds.list(place, 24);
    for (let at = blocks; at < blocks + 24 * count; at += 24) checkMessage(bytes, bounds.long(at), kind);
  }
}

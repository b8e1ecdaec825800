import { DictionaryBatch } from "apache-arrow/fb/dictionary-batch";
import type { Field } from "apache-arrow/fb/field";
import { FloatingPoint } from "apache-arrow/fb/floating-point";
import { Int } from "apache-arrow/fb/int";
import { MessageHeader } from "apache-arrow/fb/message-header";
import { Message } from "apache-arrow/fb/message";
import { Precision } from "apache-arrow/fb/precision";
import { RecordBatch } from "apache-arrow/fb/record-batch";
import { Schema } from "apache-arrow/fb/schema";
import { Type } from "apache-arrow/fb/type";
import { ByteBuffer } from "flatbuffers";
import type { Column, DictionaryColumn, NumberArray, NumberColumn, TextColumn } from "./arrow-column.ts";

export interface ArrowBatch {
  /** Rows. */
  readonly length: number;
  readonly metadata: ReadonlyMap<string, string>;
  /** By name; views on the bytes that were read. */
  readonly columns: ReadonlyMap<string, Column>;
}

type NumberArrayType = new (buffer: ArrayBufferLike, byteOffset: number, length: number) => NumberArray;

/**
 * Reads a stream of one record batch of texts, dictionaries of texts, numbers and lists of numbers, as any Arrow
 * writer makes it, uncompressed and little-endian. Throws an `Error` that says what is wrong.
 */
export function readArrow(stream: Uint8Array<ArrayBuffer>): ArrowBatch {
  // Typed arrays need their bytes aligned.
  const bytes = stream.byteOffset % 8 === 0 ? stream : stream.slice();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const distinct = new Map<bigint, TextColumn>();
  let schema: Schema | null = null;
  let batch: { readonly length: number; readonly columns: Map<string, Column> } | null = null;
  let at = 0;
  while (at + 8 <= bytes.length) {
    if (view.getUint32(at, true) !== 0xffffffff) throw new Error(`no message at byte ${at}`);
    const size = view.getInt32(at + 4, true);
    if (size === 0) break;
    const start = at + 8;
    if (size < 0 || start + size > bytes.length) throw new Error(`a message of ${size} bytes at byte ${at}`);
    const message = Message.getRootAsMessage(new ByteBuffer(bytes.subarray(start, start + size)));
    const bodyLength = Number(message.bodyLength());
    const body = bytes.subarray(start + size, start + size + bodyLength);
    if (body.length !== bodyLength) throw new Error("it ends too early");
    at = start + size + bodyLength;
    const type = message.headerType();
    if (type === MessageHeader.Schema) schema = message.header(new Schema()) as Schema;
    else if (!schema) throw new Error("no schema before the first batch");
    else if (type === MessageHeader.DictionaryBatch) {
      const header = message.header(new DictionaryBatch()) as DictionaryBatch;
      distinct.set(header.id(), new BatchReader(header.data()!, body).text());
    } else if (type === MessageHeader.RecordBatch) {
      if (batch) throw new Error("more than one record batch");
      const header = message.header(new RecordBatch()) as RecordBatch;
      const reader = new BatchReader(header, body);
      const columns = new Map<string, Column>();
      for (let i = 0; i < schema.fieldsLength(); i++) {
        const field = schema.fields(i)!;
        columns.set(field.name()!, reader.column(field, distinct));
      }
      batch = { length: Number(header.length()), columns };
    } else throw new Error(`a message of type ${type}`);
  }
  if (!schema || !batch) throw new Error("no record batch");
  for (const [name, column] of batch.columns) {
    if (column.length !== batch.length) throw new Error(`column ${name} has ${column.length} rows`);
  }
  const metadata = new Map<string, string>();
  for (let i = 0; i < schema.customMetadataLength(); i++) {
    const pair = schema.customMetadata(i)!;
    metadata.set(pair.key()!, pair.value()!);
  }
  return { ...batch, metadata };
}

/** Takes the nodes and buffers of a batch one after another, depth first. */
class BatchReader {
  readonly #batch: RecordBatch;
  readonly #body: Uint8Array<ArrayBuffer>;
  #node = 0;
  #buffer = 0;

  constructor(batch: RecordBatch, body: Uint8Array<ArrayBuffer>) {
    if (batch.compression()) throw new Error("it is compressed");
    this.#batch = batch;
    this.#body = body;
  }

  column(field: Field, distinct: ReadonlyMap<bigint, TextColumn>): Column {
    const encoding = field.dictionary();
    if (encoding) {
      const values = distinct.get(encoding.id());
      if (!values) throw new Error(`dictionary ${encoding.id()} is missing`);
      const indexType = encoding.indexType();
      const indices = this.#numbers(indexType ? integers(indexType) : Int32Array);
      return {
        kind: "dictionary",
        length: indices.length,
        validity: indices.validity,
        indices: indices.values as DictionaryColumn["indices"],
        distinct: values,
      };
    }
    switch (field.typeType()) {
      case Type.Utf8:
        return this.text();
      case Type.List: {
        const { length, validity } = this.#shape();
        const offsets = this.#take(Int32Array, length + 1);
        return {
          kind: "list",
          length,
          validity,
          offsets,
          items: this.#numbers(numberType(field.children(0)!)),
        };
      }
      default:
        return this.#numbers(numberType(field));
    }
  }

  text(): TextColumn {
    const { length, validity } = this.#shape();
    // Without rows the offsets may be left out.
    const offsets = length === 0 ? this.#empty() : this.#take(Int32Array, length + 1);
    const bytes = this.#take(Uint8Array, offsets[length]!);
    return { kind: "text", length, validity, offsets, bytes };
  }

  #empty(): Int32Array {
    this.#buffer++;
    return new Int32Array(1);
  }

  #numbers(type: NumberArrayType): NumberColumn {
    const { length, validity } = this.#shape();
    return { kind: "numbers", length, validity, values: this.#take(type, length) };
  }

  #shape(): { length: number; validity: Uint8Array | null } {
    const node = this.#batch.nodes(this.#node++);
    if (!node) throw new Error("a node is missing");
    const length = Number(node.length());
    if (node.nullCount() > 0n) return { length, validity: this.#take(Uint8Array, (length + 7) >> 3) };
    this.#buffer++;
    return { length, validity: null };
  }

  #take<Values extends NumberArray>(
    type: (new (buffer: ArrayBufferLike, byteOffset: number, length: number) => Values) & {
      readonly BYTES_PER_ELEMENT?: number;
    },
    length: number,
  ): Values {
    const buffer = this.#batch.buffers(this.#buffer++);
    if (!buffer) throw new Error("a buffer is missing");
    const offset = Number(buffer.offset());
    const bytes = length * type.BYTES_PER_ELEMENT!;
    if (bytes > Number(buffer.length()) || offset < 0 || offset + bytes > this.#body.length)
      throw new Error("a buffer is too short");
    return new type(this.#body.buffer, this.#body.byteOffset + offset, length);
  }
}

function numberType(field: Field): NumberArrayType {
  switch (field.typeType()) {
    case Type.Int:
      return integers(field.type(new Int()) as Int);
    case Type.FloatingPoint: {
      const precision = (field.type(new FloatingPoint()) as FloatingPoint).precision();
      if (precision === Precision.DOUBLE) return Float64Array;
      if (precision === Precision.SINGLE) return Float32Array;
      throw new Error("a column of half-precision numbers");
    }
    default:
      throw new Error(`column ${String(field.name())} is of type ${field.typeType()}`);
  }
}

function integers(type: Int): NumberArrayType {
  const found = { 8: [Uint8Array, Int8Array], 16: [Uint16Array, Int16Array], 32: [null, Int32Array] }[
    type.bitWidth()
  ];
  const array = found?.[type.isSigned() ? 1 : 0];
  if (!array) throw new Error(`a column of ${type.bitWidth()}-bit integers`);
  return array;
}

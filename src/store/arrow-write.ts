import { Buffer } from "apache-arrow/fb/buffer";
import { DictionaryBatch } from "apache-arrow/fb/dictionary-batch";
import { DictionaryEncoding } from "apache-arrow/fb/dictionary-encoding";
import { Endianness } from "apache-arrow/fb/endianness";
import { FieldNode } from "apache-arrow/fb/field-node";
import { Field } from "apache-arrow/fb/field";
import { FloatingPoint } from "apache-arrow/fb/floating-point";
import { Int } from "apache-arrow/fb/int";
import { KeyValue } from "apache-arrow/fb/key-value";
import { List } from "apache-arrow/fb/list";
import { MessageHeader } from "apache-arrow/fb/message-header";
import { Message } from "apache-arrow/fb/message";
import { MetadataVersion } from "apache-arrow/fb/metadata-version";
import { Precision } from "apache-arrow/fb/precision";
import { RecordBatch } from "apache-arrow/fb/record-batch";
import { Schema } from "apache-arrow/fb/schema";
import { Type } from "apache-arrow/fb/type";
import { Utf8 } from "apache-arrow/fb/utf8";
import { Builder } from "flatbuffers";
import type { Column, NumberArray, TextColumn } from "./arrow-column.ts";

export type Columns = readonly (readonly [name: string, column: Column])[];

const continuation = 0xffffffff;
const padded = (bytes: number): number => (bytes + 7) & ~7;

/** One encapsulated message: its flatbuffer and the buffers of its body. */
interface Part {
  readonly metadata: Uint8Array;
  readonly body: readonly ArrayBufferView[];
}

/**
 * One Arrow IPC stream (format version V5, little-endian, buffers padded to 8 bytes) with one record batch of `length`
 * rows. The same columns always give the same bytes. Source: arrow.apache.org/docs/format/Columnar.html.
 */
export function writeArrow(
  columns: Columns,
  length: number,
  metadata: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const parts: Part[] = [schemaPart(columns, metadata)];
  columns.forEach(([, column], id) => {
    if (column.kind === "dictionary") parts.push(batchPart([column.distinct], column.distinct.length, id));
  });
  parts.push(
    batchPart(
      columns.map(([, column]) => column),
      length,
      null,
    ),
  );
  let size = 8;
  for (const { metadata, body } of parts) {
    size += 8 + padded(metadata.length);
    for (const { byteLength } of body) size += padded(byteLength);
  }
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const { metadata, body } of parts) {
    view.setUint32(at, continuation, true);
    view.setInt32(at + 4, padded(metadata.length), true);
    bytes.set(metadata, at + 8);
    at += 8 + padded(metadata.length);
    for (const { buffer, byteOffset, byteLength } of body) {
      bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at);
      at += padded(byteLength);
    }
  }
  // The end: a continuation and no metadata.
  view.setUint32(at, continuation, true);
  return bytes;
}

function message(builder: Builder, type: MessageHeader, header: number, bodyLength: number): Uint8Array {
  builder.finish(Message.createMessage(builder, MetadataVersion.V5, type, header, BigInt(bodyLength), 0));
  return builder.asUint8Array();
}

function schemaPart(columns: Columns, metadata: Readonly<Record<string, string>>): Part {
  const builder = new Builder(1024);
  const fields = Schema.createFieldsVector(
    builder,
    columns.map(([name, column], id) => writeField(builder, name, column, id)),
  );
  const pairs = Object.entries(metadata).map(([key, value]) =>
    KeyValue.createKeyValue(builder, builder.createString(key), builder.createString(value)),
  );
  const custom = Schema.createCustomMetadataVector(builder, pairs);
  const schema = Schema.createSchema(builder, Endianness.Little, fields, custom, 0);
  return { metadata: message(builder, MessageHeader.Schema, schema, 0), body: [] };
}

function writeField(builder: Builder, name: string, column: Column, id: number): number {
  const nameOffset = builder.createString(name);
  const children = Field.createChildrenVector(
    builder,
    column.kind === "list" ? [writeField(builder, "item", column.items, -1)] : [],
  );
  const [type, typeOffset] = writeType(builder, column);
  let dictionary = 0;
  if (column.kind === "dictionary") {
    const indexType = Int.createInt(builder, 8 * column.indices.BYTES_PER_ELEMENT, true);
    DictionaryEncoding.startDictionaryEncoding(builder);
    DictionaryEncoding.addId(builder, BigInt(id));
    DictionaryEncoding.addIndexType(builder, indexType);
    dictionary = DictionaryEncoding.endDictionaryEncoding(builder);
  }
  Field.startField(builder);
  Field.addName(builder, nameOffset);
  Field.addNullable(builder, column.validity !== null);
  Field.addTypeType(builder, type);
  Field.addType(builder, typeOffset);
  if (dictionary !== 0) Field.addDictionary(builder, dictionary);
  Field.addChildren(builder, children);
  return Field.endField(builder);
}

function writeType(builder: Builder, column: Column): [Type, number] {
  switch (column.kind) {
    case "text":
    case "dictionary":
      return [Type.Utf8, Utf8.createUtf8(builder)];
    case "list":
      return [Type.List, List.createList(builder)];
    case "numbers":
      return writeNumberType(builder, column.values);
  }
}

function writeNumberType(builder: Builder, values: NumberArray): [Type, number] {
  if (values instanceof Float64Array || values instanceof Float32Array) {
    const precision = values instanceof Float64Array ? Precision.DOUBLE : Precision.SINGLE;
    return [Type.FloatingPoint, FloatingPoint.createFloatingPoint(builder, precision)];
  }
  const signed = !(values instanceof Uint8Array || values instanceof Uint16Array);
  return [Type.Int, Int.createInt(builder, 8 * values.BYTES_PER_ELEMENT, signed)];
}

interface Node {
  readonly length: number;
  readonly nulls: number;
}

const none = new Uint8Array(0);

/** Nodes and buffers of a column, depth first, as a record batch lists them. */
function flatten(column: Column, nodes: Node[], buffers: ArrayBufferView[]): void {
  nodes.push({ length: column.length, nulls: nullsOf(column) });
  buffers.push(column.validity ?? none);
  switch (column.kind) {
    case "numbers":
      buffers.push(column.values);
      break;
    case "text":
      buffers.push(column.offsets, column.bytes);
      break;
    case "dictionary":
      buffers.push(column.indices);
      break;
    case "list":
      buffers.push(column.offsets);
      flatten(column.items, nodes, buffers);
      break;
  }
}

function nullsOf({ validity, length }: Column): number {
  let nulls = 0;
  if (validity) for (let row = 0; row < length; row++) if (!(validity[row >> 3]! & (1 << (row & 7)))) nulls++;
  return nulls;
}

/** A record batch, or the dictionary batch of that id. */
function batchPart(
  columns: readonly (Column | TextColumn)[],
  length: number,
  dictionary: number | null,
): Part {
  const nodes: Node[] = [];
  const body: ArrayBufferView[] = [];
  for (const column of columns) flatten(column, nodes, body);
  const builder = new Builder(1024);
  const offsets: number[] = [];
  let end = 0;
  for (const { byteLength } of body) {
    offsets.push(end);
    end += padded(byteLength);
  }
  // Flatbuffers are written from the back.
  RecordBatch.startBuffersVector(builder, body.length);
  for (let i = body.length - 1; i >= 0; i--)
    Buffer.createBuffer(builder, BigInt(offsets[i]!), BigInt(body[i]!.byteLength));
  const buffersOffset = builder.endVector();
  RecordBatch.startNodesVector(builder, nodes.length);
  for (let i = nodes.length - 1; i >= 0; i--)
    FieldNode.createFieldNode(builder, BigInt(nodes[i]!.length), BigInt(nodes[i]!.nulls));
  const nodesOffset = builder.endVector();
  RecordBatch.startRecordBatch(builder);
  RecordBatch.addLength(builder, BigInt(length));
  RecordBatch.addNodes(builder, nodesOffset);
  RecordBatch.addBuffers(builder, buffersOffset);
  const batch = RecordBatch.endRecordBatch(builder);
  if (dictionary === null) return { metadata: message(builder, MessageHeader.RecordBatch, batch, end), body };
  DictionaryBatch.startDictionaryBatch(builder);
  DictionaryBatch.addId(builder, BigInt(dictionary));
  DictionaryBatch.addData(builder, batch);
  const header = DictionaryBatch.endDictionaryBatch(builder);
  return { metadata: message(builder, MessageHeader.DictionaryBatch, header, end), body };
}

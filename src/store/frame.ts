import { FulguriteError } from "../gpu/error.ts";
import type { Key, TableName } from "./storage.ts";
import { xxh32 } from "./xxh32.ts";

// One frame is one transaction in a file: little-endian, [magic u32][header bytes u32][body bytes u32][hash u32], the header
// (JSON) and the body (the bytes of its arrays), each padded to 8 bytes. The hash is xxh32 over header and body.

const magic = 0x31574c46;
const frameHead = 16;
/** What each frame begins with. */
export const framePrefix: readonly number[] = [0x46, 0x4c, 0x57, 0x31];
// Not by bits: a damaged length of 2^31 or more would come out negative.
const padded = (bytes: number): number => 8 * Math.ceil(bytes / 8);

/** A row that is put or deleted; a delete without a key takes all rows of a run. */
export type Operation =
  | { readonly kind: "put"; readonly table: TableName; readonly key: Key; readonly value: unknown }
  | { readonly kind: "delete"; readonly table: TableName; readonly key: Key }
  | { readonly kind: "deleteAll"; readonly table: TableName; readonly runId: string };

const arrayTypes = {
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
} as const;
type ArrayName = keyof typeof arrayTypes;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What JSON lacks stands as an object with this one key; a real object with that key is wrapped too. */
const mark = "$";

/** Deeper values are refused, and with them those that hold themselves. */
const mostDepth = 500;

function toJson(value: unknown, bodies: Uint8Array[], path: string, depth = 0): unknown {
  switch (typeof value) {
    case "number":
      if (Number.isFinite(value) && !Object.is(value, -0)) return value;
      return { [mark]: ["number", Object.is(value, -0) ? "-0" : String(value)] };
    case "string":
    case "boolean":
      return value;
    case "undefined":
      return { [mark]: ["undefined"] };
    case "bigint":
      return { [mark]: ["bigint", String(value)] };
    case "object":
      break;
    default:
      throw unsupported(path, typeof value);
  }
  if (value === null) return null;
  if (depth > mostDepth) throw unsupported(path.slice(0, 80), "value that deep, or one that holds itself,");
  const inner = (item: unknown, place: string | number): unknown =>
    toJson(item, bodies, typeof place === "number" ? `${path}[${place}]` : `${path}.${place}`, depth + 1);
  if (Array.isArray(value)) return value.map(inner);
  if (ArrayBuffer.isView(value)) {
    const name = value instanceof DataView ? "view" : value.constructor.name;
    if (name !== "view" && !(name in arrayTypes)) throw unsupported(path, name);
    bodies.push(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    return { [mark]: [name, value.byteLength] };
  }
  if (value instanceof ArrayBuffer) {
    bodies.push(new Uint8Array(value));
    return { [mark]: ["buffer", value.byteLength] };
  }
  if (value instanceof Date) return { [mark]: ["date", inner(value.getTime(), "time")] };
  if (value instanceof Map) return { [mark]: ["map", [...value].map(inner)] };
  if (value instanceof Set) return { [mark]: ["set", [...value].map(inner)] };
  if (value instanceof RegExp) return { [mark]: ["regexp", [value.source, value.flags]] };
  if (value instanceof Error) return { [mark]: ["error", [value.name, value.message]] };
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw unsupported(path, value.constructor.name);
  const plain: unknown = Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, inner(item, key)]),
  );
  return mark in value ? { [mark]: ["object", plain] } : plain;
}

const unsupported = (path: string, type: string): FulguriteError =>
  new FulguriteError(
    "store/unsupported-value",
    `A ${type} cannot be kept in a file (at ${path}).`,
    "Keep plain objects, arrays, maps, sets, texts, numbers, dates and typed arrays.",
  );

/** Reads what `toJson` wrote; `take` gives the next bytes of the body. */
function fromJson(json: unknown, take: (bytes: number) => ArrayBuffer): unknown {
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return json.map((item) => fromJson(item, take));
  const marked = (json as Record<string, unknown>)[mark];
  if (Array.isArray(marked)) {
    const [type, content] = marked as [string, unknown];
    if (type === "number") return Number(content);
    if (type === "undefined") return undefined;
    if (type === "bigint") return BigInt(content as string);
    if (type === "date") return new Date(fromJson(content, take) as number);
    if (type === "map") return new Map(fromJson(content, take) as [unknown, unknown][]);
    if (type === "set") return new Set(fromJson(content, take) as unknown[]);
    if (type === "buffer") return take(content as number);
    if (type === "view") return new DataView(take(content as number));
    if (type === "regexp") {
      const [source, flags] = content as [string, string];
      return new RegExp(source, flags);
    }
    if (type === "error") {
      const [name, message] = content as [string, string];
      return Object.assign(new Error(message), { name });
    }
    if (type === "object") return objectFromJson(content as object, take);
    if (type in arrayTypes) return new arrayTypes[type as ArrayName](take(content as number));
    throw new Error(`a value of type ${type}`);
  }
  return objectFromJson(json, take);
}

const objectFromJson = (json: object, take: (bytes: number) => ArrayBuffer): unknown =>
  Object.fromEntries(Object.entries(json).map(([key, item]) => [key, fromJson(item, take)]));

/** One transaction as a frame. Throws "store/unsupported-value" for what a file cannot keep. */
export function encodeFrame(operations: readonly Operation[]): Uint8Array<ArrayBuffer> {
  const bodies: Uint8Array[] = [];
  const json = operations.map((operation) => toJson(operation, bodies, operation.table));
  const header = encoder.encode(JSON.stringify(json));
  const bodyBytes = bodies.reduce((sum, { byteLength }) => sum + padded(byteLength), 0);
  const bytes = new Uint8Array(frameHead + padded(header.length) + bodyBytes);
  bytes.set(header, frameHead);
  let at = frameHead + padded(header.length);
  for (const body of bodies) {
    bytes.set(body, at);
    at += padded(body.byteLength);
  }
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  view.setUint32(4, header.length, true);
  view.setUint32(8, bodyBytes, true);
  view.setUint32(12, xxh32(bytes.subarray(frameHead)), true);
  return bytes;
}

/** Whether both values would be the same bytes in a file; false where one cannot be kept in a file. */
export function isSameValue(a: unknown, b: unknown): boolean {
  try {
    const [x, y] = [a, b].map((value) => encodeFrame([{ kind: "put", table: "meta", key: "", value }]));
    return x!.length === y!.length && x!.every((byte, i) => byte === y![i]);
  } catch {
    return false;
  }
}

/** Bytes of the frame that begins here; null where these are not the first 16 bytes of one. */
export function frameLength(head: Uint8Array): number | null {
  if (head.byteLength < frameHead) return null;
  const view = new DataView(head.buffer, head.byteOffset, frameHead);
  if (view.getUint32(0, true) !== magic) return null;
  return frameHead + padded(view.getUint32(4, true)) + view.getUint32(8, true);
}

/** The operations of a whole frame; null where it is damaged or not whole. */
export function decodeFrame(bytes: Uint8Array): Operation[] | null {
  if (frameLength(bytes) !== bytes.byteLength) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(12, true) !== xxh32(bytes.subarray(frameHead))) return null;
  const headerLength = view.getUint32(4, true);
  const header = decoder.decode(bytes.subarray(frameHead, frameHead + headerLength));
  let at = frameHead + padded(headerLength);
  const take = (length: number): ArrayBuffer => {
    const part = bytes.slice(at, at + length);
    if (part.byteLength !== length) throw new Error("its arrays end too early");
    at += padded(length);
    return part.buffer as ArrayBuffer;
  };
  try {
    return fromJson(JSON.parse(header), take) as Operation[];
  } catch {
    return null;
  }
}

/**
 * Cloneable values as JSON and back: what JSON has no word for is `{ "$": kind, ... }`, so plain data looks as it always
 * does. Objects that occur twice are written twice; a circle is cut with null, which `encodeCloneable` reports.
 */

const typedArrays = {
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
type TypedArrayName = keyof typeof typedArrays;

const mark = "$";
/** Deeper values are cut, like circles. */
const mostDepth = 500;
/** A value with its objects written out may not be longer. */
const mostValues = 5_000_000;

function base64Of(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 32_768) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 32_768));
  }
  return btoa(binary);
}

const bytesOf = (base64: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

export interface EncodedCloneable {
  /** Plain JSON data. */
  readonly json: unknown;
  /** False where something was cut: a circle, a function, too much. */
  readonly whole: boolean;
}

export function encodeCloneable(value: unknown): EncodedCloneable {
  let whole = true;
  let left = mostValues;
  const around = new Set<object>();
  const cut = (): null => {
    whole = false;
    return null;
  };
  const encode = (inner: unknown): unknown => {
    if (left-- <= 0) return cut();
    switch (typeof inner) {
      case "string":
      case "boolean":
        return inner;
      case "number":
        if (Number.isFinite(inner) && !Object.is(inner, -0)) return inner;
        return { [mark]: "number", value: Object.is(inner, -0) ? "-0" : String(inner) };
      case "bigint":
        return { [mark]: "bigint", value: String(inner) };
      case "undefined":
        return { [mark]: "undefined" };
      case "object":
        break;
      default:
        return cut();
    }
    if (inner === null) return null;
    if (around.has(inner) || around.size >= mostDepth) return cut();
    around.add(inner);
    const encoded = encodeObject(inner);
    around.delete(inner);
    return encoded;
  };
  const encodeObject = (inner: object): unknown => {
    if (Array.isArray(inner)) return inner.map(encode);
    if (inner instanceof Date) return { [mark]: "date", value: encode(inner.getTime()) };
    if (inner instanceof Map) return { [mark]: "map", value: [...inner].map((entry) => entry.map(encode)) };
    if (inner instanceof Set) return { [mark]: "set", value: [...inner].map(encode) };
    if (inner instanceof RegExp) return { [mark]: "regexp", value: inner.source, flags: inner.flags };
    if (inner instanceof Error) return { [mark]: "error", name: inner.name, message: inner.message };
    if (inner instanceof ArrayBuffer) return { [mark]: "buffer", value: base64Of(new Uint8Array(inner)) };
    if (ArrayBuffer.isView(inner)) {
      const bytes = new Uint8Array(inner.buffer, inner.byteOffset, inner.byteLength);
      return {
        [mark]: inner instanceof DataView ? "DataView" : inner.constructor.name,
        value: base64Of(bytes),
      };
    }
    const entries = Object.entries(inner).map(([key, item]) => [
      key.startsWith(mark) ? mark + key : key,
      encode(item),
    ]);
    return Object.fromEntries(entries) as unknown;
  };
  const json = encode(value);
  return { json, whole };
}

/** The value that `encodeCloneable` made JSON of. Throws an `Error` where a marked value is none that we know. */
export function decodeCloneable(json: unknown): unknown {
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return json.map(decodeCloneable);
  if (Object.hasOwn(json, mark)) return decodeMarked(json as Readonly<Record<string, unknown>>);
  return Object.fromEntries(
    Object.entries(json).map(([key, value]) => [
      key.startsWith(mark + mark) ? key.slice(1) : key,
      decodeCloneable(value),
    ]),
  );
}

function decodeMarked(marked: Readonly<Record<string, unknown>>): unknown {
  const { [mark]: kind, value } = marked;
  const text = (): string => {
    if (typeof value !== "string") throw new Error(`a value of kind ${String(kind)} is no text`);
    return value;
  };
  const list = (): readonly unknown[] => {
    if (!Array.isArray(value)) throw new Error(`a value of kind ${String(kind)} is no list`);
    return value.map(decodeCloneable);
  };
  switch (kind) {
    case "number":
      return Number(text());
    case "bigint":
      return BigInt(text());
    case "undefined":
      return undefined;
    case "date":
      return new Date(Number(decodeCloneable(value)));
    case "set":
      return new Set(list());
    case "map":
      return new Map(
        list().map((entry) => (Array.isArray(entry) ? [entry[0], entry[1]] : [entry, undefined])),
      );
    case "regexp":
      return new RegExp(text(), String(marked["flags"]));
    case "error":
      return Object.assign(new Error(String(marked["message"])), { name: String(marked["name"]) });
    case "buffer":
      return bytesOf(text()).buffer;
    case "DataView":
      return new DataView(bytesOf(text()).buffer);
    default:
      if (typeof kind === "string" && Object.hasOwn(typedArrays, kind)) {
        return new typedArrays[kind as TypedArrayName](bytesOf(text()).buffer);
      }
      throw new Error(`there is no kind of value ${JSON.stringify(kind)}`);
  }
}

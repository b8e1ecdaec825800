import { FulguriteError } from "../gpu/error.ts";
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from "./float-formats.ts";

/** How a file stores floats. */
export type FloatType = "F32" | "BF16" | "F16";

/** One tensor of a file. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Uint32Array;
  /** How floats are stored; what was read says it, what is written may ask for it. Default "F32". */
  readonly type?: FloatType;
}

export interface TensorFile {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** A header longer than this is no header (the format's own limit). */
const MAX_HEADER = 100_000_000;

/**
 * The safetensors format (github.com/huggingface/safetensors): eight bytes, little-endian, for the length of a JSON
 * header that gives every tensor's type, shape and place, then the bytes of all tensors.
 */
export function encodeTensors({ tensors, metadata }: TensorFile): Uint8Array<ArrayBuffer> {
  const entries: Record<string, unknown> = { __metadata__: metadata };
  let at = 0;
  for (const [name, tensor] of tensors) {
    const bytes = tensor.data.length * widths[typeOf(tensor)];
    entries[name] = { dtype: typeOf(tensor), shape: tensor.shape, data_offsets: [at, at + bytes] };
    at += bytes;
  }
  // Spaces make the data begin at a multiple of eight, so that it can be viewed in place.
  let text = JSON.stringify(entries);
  const bytes = new TextEncoder().encode(text).length;
  text += " ".repeat((8 - (bytes % 8)) % 8);
  const header = new TextEncoder().encode(text);
  const file = new Uint8Array(8 + header.length + at);
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
  file.set(header, 8);
  let to = 8 + header.length;
  for (const tensor of tensors.values()) {
    const type = typeOf(tensor);
    const { data } = tensor;
    const bytes = data.length * widths[type];
    const view = new DataView(file.buffer, to, bytes);
    for (let i = 0; i < data.length; i++) writers[type](view, i * widths[type], data[i]!);
    to += bytes;
  }
  return file;
}

const widths = { F32: 4, U32: 4, BF16: 2, F16: 2 } as const;
type StoredType = keyof typeof widths;

const typeOf = ({ data, type }: Tensor): StoredType =>
  data instanceof Uint32Array ? "U32" : (type ?? "F32");

const writers: Record<StoredType, (view: DataView, at: number, value: number) => void> = {
  F32: (view, at, value) => view.setFloat32(at, value, true),
  U32: (view, at, value) => view.setUint32(at, value, true),
  BF16: (view, at, value) => view.setUint16(at, toBfloat16(value), true),
  F16: (view, at, value) => view.setUint16(at, toFloat16(value), true),
};

const readers: Record<StoredType, (view: DataView, at: number) => number> = {
  F32: (view, at) => view.getFloat32(at, true),
  U32: (view, at) => view.getUint32(at, true),
  BF16: (view, at) => fromBfloat16(view.getUint16(at, true)),
  F16: (view, at) => fromFloat16(view.getUint16(at, true)),
};

/** Reads F32, BF16 and F16 (both widened, which is exact) and U32 tensors. Throws "nn/safetensors" for anything that is not such a file. */
export function decodeTensors(file: Uint8Array): TensorFile {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const length = file.byteLength < 8 ? -1 : Number(view.getBigUint64(0, true));
  if (length < 2 || length > MAX_HEADER || 8 + length > file.byteLength) broken("it has no header");
  let header: Record<string, Entry>;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(file.subarray(8, 8 + length));
    header = JSON.parse(text) as Record<string, Entry>;
  } catch {
    broken("its header is not JSON");
  }
  const tensors = new Map<string, Tensor>();
  let metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") metadata = { ...(entry as unknown as Record<string, string>) };
    else tensors.set(name, read(name, entry, view, 8 + length));
  }
  return { tensors, metadata };
}

function read(name: string, entry: Entry, view: DataView, base: number): Tensor {
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isStoredType(dtype)) broken(`${name} is of type ${dtype}; F32, BF16, F16 and U32 can be read`);
  if (!Array.isArray(shape) || !Array.isArray(offsets)) broken(`${name} has no shape or place`);
  const width = widths[dtype];
  const count = shape.reduce((product, size) => product * size, 1);
  const [from, to] = offsets;
  if (to - from !== count * width || from < 0 || base + to > view.byteLength)
    broken(`${name} does not fit its shape`);
  const data = dtype === "U32" ? new Uint32Array(count) : new Float32Array(count);
  for (let i = 0; i < count; i++) data[i] = readers[dtype](view, base + from + i * width);
  return dtype === "BF16" || dtype === "F16" ? { shape, data, type: dtype } : { shape, data };
}

function isStoredType(dtype: string): dtype is StoredType {
  return Object.hasOwn(widths, dtype);
}

function broken(why: string): never {
  throw new FulguriteError(
    "nn/safetensors",
    `This is not a safetensors file that can be read: ${why}.`,
    "Choose a file that was saved as safetensors.",
  );
}

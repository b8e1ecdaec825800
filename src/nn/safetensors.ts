import { FulguriteError } from "../gpu/error.ts";

/** One tensor of a file. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Uint32Array;
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
  for (const [name, { shape, data }] of tensors) {
    const dtype = data instanceof Uint32Array ? "U32" : "F32";
    entries[name] = { dtype, shape, data_offsets: [at, at + data.byteLength] };
    at += data.byteLength;
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
  for (const { data } of tensors.values()) {
    const view = new DataView(file.buffer, to, data.byteLength);
    if (data instanceof Uint32Array) data.forEach((value, i) => view.setUint32(4 * i, value, true));
    else data.forEach((value, i) => view.setFloat32(4 * i, value, true));
    to += data.byteLength;
  }
  return file;
}

/** Reads F32, BF16 (widened, which is exact) and U32 tensors. Throws "nn/safetensors" for anything that is not such a file. */
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
    else tensors.set(name, { shape: entry.shape, data: read(name, entry, view, 8 + length) });
  }
  return { tensors, metadata };
}

function read(name: string, entry: Entry, view: DataView, base: number): Float32Array | Uint32Array {
  const { dtype, shape, data_offsets: offsets } = entry;
  const width = dtype === "BF16" ? 2 : 4;
  if (!["F32", "U32", "BF16"].includes(dtype))
    broken(`${name} is of type ${dtype}; F32, BF16 and U32 can be read`);
  if (!Array.isArray(shape) || !Array.isArray(offsets)) broken(`${name} has no shape or place`);
  const count = shape.reduce((product, size) => product * size, 1);
  const [from, to] = offsets;
  if (to - from !== count * width || from < 0 || base + to > view.byteLength)
    broken(`${name} does not fit its shape`);
  const at = (i: number): number => base + from + i * width;
  if (dtype === "U32") return Uint32Array.from({ length: count }, (_, i) => view.getUint32(at(i), true));
  if (dtype === "F32") return Float32Array.from({ length: count }, (_, i) => view.getFloat32(at(i), true));
  const bits = Uint32Array.from({ length: count }, (_, i) => view.getUint16(at(i), true) << 16);
  return new Float32Array(bits.buffer);
}

function broken(why: string): never {
  throw new FulguriteError(
    "nn/safetensors",
    `This is not a safetensors file that can be read: ${why}.`,
    "Choose a file that was saved as safetensors.",
  );
}

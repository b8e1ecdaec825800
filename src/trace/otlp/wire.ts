/**
 * Protocol Buffers' wire format (protobuf.dev/programming-guides/encoding), as far as OTLP needs it. Written by hand because
 * the libraries make code from strings, which the page's policy forbids, or want generated files of ten times the size.
 */

/** Bytes that are no message, and where. */
export class WireError extends Error {
  /** Offset from the first byte of the whole. */
  readonly byte: number;

  constructor(message: string, byte: number) {
    super(message);
    this.name = "WireError";
    this.byte = byte;
  }
}

export const wireTypes = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Reads one message; nested ones by a reader of their own over the same bytes. */
export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = start;
    this.#end = end;
  }

  get at(): number {
    return this.#at;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  /** Number and wire type of the next field. */
  tag(): { readonly field: number; readonly type: number } {
    const at = this.#at;
    const tag = this.varint();
    if (tag > 0xffffffffn || tag < 8n) throw new WireError("it has no field number", at);
    return { field: Number(tag >> 3n), type: Number(tag & 7n) };
  }

  /** Unsigned, 64 bits. */
  varint(): bigint {
    let low = 0;
    let shift = 0;
    const start = this.#at;
    while (shift < 28) {
      const byte = this.#byte(start);
      low += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return BigInt(low);
      shift += 7;
    }
    let value = BigInt(low);
    for (let bits = 28n; bits < 70n; bits += 7n) {
      const byte = this.#byte(start);
      value |= BigInt(byte & 0x7f) << bits;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new WireError("a number has more than ten bytes", start);
  }

  fixed64(): bigint {
    this.#need(8);
    const value = this.#view.getBigUint64(this.#at, true);
    this.#at += 8;
    return value;
  }

  double(): number {
    this.#need(8);
    const value = this.#view.getFloat64(this.#at, true);
    this.#at += 8;
    return value;
  }

  /** A copy of the bytes. */
  bytes(): Uint8Array {
    const [start, end] = this.#block();
    return this.#bytes.slice(start, end);
  }

  /** Throws where the text is no UTF-8. */
  text(): string {
    const [start, end] = this.#block();
    try {
      return decoder.decode(this.#bytes.subarray(start, end));
    } catch {
      throw new WireError("a text is no UTF-8", start);
    }
  }

  message(): WireReader {
    const [start, end] = this.#block();
    return new WireReader(this.#bytes, start, end);
  }

  skip(type: number): void {
    if (type === wireTypes.varint) this.varint();
    else if (type === wireTypes.fixed64) this.#jump(8);
    else if (type === wireTypes.bytes) this.#block();
    else if (type === wireTypes.fixed32) this.#jump(4);
    else throw new WireError(`wire type ${type} does not exist`, this.#at);
  }

  #byte(start: number): number {
    if (this.#at >= this.#end) throw new WireError("it ends in the middle of a number", start);
    return this.#bytes[this.#at++]!;
  }

  #block(): readonly [start: number, end: number] {
    const at = this.#at;
    const length = this.varint();
    const start = this.#at;
    if (length > BigInt(this.#end - start)) {
      throw new WireError(`it ends ${length - BigInt(this.#end - start)} bytes too early`, at);
    }
    this.#at = start + Number(length);
    return [start, this.#at];
  }

  #need(bytes: number): void {
    if (this.#at + bytes > this.#end) throw new WireError("it ends in the middle of a number", this.#at);
  }

  #jump(bytes: number): void {
    this.#need(bytes);
    this.#at += bytes;
  }
}

/** Writes one message after another into a buffer that grows. */
export class WireWriter {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  varint(field: number, value: bigint | number): void {
    this.#number((field << 3) | wireTypes.varint);
    this.#number(value);
  }

  fixed64(field: number, value: bigint): void {
    this.#number((field << 3) | wireTypes.fixed64);
    this.#room(8);
    this.#view.setBigUint64(this.#at, value, true);
    this.#at += 8;
  }

  double(field: number, value: number): void {
    this.#number((field << 3) | wireTypes.fixed64);
    this.#room(8);
    this.#view.setFloat64(this.#at, value, true);
    this.#at += 8;
  }

  bytes(field: number, value: Uint8Array): void {
    this.#number((field << 3) | wireTypes.bytes);
    this.#number(value.length);
    this.#room(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  text(field: number, value: string): void {
    this.#number((field << 3) | wireTypes.bytes);
    this.#sized(() => {
      this.#room(3 * value.length);
      this.#at += encoder.encodeInto(value, this.#bytes.subarray(this.#at)).written;
    });
  }

  message(field: number, write: (writer: WireWriter) => void): void {
    this.#number((field << 3) | wireTypes.bytes);
    this.#sized(() => {
      write(this);
    });
  }

  /** All that was written. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#at);
  }

  /** One byte is kept for the length, which most messages need; a longer one moves its body. */
  #sized(write: () => void): void {
    this.#room(1);
    const start = this.#at++;
    write();
    const length = this.#at - start - 1;
    let more = 0;
    for (let rest = length; rest >= 0x80; rest = Math.floor(rest / 0x80)) more++;
    if (more > 0) {
      this.#room(more);
      this.#bytes.copyWithin(start + 1 + more, start + 1, this.#at);
    }
    // Not through #number: it may move to a larger buffer, and takes only what lies before it.
    let at = start;
    for (let rest = length; ; rest = Math.floor(rest / 0x80)) {
      this.#bytes[at++] = rest >= 0x80 ? (rest % 0x80) | 0x80 : rest;
      if (rest < 0x80) break;
    }
    this.#at += more;
  }

  #number(value: bigint | number): void {
    this.#room(10);
    if (typeof value === "number" && value >= 0 && value < 2 ** 31) {
      let rest = value;
      for (; rest >= 0x80; rest >>>= 7) this.#bytes[this.#at++] = (rest & 0x7f) | 0x80;
      this.#bytes[this.#at++] = rest;
      return;
    }
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest >= 0x80n; rest >>= 7n) this.#bytes[this.#at++] = Number(rest & 0x7fn) | 0x80;
    this.#bytes[this.#at++] = Number(rest);
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#at + bytes));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

import { mostSharedPages } from "../kernels/wasm/transformer-module.ts";

/** One WebAssembly memory that hands out 16-byte aligned blocks from below and never takes one back but the last ones. */
export class CpuMemory {
  readonly memory: WebAssembly.Memory;
  /** Views of the whole memory; a reservation may replace them. */
  floats: Float32Array;
  integers: Int32Array;
  #end = 16;

  constructor(memory = new WebAssembly.Memory({ initial: 16 })) {
    this.memory = memory;
    this.floats = new Float32Array(this.memory.buffer);
    this.integers = new Int32Array(this.memory.buffer);
  }

  /** One that threads may have, too; for this one alone where there are no addresses for that. */
  static shared(): CpuMemory {
    try {
      return new CpuMemory(new WebAssembly.Memory({ initial: 16, maximum: mostSharedPages, shared: true }));
    } catch (error) {
      if (error instanceof RangeError) return new CpuMemory();
      throw error;
    }
  }

  get isShared(): boolean {
    return !(this.memory.buffer instanceof ArrayBuffer);
  }

  /** First free byte. */
  get end(): number {
    return this.#end;
  }

  /** Address of `count` 32-bit elements; their content is whatever was there. */
  reserve(count: number): number {
    const address = this.#end;
    this.#end += Math.ceil(count / 4) * 16;
    const missing = this.#end - this.memory.buffer.byteLength;
    if (missing > 0) {
      this.memory.grow(Math.ceil(missing / 65536));
      this.floats = new Float32Array(this.memory.buffer);
      this.integers = new Int32Array(this.memory.buffer);
    }
    return address;
  }

  /** Takes back everything from `address` on. */
  release(address: number): void {
    this.#end = address;
  }
}

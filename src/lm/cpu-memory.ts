import { FulguriteError } from "../gpu/error.ts";
import { formatMegabytes } from "../gpu/memory-plan.ts";
import { mostSharedPages } from "../kernels/wasm/transformer-module.ts";

/** The address space of a WebAssembly memory, in bytes. */
export const tabMemory = 2 ** 32;

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

  /** Address of `count` 32-bit elements; their content is whatever was there. Throws "cpu/memory" where there is no room. */
  reserve(count: number): number {
    const address = this.#end;
    const end = address + Math.ceil(count / 4) * 16;
    const missing = end - this.memory.buffer.byteLength;
    if (missing > 0) {
      try {
        this.memory.grow(Math.ceil(missing / 65536));
      } catch (cause) {
        throw new FulguriteError(
          "cpu/memory",
          `This run needs ${formatMegabytes(end)} of memory, and there is no room for that; a tab has ${formatMegabytes(tabMemory)} at most.`,
          "Use a shorter maxLength, fewer rollouts at once, or a smaller policy, and close other tabs.",
          { cause },
        );
      }
      this.floats = new Float32Array(this.memory.buffer);
      this.integers = new Int32Array(this.memory.buffer);
    }
    this.#end = end;
    return address;
  }

  /** Takes back everything from `address` on. */
  release(address: number): void {
    this.#end = address;
  }
}

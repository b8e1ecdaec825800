/** One WebAssembly memory that hands out 16-byte aligned blocks from below and never takes one back but the last ones. */
export class CpuMemory {
  readonly memory = new WebAssembly.Memory({ initial: 16 });
  /** Views of the whole memory; a reservation may replace them. */
  floats = new Float32Array(this.memory.buffer);
  integers = new Int32Array(this.memory.buffer);
  #end = 16;

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

import type { BufferMaker } from "./memory-plan.ts";
import { usage } from "./plan.ts";

interface Slot {
  readonly buffer: GPUBuffer;
  busy: boolean;
}

/**
 * A ring of mappable buffers: a small struct is copied out with the work that made it and read when the
 * device is done, one or more submits later. Nothing here is awaited by the training loop itself.
 */
export class ReadbackRing {
  readonly #maker: BufferMaker;
  readonly #slots: readonly Slot[];
  readonly #bytes: number;
  #next = 0;

  /** `length` 32-bit elements a slot. */
  constructor(maker: BufferMaker, label: string, length: number, slots: number) {
    this.#maker = maker;
    this.#bytes = length * 4;
    this.#slots = Array.from({ length: slots }, (_, i) => ({
      buffer: maker.createBuffer(`${label} ${i}`, this.#bytes, usage.readback),
      busy: false,
    }));
  }

  /** Whether `copy` would find a slot. */
  get free(): boolean {
    return !this.#slots[this.#next]!.busy;
  }

  /**
   * Adds copies of `sources` (packed one after another) to the encoder. After the submit, call the returned
   * function: it resolves with a copy of the data once the device is done. Throws where every slot is in flight.
   */
  copy(
    encoder: GPUCommandEncoder,
    sources: readonly { readonly buffer: GPUBuffer; readonly length: number }[],
  ): () => Promise<Float32Array<ArrayBuffer>> {
    const slot = this.#slots[this.#next]!;
    if (slot.busy) throw new Error("every readback slot is in flight");
    slot.busy = true;
    this.#next = (this.#next + 1) % this.#slots.length;
    let at = 0;
    for (const { buffer, length } of sources) {
      encoder.copyBufferToBuffer(buffer, 0, slot.buffer, at, length * 4);
      at += length * 4;
    }
    return async () => {
      await slot.buffer.mapAsync(1, 0, this.#bytes);
      const data = new Float32Array(slot.buffer.getMappedRange(0, this.#bytes).slice(0));
      slot.buffer.unmap();
      slot.busy = false;
      return data;
    };
  }

  dispose(): void {
    for (const { buffer } of this.#slots) this.#maker.destroyBuffer(buffer);
  }
}

import { SLOT_BYTES } from "../gpu/plan.ts";

/** Fields of `struct Batch` in shaders/transformer/batch.wgsl, in order. */
const integers = [
  "tokens",
  "predictions",
  "first",
  "step",
  "layer",
  "adapter",
  "chunk",
  "accumulate",
  "objective",
  "estimator",
] as const;
const floats = [
  "clipLow",
  "clipHigh",
  "dualClip",
  "entropyCoefficient",
  "gatePositive",
  "gateNegative",
  "klCoefficient",
  "adapterScale",
  "labelSmoothing",
  "smoothingShare",
] as const;

export type BatchField = (typeof integers)[number] | (typeof floats)[number];

const wordOf = Object.fromEntries([...integers, ...floats].map((name, word) => [name, word])) as Record<
  BatchField,
  number
>;

/** Uniform slots of `Batch`, written on the CPU and uploaded whole. */
export class TokenBatchSlots {
  readonly bytes: ArrayBuffer;
  readonly #u32: Uint32Array;
  readonly #f32: Float32Array;

  constructor(slots: number) {
    this.bytes = new ArrayBuffer(slots * SLOT_BYTES);
    this.#u32 = new Uint32Array(this.bytes);
    this.#f32 = new Float32Array(this.bytes);
  }

  set(slot: number, field: BatchField, value: number): void {
    const word = wordOf[field];
    const at = (slot * SLOT_BYTES) / 4 + word;
    if (word < integers.length) this.#u32[at] = value;
    else this.#f32[at] = value;
  }
}

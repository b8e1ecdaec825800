import { SLOT_BYTES } from "../gpu/plan.ts";

/** Fields of `struct Scalars` in shaders/common/scalars.wgsl, in order. */
const integers = [
  "seed",
  "baseStep",
  "firstStep",
  "stepCount",
  "baseEpoch",
  "indexOffset",
  "statisticsRow",
  "padding",
] as const;
const floats = [
  "gamma",
  "lambda",
  "learningRate",
  "clip",
  "valueClip",
  "entropyCoefficient",
  "valueCoefficient",
  "maxGradientNorm",
  "beta1",
  "beta2",
  "beta1Complement",
  "beta2Complement",
  "epsilon",
  "weightDecay",
  "correction1",
  "correction2",
  "clipHigh",
  "dualClip",
  "klLimit",
  "multiplier",
] as const;

export type Scalar = (typeof integers)[number] | (typeof floats)[number];

const wordOf = Object.fromEntries([...integers, ...floats].map((name, word) => [name, word])) as Record<
  Scalar,
  number
>;

/** The uniform slots of one update, written on the CPU and uploaded whole. */
export class ScalarSlots {
  readonly bytes: ArrayBuffer;
  readonly #u32: Uint32Array;
  readonly #f32: Float32Array;
  readonly #words = SLOT_BYTES / 4;

  constructor(slots: number) {
    this.bytes = new ArrayBuffer(slots * SLOT_BYTES);
    this.#u32 = new Uint32Array(this.bytes);
    this.#f32 = new Float32Array(this.bytes);
  }

  /** Sets one field of one slot; integers wrap to 32 bits, floats round to f32. */
  set(slot: number, field: Scalar, value: number): void {
    const word = wordOf[field];
    if (word < integers.length) this.#u32[slot * this.#words + word] = value;
    else this.#f32[slot * this.#words + word] = value;
  }
}

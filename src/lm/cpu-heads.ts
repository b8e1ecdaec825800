import type { TransformerLayerPlaces } from "../kernels/transformer-places.ts";
import type { TransformerKernels } from "../kernels/wasm/transformer-module.ts";
import type { TransformerShape } from "../nn/transformer-layout.ts";
import type { CpuMemory } from "./cpu-memory.ts";

/** Where a projection's results go through the biases and the heads' norms; `inverse` takes one f32 a head. */
export interface HeadBuffers {
  readonly raw: number;
  readonly inverse: number;
  readonly out: number;
}

/**
 * What Qwen2 and Qwen3 have between the projections of queries, keys and values and their rotation: biases, and an RMS
 * norm of every head's queries and keys. Without either, nothing.
 */
export class CpuHeads {
  readonly #shape: TransformerShape;
  readonly #kernels: TransformerKernels;
  readonly #memory: CpuMemory;
  readonly #queryWidth: number;
  readonly #keyWidth: number;

  constructor(shape: TransformerShape, kernels: TransformerKernels, memory: CpuMemory) {
    this.#shape = shape;
    this.#kernels = kernels;
    this.#memory = memory;
    this.#queryWidth = shape.heads * shape.headSize;
    this.#keyWidth = shape.keyValueHeads * shape.headSize;
  }

  queries(places: TransformerLayerPlaces, b: HeadBuffers, rows: number, parameters: number): void {
    const { kernels, width } = { kernels: this.#kernels, width: this.#queryWidth };
    if (places.bias !== null) {
      kernels.biasForward(b.raw, parameters + 4 * places.bias, rows, 4 * width, width / 4);
    }
    if (places.nq === null) return;
    kernels.headNormForward(b.raw, parameters + 4 * places.nq, b.out, b.inverse, rows * this.#shape.heads);
  }

  keyValues(places: TransformerLayerPlaces, b: HeadBuffers, rows: number, parameters: number): void {
    const kernels = this.#kernels;
    const width = 2 * this.#keyWidth;
    if (places.bias !== null) {
      const bias = parameters + 4 * (places.bias + this.#queryWidth);
      kernels.biasForward(b.raw, bias, rows, 4 * width, width / 4);
    }
    if (places.nk === null) return;
    const heads = this.#shape.keyValueHeads;
    for (let row = 0; row < rows; row++) {
      const at = 4 * row * width;
      const inverse = b.inverse + 4 * row * heads;
      kernels.headNormForward(b.raw + at, parameters + 4 * places.nk, b.out + at, inverse, heads);
      this.#copyValues(b.raw + at, b.out + at);
    }
  }

  /**
   * From the gradient of what was attended to, `dOut`, to that of the projection's results, `dRaw`; adds to the gradients
   * at the addresses given.
   */
  queriesBackward(
    places: TransformerLayerPlaces,
    saved: HeadBuffers,
    dOut: number,
    dRaw: number,
    rows: number,
    parameters: number,
    gradient: { readonly bias: number | null; readonly scale: number },
  ): void {
    const kernels = this.#kernels;
    const { heads } = this.#shape;
    const width = this.#queryWidth;
    if (places.nq !== null) {
      this.#memory.floats.fill(0, dRaw >> 2, (dRaw >> 2) + rows * width);
      const scale = parameters + 4 * places.nq;
      kernels.headNormBackward(dOut, saved.raw, scale, saved.inverse, dRaw, gradient.scale, rows * heads);
    }
    if (gradient.bias !== null) kernels.biasBackward(dRaw, gradient.bias, rows, 4 * width, width / 4);
  }

  keyValuesBackward(
    places: TransformerLayerPlaces,
    saved: HeadBuffers,
    dOut: number,
    dRaw: number,
    rows: number,
    parameters: number,
    gradient: { readonly bias: number | null; readonly scale: number },
  ): void {
    const kernels = this.#kernels;
    const width = 2 * this.#keyWidth;
    const heads = this.#shape.keyValueHeads;
    if (places.nk !== null) {
      this.#memory.floats.fill(0, dRaw >> 2, (dRaw >> 2) + rows * width);
      const scale = parameters + 4 * places.nk;
      for (let row = 0; row < rows; row++) {
        const at = 4 * row * width;
        const inverse = saved.inverse + 4 * row * heads;
        kernels.headNormBackward(
          ...([dOut + at, saved.raw + at, scale, inverse, dRaw + at, gradient.scale, heads] as const),
        );
        this.#copyValues(dOut + at, dRaw + at);
      }
    }
    if (gradient.bias !== null) kernels.biasBackward(dRaw, gradient.bias, rows, 4 * width, width / 4);
  }

  #copyValues(from: number, to: number): void {
    const width = this.#keyWidth;
    this.#memory.floats.copyWithin((to >> 2) + width, (from >> 2) + width, (from >> 2) + 2 * width);
  }
}

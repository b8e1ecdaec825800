import type { Projection, TransformerPlaces } from "../kernels/transformer-places.ts";
import { projectionSize } from "../kernels/transformer-places.ts";
import { packedLength, packWeight, type TransformerKernels } from "../kernels/wasm/transformer-module.ts";
import type { TransformerShape } from "../nn/transformer-layout.ts";
import type { CpuMemory } from "./cpu-memory.ts";

interface Packed {
  readonly a: number;
  readonly b: number;
}

/** The low-rank changes of a decoder's projections, beside the frozen weights: y += alpha / rank B A x. */
export class CpuLowRank {
  readonly #shape: TransformerShape;
  readonly #places: TransformerPlaces;
  readonly #kernels: TransformerKernels;
  readonly #memory: CpuMemory;
  readonly #packed: readonly Partial<Record<Projection, Packed>>[];
  readonly #rank: number;
  readonly #scale: number;

  constructor(
    shape: TransformerShape,
    places: TransformerPlaces,
    kernels: TransformerKernels,
    memory: CpuMemory,
  ) {
    this.#shape = shape;
    this.#places = places;
    this.#kernels = kernels;
    this.#memory = memory;
    const { rank = 0, alpha = 0, projections = [] } = shape.adapter ?? {};
    this.#rank = rank;
    this.#scale = alpha / rank;
    this.#packed = places.layers.map(() =>
      Object.fromEntries(
        projections.map((name) => {
          const { inputs, outputs } = projectionSize(shape, name);
          const a = memory.reserve(packedLength(inputs, rank));
          return [name, { a, b: memory.reserve(packedLength(rank, outputs)) }];
        }),
      ),
    );
  }

  /** Call after the parameters, which are at this address, have changed. */
  pack(parameters: number): void {
    const { floats } = this.#memory;
    this.#packed.forEach((layer, l) => {
      for (const [name, packed] of Object.entries(layer) as [Projection, Packed][]) {
        const { inputs, outputs } = projectionSize(this.#shape, name);
        const { a, b } = this.#places.layers[l]!.adapters[name]!;
        packWeight(floats, (parameters >> 2) + a, packed.a >> 2, inputs, this.#rank);
        packWeight(floats, (parameters >> 2) + b, packed.b >> 2, this.#rank, outputs);
      }
    });
  }

  /** Adds the change of `x` to `y`, the projection's first result; `low` takes [rows x rank]. */
  forward(layer: number, name: Projection, x: number, y: number, rows: number, low: number): void {
    const packed = this.#packed[layer]?.[name];
    if (!packed) return;
    const { a, b } = this.#kernels.adapters[name]!;
    a.forward(x, packed.a, low, rows);
    this.#multiply(low, rows);
    b.forward(low, packed.b, y, rows);
  }

  /** Adds to the gradients of A and B, in the arena of which `gradient` gives addresses, and to `dx`. */
  backward(
    layer: number,
    name: Projection,
    dy: number,
    x: number,
    dx: number,
    rows: number,
    scratch: { readonly low: number; readonly lowGradient: number },
    parameter: (offset: number) => number,
    gradient: (offset: number) => number,
  ): void {
    const packed = this.#packed[layer]?.[name];
    if (!packed) return;
    const { a, b } = this.#kernels.adapters[name]!;
    const place = this.#places.layers[layer]!.adapters[name]!;
    const { outputs } = projectionSize(this.#shape, name);
    const { low, lowGradient } = scratch;
    a.forward(x, packed.a, low, rows);
    this.#multiply(low, rows);
    b.weight(dy, low, gradient(place.b), outputs, rows);
    b.input(dy, parameter(place.b), lowGradient, rows);
    this.#multiply(lowGradient, rows);
    a.weight(lowGradient, x, gradient(place.a), this.#rank, rows);
    a.input(lowGradient, parameter(place.a), dx, rows);
  }

  #multiply(low: number, rows: number): void {
    const { floats } = this.#memory;
    const end = (low >> 2) + rows * this.#rank;
    for (let i = low >> 2; i < end; i++) floats[i]! *= this.#scale;
  }
}

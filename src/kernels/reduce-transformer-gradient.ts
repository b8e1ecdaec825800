import source from "../../shaders/optim/reduce_transformer_gradient.wgsl?raw";
import { namedKernel, type NamedKernel } from "./named-kernel.ts";
import { inputIds, type TransformerDimensions, type TransformerPlaces } from "./transformer-places.ts";

/** Threads that sum the loss terms, behind those of the gradient (shaders/optim/adamw.wgsl). */
export const TERM_RANGES = 16;

/**
 * Partial sums to one gradient. `squares` threads of `vectors` vec4s, then `TERM_RANGES`; `headPartial` is where the
 * head's partial sums are: its own place, or behind the arena where it is the embedding's.
 */
export function reduceTransformerGradientKernel(
  shape: TransformerDimensions,
  places: TransformerPlaces,
  options: {
    readonly length: number;
    readonly splits: number;
    readonly partialLength: number;
    readonly headPartial: number;
    readonly squares: number;
    readonly vectors: number;
    /** With an adapter, whose gradients are there already: only the soft prompt's, at this float, are made. */
    readonly adapter?: { readonly prompt: number | null };
  },
): NamedKernel {
  const { length, splits, partialLength, headPartial, squares, vectors, adapter } = options;
  const first = places.layers[0]!;
  const layerEnd = places.layers[1]?.n1 ?? places.nf;
  const within = (offset: number): number => (offset - first.n1) / 4;
  return namedKernel(
    "optim/reduce_transformer_gradient",
    source,
    {
      partials: adapter === undefined && "read",
      parameters: adapter === undefined && "read",
      residual: "read",
      occurrences: "read",
      terms: "read",
      gradients: "write",
      squares: "write",
    },
    {
      LENGTH: length / 4,
      WIDTH: shape.width / 4,
      VOCABULARY: shape.vocabularySize,
      IDS: inputIds(shape),
      ADAPTER: adapter !== undefined,
      PROMPT: (adapter?.prompt ?? length) / 4,
      TIED: shape.tiedHead,
      SPLITS: splits,
      PARTIAL_LENGTH: partialLength / 4,
      LAYERS_BEGIN: first.n1 / 4,
      LAYER_LENGTH: within(layerEnd),
      QKV: within(first.wq),
      WO: within(first.wo),
      GAIN2: within(first.n2),
      GATE_UP: within(first.w1),
      DOWN: within(first.w2),
      QKV_OUTPUTS: (shape.heads + 2 * shape.keyValueHeads) * shape.headSize,
      GATE_UP_OUTPUTS: 2 * shape.feedForward,
      FINAL_GAIN: places.nf / 4,
      HEAD: places.head / 4,
      HEAD_PARTIAL: headPartial / 4,
      SQUARES: squares,
      VECTORS: vectors,
    },
  );
}

import forward from "../../shaders/transformer/heads.wgsl?raw";
import gradient from "../../shaders/transformer/heads_gradient.wgsl?raw";
import weights from "../../shaders/transformer/heads_weights.wgsl?raw";
import { paddedOutputs } from "./linear.ts";
import { namedKernel, type NamedKernel } from "./named-kernel.ts";
import type { TransformerDimensions, TransformerPlaces } from "./transformer-places.ts";

/** Whether queries and keys go through more than a turn between their projection and attention. */
export const hasHeads = ({ attentionBias = false, queryKeyNorm = false }: TransformerDimensions): boolean =>
  attentionBias || queryKeyNorm;

/** Heads of queries, keys and values. */
export const headUnits = ({ heads, keyValueHeads }: TransformerDimensions): number =>
  heads + 2 * keyValueHeads;

/** Floats of a token's queries, keys and values as the projection leaves them. */
export const rawWidth = (shape: TransformerDimensions): number =>
  paddedOutputs(headUnits(shape) * shape.headSize);

function constants(
  shape: TransformerDimensions,
  { layers }: TransformerPlaces,
): Record<string, number | boolean | string> {
  const { bias, nq, nk } = layers[0]!;
  return {
    HEADS: shape.heads,
    UNITS: headUnits(shape),
    TURNED: shape.heads + shape.keyValueHeads,
    HEAD_SIZE: shape.headSize / 4,
    RAW_STRIDE: rawWidth(shape) / 4,
    EPSILON: shape.normEpsilon.toExponential(),
    BIAS: bias !== null,
    BIAS_AT: (bias ?? 0) / 4,
    NORM: nq !== null,
    QUERY_SCALE: (nq ?? 0) / 4,
    KEY_SCALE: (nk ?? 0) / 4,
  };
}

/** Thread per token and head of queries, keys and values. `save` keeps what the backward pass needs. */
export function headsKernel(
  shape: TransformerDimensions,
  places: TransformerPlaces,
  options: { readonly save: boolean; readonly cache: boolean },
): NamedKernel {
  const { save, cache } = options;
  const saveInverse = save && shape.queryKeyNorm === true;
  return namedKernel(
    "transformer/heads",
    forward,
    {
      ...{ parameters: hasHeads(shape) && "read", raw: "read", tokens: "read", rotations: "read" },
      ...{ output: "write", inverses: saveInverse && "write", cache: cache && "write" },
    },
    { ...constants(shape, places), SAVE_INVERSE: saveInverse, CACHE: cache },
  );
}

/** Thread per token and head of queries, keys and values. */
export function headsGradientKernel(shape: TransformerDimensions, places: TransformerPlaces): NamedKernel {
  return namedKernel(
    "transformer/heads_gradient",
    gradient,
    {
      ...{ parameters: "read", raw: "read", gradient: "read" },
      ...{ inverses: shape.queryKeyNorm === true && "read", output: "write", projections: "write" },
    },
    constants(shape, places),
  );
}

/** `splits` partial sums of arenas of `partialLength`; `tiles` threads in all. */
export function headsWeightsKernel(
  shape: TransformerDimensions,
  places: TransformerPlaces,
  options: { readonly splits: number; readonly partialLength: number },
): { readonly kernel: NamedKernel; readonly tiles: number } {
  const { splits, partialLength } = options;
  const size = shape.headSize / 4;
  const biasColumns = shape.attentionBias === true ? headUnits(shape) * size : 0;
  const columns = biasColumns + (shape.queryKeyNorm === true ? 2 * size : 0);
  const kernel = namedKernel(
    "transformer/heads_weights",
    weights,
    {
      ...{ parameters: "read", raw: "read", gradient: "read", projected: "read" },
      ...{ inverses: shape.queryKeyNorm === true && "read", partials: "write" },
    },
    {
      ...constants(shape, places),
      ...{ SPLITS: splits, PARTIAL_LENGTH: partialLength / 4, COLUMNS: columns, BIAS_COLUMNS: biasColumns },
    },
  );
  return { kernel, tiles: splits * columns };
}

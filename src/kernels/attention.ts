import forward from "../../shaders/transformer/attention.wgsl?raw";
import keyGradient from "../../shaders/transformer/attention_key_gradient.wgsl?raw";
import queryGradient from "../../shaders/transformer/attention_query_gradient.wgsl?raw";
import { namedKernel, type NamedKernel } from "./named-kernel.ts";
import type { TransformerDimensions } from "./transformer-places.ts";

type Heads = Pick<TransformerDimensions, "heads" | "keyValueHeads" | "headSize">;

/** Floats a token and layer: log sums, dO . O and dq . q by head, dk . k + dv . v by key head. */
export function statisticsWidth({ heads, keyValueHeads }: Heads): number {
  return 3 * heads + keyValueHeads;
}

/** Offsets and strides in vec4s. In training one row holds queries, keys and values; the cache holds no queries. */
function constants(shape: Heads, cache: boolean): Record<string, number | string | boolean> {
  const { heads, keyValueHeads, headSize } = shape;
  const size = headSize / 4;
  const queries = heads * size;
  const keys = keyValueHeads * size;
  return {
    HEADS: heads,
    KEY_HEADS: keyValueHeads,
    SHARED: heads / keyValueHeads,
    HEAD_SIZE: size,
    QUERY_STRIDE: cache ? queries : queries + 2 * keys,
    KEY_STRIDE: cache ? 2 * keys : queries + 2 * keys,
    KEY_OFFSET: cache ? 0 : queries,
    VALUE_OFFSET: keys,
    SCALE: (1 / Math.sqrt(headSize)).toExponential(),
    CACHE: cache,
    STATISTICS: statisticsWidth(shape),
  };
}

/** Thread per token and head. */
export function attentionKernel(
  shape: Heads,
  options: { readonly cache: boolean; readonly save: boolean },
): NamedKernel {
  return namedKernel(
    "transformer/attention",
    forward,
    {
      tokens: "read",
      queries: "read",
      keys: "read",
      output: "write",
      statistics: options.save && "write",
      runs: "read",
    },
    { ...constants(shape, options.cache), SAVE: options.save },
  );
}

/** Thread per token and query head. */
export function attentionQueryGradientKernel(shape: Heads): NamedKernel {
  return namedKernel(
    "transformer/attention_query_gradient",
    queryGradient,
    {
      tokens: "read",
      keys: "read",
      gradient: "read",
      attended: "read",
      statistics: "write",
      output: "write",
      runs: "read",
      rotations: "read",
    },
    constants(shape, false),
  );
}

/** Thread per token and key head; after the queries' gradient. */
export function attentionKeyGradientKernel(shape: Heads): NamedKernel {
  return namedKernel(
    "transformer/attention_key_gradient",
    keyGradient,
    {
      tokens: "read",
      keys: "read",
      gradient: "read",
      statistics: "write",
      output: "write",
      rotations: "read",
    },
    constants(shape, false),
  );
}

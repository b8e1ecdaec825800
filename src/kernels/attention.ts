import forward from "../../shaders/transformer/attention.wgsl?raw";
import decode from "../../shaders/transformer/attention_decode.wgsl?raw";
import keyGradient from "../../shaders/transformer/attention_key_gradient.wgsl?raw";
import queryGradient from "../../shaders/transformer/attention_query_gradient.wgsl?raw";
import { namedKernel, type NamedKernel } from "./named-kernel.ts";
import type { TransformerDimensions } from "./transformer-places.ts";

type Heads = Pick<TransformerDimensions, "heads" | "keyValueHeads" | "headSize">;

/** Floats a token and layer: log sums, dO . O and dq . q by head, dk . k + dv . v by key head. */
export function statisticsWidth({ heads, keyValueHeads }: Heads): number {
  return 3 * heads + keyValueHeads;
}

/** Offsets and strides in vec4s, of rows that hold queries, keys and values. */
function constants(shape: Heads, block: number): Record<string, number | string> {
  const { heads, keyValueHeads, headSize } = shape;
  const size = headSize / 4;
  return {
    HEADS: heads,
    KEY_HEADS: keyValueHeads,
    SHARED: heads / keyValueHeads,
    HEAD_SIZE: size,
    KEY_STRIDE: (heads + 2 * keyValueHeads) * size,
    KEY_OFFSET: heads * size,
    VALUE_OFFSET: keyValueHeads * size,
    SCALE: (1 / Math.sqrt(headSize)).toExponential(),
    STATISTICS: statisticsWidth(shape),
    BLOCK: block,
  };
}

/** Over the tokens of a `TokenForest`. Thread per `block` tokens and head. */
export function attentionKernel(shape: Heads, block: number): NamedKernel {
  return namedKernel(
    "transformer/attention",
    forward,
    { keys: "read", output: "write", statistics: "write", runs: "read" },
    constants(shape, block),
  );
}

/** Thread per `block` tokens and query head. */
export function attentionQueryGradientKernel(shape: Heads, block: number): NamedKernel {
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
    constants(shape, block),
  );
}

/** Thread per `block` tokens and key head; after the queries' gradient. */
export function attentionKeyGradientKernel(shape: Heads, block: number): NamedKernel {
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
    constants(shape, block),
  );
}

/** Over cached keys and values, one new token a sequence. Thread per token and head. */
export function attentionDecodeKernel(shape: Heads): NamedKernel {
  const { heads, keyValueHeads, headSize } = shape;
  return namedKernel(
    "transformer/attention_decode",
    decode,
    { tokens: "read", queries: "read", keys: "read", output: "write", runs: "read" },
    {
      HEADS: heads,
      SHARED: heads / keyValueHeads,
      HEAD_SIZE: headSize / 4,
      KEY_STRIDE: (2 * keyValueHeads * headSize) / 4,
      VALUE_OFFSET: (keyValueHeads * headSize) / 4,
      SCALE: (1 / Math.sqrt(headSize)).toExponential(),
    },
  );
}

import type { ParameterLayout, ParameterTensor } from "./parameter-layout.ts";

/** A Llama-style decoder: RMSNorm, RoPE (rotate-half), causal grouped-query attention, SwiGLU. */
export interface TransformerShape {
  readonly vocabularySize: number;
  /** Width of the residual stream, d. */
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  /** Divides `heads`. */
  readonly keyValueHeads: number;
  readonly headSize: number;
  /** Hidden width of SwiGLU. */
  readonly feedForward: number;
  /** Most positions a sequence can have. */
  readonly maxLength: number;
  readonly ropeBase: number;
  readonly normEpsilon: number;
  /** True: the head is the embedding transposed. */
  readonly tiedHead: boolean;
}

/**
 * Tensors by name: `emb [V, d]`, per layer `l{i}.n1 [d]`, `.wq [H hs, d]`, `.wk`, `.wv [KV hs, d]`,
 * `.wo [d, H hs]`, `.n2 [d]`, `.w1`, `.w3 [F, d]`, `.w2 [d, F]`, then `nf [d]` and, untied, `head [V, d]`.
 * Weights are [out, in]; y = W x. `gain` is the standard deviation of the normal initialisation, 0.4 / sqrt(width):
 * with 0.02 a policy of width 64 needs three times the rollouts to learn to reverse strings. Null for norm scales,
 * which start at one.
 */
export function transformerLayout(shape: TransformerShape): ParameterLayout {
  const tensors: ParameterTensor[] = [];
  let offset = 0;
  const add = (name: string, dims: readonly number[], gain: number | null): void => {
    const length = dims.reduce((product, dim) => product * dim, 1);
    tensors.push({ name, shape: dims, offset, length, gain });
    offset += Math.ceil(length / 4) * 4;
  };
  const { vocabularySize: V, width: d, heads, keyValueHeads, headSize, feedForward: F } = shape;
  const q = heads * headSize;
  const kv = keyValueHeads * headSize;
  // 0.05 at width 64 and 0.014 at GPT-2's 768, where 0.02 is usual.
  const deviation = 0.4 / Math.sqrt(d);
  const residual = deviation / Math.sqrt(2 * shape.layers);
  add("emb", [V, d], deviation);
  for (let i = 0; i < shape.layers; i++) {
    add(`l${i}.n1`, [d], null);
    add(`l${i}.wq`, [q, d], deviation);
    add(`l${i}.wk`, [kv, d], deviation);
    add(`l${i}.wv`, [kv, d], deviation);
    add(`l${i}.wo`, [d, q], residual);
    add(`l${i}.n2`, [d], null);
    add(`l${i}.w1`, [F, d], deviation);
    add(`l${i}.w3`, [F, d], deviation);
    add(`l${i}.w2`, [d, F], residual);
  }
  add("nf", [d], null);
  if (!shape.tiedHead) add("head", [V, d], deviation);
  return { tensors, length: offset };
}

import {
  projections,
  projectionSize,
  projectionTensors,
  type TransformerDimensions as TransformerShape,
} from "../kernels/transformer-places.ts";
import type { ParameterLayout, ParameterTensor } from "./parameter-layout.ts";

export type { LowRankAdapter, Projection } from "../kernels/transformer-places.ts";
export type { TransformerShape };

export interface TransformerLayout extends ParameterLayout {
  /** First element that learns, a multiple of 4: 0, or where the adapter begins. What follows it all learns. */
  readonly trainable: number;
}

/**
 * Tensors by name: `emb [V, d]`, per layer `l{i}.n1 [d]`, `.wq [H hs, d]`, `.wk`, `.wv [KV hs, d]`,
 * `.wo [d, H hs]`, `.n2 [d]`, `.w1`, `.w3 [F, d]`, `.w2 [d, F]`, with biases `.bq [H hs]`, `.bk`, `.bv [KV hs]`, with
 * query-key norm `.nq`, `.nk [hs]`, then `nf [d]` and, untied, `head [V, d]`. With an adapter behind all of them, per
 * layer `.wq.a [rank, in]` and the like, then `.wq.b [out, rank]`, and at last `prompt [promptTokens, d]`.
 * Weights are [out, in]; y = W x. `gain` is the standard deviation of the normal initialisation, 0.4 / sqrt(width):
 * with 0.02 a policy of width 64 needs three times the rollouts to learn to reverse strings. 0 for what starts at zero
 * (biases, B), null for norm scales, which start at one. A has the deviation of PEFT's uniform one, 1 / sqrt(3 in).
 */
export function transformerLayout(shape: TransformerShape): TransformerLayout {
  const tensors: ParameterTensor[] = [];
  let offset = 0;
  const add = (name: string, dims: readonly number[], gain: number | null): void => {
    const length = dims.reduce((product, dim) => product * dim, 1);
    tensors.push({ name, shape: dims, offset, length, gain });
    offset += Math.ceil(length / 4) * 4;
  };
  const { vocabularySize: V, width: d, heads, keyValueHeads, headSize, feedForward: F, adapter } = shape;
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
    if (shape.attentionBias === true) {
      add(`l${i}.bq`, [q], 0);
      add(`l${i}.bk`, [kv], 0);
      add(`l${i}.bv`, [kv], 0);
    }
    if (shape.queryKeyNorm === true) {
      add(`l${i}.nq`, [headSize], null);
      add(`l${i}.nk`, [headSize], null);
    }
  }
  add("nf", [d], null);
  if (!shape.tiedHead) add("head", [V, d], deviation);
  if (!adapter) return { tensors, length: offset, trainable: 0 };

  const trainable = offset;
  const adapted = projections.filter((name) => adapter.projections.includes(name));
  for (let i = 0; i < shape.layers; i++) {
    for (const name of adapted) {
      const { inputs } = projectionSize(shape, name);
      add(`l${i}.${projectionTensors[name]}.a`, [adapter.rank, inputs], 1 / Math.sqrt(3 * inputs));
    }
    for (const name of adapted) {
      const { outputs } = projectionSize(shape, name);
      add(`l${i}.${projectionTensors[name]}.b`, [outputs, adapter.rank], 0);
    }
  }
  const prompt = adapter.promptTokens ?? 0;
  if (prompt > 0) add("prompt", [prompt, d], deviation);
  return { tensors, length: offset, trainable };
}

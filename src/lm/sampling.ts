import { exp, log } from "../kernels/math.ts";
import type { GenerateRequest } from "./language-engine.ts";
import { filterThreshold } from "./token-filter.ts";

/**
 * Index of the chosen entry of `logits`, which belong to the ids `ids`. Temperature 0: the largest, the first of equals;
 * else Gumbel-max, the largest of logit / temperature + noise (Gumbel 1954; Maddison et al. 2014, arXiv 1411.0030), which
 * draws from the softmax at that temperature. `noise` holds one f32 an id of the vocabulary.
 */
export function chooseToken(
  logits: Float32Array,
  ids: Int32Array,
  temperature: number,
  noise: Float32Array,
): number {
  let best = 0;
  let largest = -Infinity;
  for (let i = 0; i < ids.length; i++) {
    const value =
      temperature > 0 ? Math.fround(Math.fround(logits[i]! / temperature) + noise[ids[i]!]!) : logits[i]!;
    if (value > largest) {
      largest = value;
      best = i;
    }
  }
  return best;
}

/**
 * The same from a distribution that bias, constraint or filters have changed: logits + bias, over the temperature, what
 * the mask (bits by id, or null) or a filter leaves out excepted.
 */
export function chooseShaped(
  logits: Float32Array,
  ids: Int32Array,
  request: Pick<GenerateRequest, "temperature" | "logitBias" | "topK" | "topP" | "minP">,
  mask: Uint32Array | null,
  noise: Float32Array,
): { readonly chosen: number; readonly samplerLogProbability: number } {
  const { temperature, logitBias } = request;
  const values = Float32Array.from(ids, (id, i) => {
    if (mask && ((mask[id >> 5]! >>> (id & 31)) & 1) === 0) return -Infinity;
    const biased = Math.fround(logits[i]! + (logitBias?.get(id) ?? 0));
    return temperature > 0 ? biased / temperature : biased;
  });
  const greedy = temperature === 0;
  const threshold = greedy ? -Infinity : filterThreshold(values, request);
  let chosen = 0;
  let largest = -Infinity;
  let likeliest = -Infinity;
  for (let i = 0; i < ids.length; i++) {
    const value = values[i]!;
    if (value === -Infinity || value < threshold) continue;
    likeliest = Math.max(likeliest, value);
    const noisy = greedy ? value : Math.fround(value + noise[ids[i]!]!);
    if (noisy > largest) {
      largest = noisy;
      chosen = i;
    }
  }
  if (greedy) return { chosen, samplerLogProbability: 0 };
  let total = 0;
  for (const value of values) {
    if (value !== -Infinity && value >= threshold) total += exp(Math.fround(value - likeliest));
  }
  return {
    chosen,
    samplerLogProbability: Math.fround(values[chosen]! - likeliest - log(Math.fround(total))),
  };
}

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

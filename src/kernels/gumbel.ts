import { log } from "./math.ts";
import { random4, stream } from "./philox.ts";

/**
 * Standard Gumbel noise of one random word, in f32: -log(-log u) with u = (word / 2^9 + 1/2) 2^-23, strictly inside
 * (0, 1) and exact in f32. Twin of the sampling kernel; `log` is the one of `kernels/math`.
 */
export function gumbel(word: number): number {
  const u = ((word >>> 9) + 0.5) * 2 ** -23;
  return -log(-log(u));
}

const words = new Uint32Array(4);

/**
 * Noise of all ids for one token: id i takes word i mod 4 of Philox(seed, stream.token, position, floor(i / 4)).
 * `position` is the token's place in its sequence, the first of the prompt being 0.
 */
export function gumbelNoise(seed: number, position: number, out: Float32Array): void {
  for (let i = 0; i < out.length; i += 4) {
    random4(seed, stream.token, position, i / 4, words);
    for (let lane = 0; lane < 4 && i + lane < out.length; lane++) out[i + lane] = gumbel(words[lane]!);
  }
}

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

const four = new Uint32Array(4);

/**
 * Random words of all ids for one token: id i takes word i mod 4 of Philox(seed, stream.token, position, floor(i / 4)).
 * `position` is the token's place in its sequence, the first of the prompt being 0. `out` is a multiple of 4 long.
 */
export function tokenWords(seed: number, position: number, out: Uint32Array | Int32Array): void {
  for (let i = 0; i < out.length; i += 4) {
    random4(seed, stream.token, position, i / 4, four);
    out[i] = four[0]!;
    out[i + 1] = four[1]!;
    out[i + 2] = four[2]!;
    out[i + 3] = four[3]!;
  }
}

/** Gumbel noise of `count` ids for one token. */
export function gumbelNoise(seed: number, position: number, count: number): Float32Array {
  const words = new Uint32Array(Math.ceil(count / 4) * 4);
  tokenWords(seed, position, words);
  return Float32Array.from(words.subarray(0, count), gumbel);
}

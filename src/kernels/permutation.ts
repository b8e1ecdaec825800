import { random4, stream } from "./philox.ts";

/**
 * A keyed bijection of 0 ... count - 1 without a sort: a balanced Feistel network of six rounds over the next
 * even power of two, walked along its cycle until it lands inside (Black and Rogaway 2002, "Ciphers with
 * arbitrary finite domains"). Integers only; the twin is `shaders/rl/shuffle.wgsl`, bit for bit.
 */

const ROUNDS = 6;

/** lowbias32: a full-avalanche mix of 32 bits. */
function mix(value: number): number {
  let x = value >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Bits of one Feistel half for `count` elements (1 ... 2^30): at least 1. */
export function permutationHalfBits(count: number): number {
  return Math.max(1, Math.ceil(Math.ceil(Math.log2(Math.max(count, 2))) / 2));
}

/** Where `index` goes; `words` are four random words. */
export function permute(index: number, count: number, words: Readonly<Uint32Array>): number {
  const halfBits = permutationHalfBits(count);
  const mask = (1 << halfBits) - 1;
  let value = index;
  do {
    let left = value >>> halfBits;
    let right = value & mask;
    for (let round = 0; round < ROUNDS; round++) {
      const key = (words[round & 3]! + Math.imul(round, 0x9e3779b9)) >>> 0;
      const next = left ^ (mix(right ^ key) & mask);
      left = right;
      right = next;
    }
    value = ((left << halfBits) | right) >>> 0;
  } while (value >= count);
  return value;
}

/**
 * The order in which one epoch visits its transitions (row t x envs + env of the rollout): minibatch m is
 * entries m x minibatchSize ... Keyed by (seed, stream.shuffle, update x epochs + epoch), index 0.
 */
export function epochPermutation(seed: number, epochOfRun: number, out: Uint32Array): void {
  const words = new Uint32Array(4);
  random4(seed, stream.shuffle, epochOfRun, 0, words);
  for (let i = 0; i < out.length; i++) out[i] = permute(i, out.length, words);
}

/**
 * Counter-based randomness: Philox4x32-10 (Salmon et al. 2011, Random123). No state anywhere: a number is
 * a function of (seed, stream, step, index). The WGSL twin is `shaders/common/philox.wgsl`, bit for bit.
 *
 * key = (seed, stream), counter = (index, step, 0, 0).
 */

/** What a random number is for; keeps the uses independent. */
export const stream = {
  /** step = global environment step (update x T + t), index = environment. */
  action: 1,
  /** Start states. step = global environment step at which the episode starts + 1 (0 = first), index = environment. */
  reset: 2,
  /** Minibatch permutations. step = update x epochs + epoch; words key the bijection. */
  shuffle: 3,
  /** Parameter initialisation. step = tensor number, index = element / 4. */
  initialization: 4,
  /** Start states of evaluation episodes: held out from training by their own stream. */
  evaluation: 5,
  /** Random states on which a compiled function is checked against itself. */
  check: 6,
  /** Token sampling: Gumbel noise. step = position of the token in its sequence, index = id / 4. */
  token: 7,
  /** Tasks of an update. step = update, index = group. */
  task: 8,
  /** Demonstrations of a warm start. step = optimizer step, index = row. */
  demonstration: 9,
  /** Resampling of runs for a bootstrap interval. step = resample, index = draw. */
  resample: 10,
  /** Order of supervised examples. step = epoch; words key the bijection. */
  examples: 11,
  /** Tokens whose embeddings a soft prompt begins with. index = place in the prompt. */
  softPrompt: 12,
} as const;

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** High 32 bits of the 64-bit product of two unsigned 32-bit numbers. */
function multiplyHigh(a: number, b: number): number {
  const al = a & 0xffff;
  const ah = a >>> 16;
  const bl = b & 0xffff;
  const bh = b >>> 16;
  const low = al * bl;
  const mid1 = ah * bl + (low >>> 16);
  const mid2 = al * bh + (mid1 & 0xffff);
  return (ah * bh + Math.floor(mid1 / 0x10000) + Math.floor(mid2 / 0x10000)) >>> 0;
}

/** Ten rounds over `counter` with `key`; writes four unsigned words to `out`. */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
  out: Uint32Array,
): void {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(M0, c0);
    const low0 = Math.imul(M0, c0) >>> 0;
    const high1 = multiplyHigh(M1, c2);
    const low1 = Math.imul(M1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** The four words of (seed, stream, step, index). */
export function random4(seed: number, stream: number, step: number, index: number, out: Uint32Array): void {
  philox([index >>> 0, step >>> 0, 0, 0], [seed >>> 0, stream >>> 0], out);
}

/** Uniform in [0, 1) with 24 bits, exact in f32. */
export function uniform(word: number): number {
  return (word >>> 8) * 2 ** -24;
}

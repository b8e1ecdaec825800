/**
 * `Math.random` of an attempt that must repeat: uniform numbers in [0, 1) with 32 bits from an unsigned 32-bit seed
 * (splitmix32: a Weyl sequence through MurmurHash3's finalizer). Self-contained, because it travels to workers as
 * source.
 */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let word = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
    return ((word ^ (word >>> 16)) >>> 0) / 4294967296;
  };
}

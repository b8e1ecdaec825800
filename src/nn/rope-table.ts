import { naturalLogarithm, sineAndCosineOfTurn } from "./initialize.ts";

/**
 * Cosines and sines of the rotary positions, [maxLength x headSize / 2] each: angle = position x base^(-2i / headSize).
 * Made of + - x / only, so that every engine and browser gets the same bits; error about 1e-7 turns a thousand positions.
 */
export function ropeTable(
  maxLength: number,
  headSize: number,
  base: number,
): { readonly cosines: Float32Array; readonly sines: Float32Array } {
  const half = headSize / 2;
  const cosines = new Float32Array(maxLength * half);
  const sines = new Float32Array(maxLength * half);
  const logBase = -naturalLogarithm(1 / base);
  for (let i = 0; i < half; i++) {
    const turns = exponential((-2 * i * logBase) / headSize) / (2 * Math.PI);
    for (let position = 0; position < maxLength; position++) {
      const turn = position * turns;
      const [sine, cosine] = sineAndCosineOfTurn(turn - Math.floor(turn));
      cosines[position * half + i] = cosine;
      sines[position * half + i] = sine;
    }
  }
  return { cosines, sines };
}

/** e^x to about 1e-16 relative: halved until small, Taylor, squared back. */
function exponential(x: number): number {
  let halvings = 0;
  let r = x;
  while (Math.abs(r) > 0.5) {
    r /= 2;
    halvings++;
  }
  let sum = 1;
  for (let k = 18; k >= 1; k--) sum = 1 + (sum * r) / k;
  for (; halvings > 0; halvings--) sum *= sum;
  return sum;
}

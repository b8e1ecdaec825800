import { cos, log } from "./math.ts";

const f = Math.fround;
const TWO_PI = f(6.2831855);

/**
 * A standard normal number of two random words, by Box and Muller: sqrt(-2 ln(1 - u0)) cos(2 pi u1), in f32. Twin of
 * `shaders/common/normal.wgsl`; a GPU's square root may differ in the last bits.
 */
export function normal(first: number, second: number): number {
  const u = (2 ** 24 - (first >>> 8)) * 2 ** -24;
  const radius = f(Math.sqrt(f(-2 * log(u))));
  return f(radius * cos(f(TWO_PI * ((second >>> 8) * 2 ** -24))));
}

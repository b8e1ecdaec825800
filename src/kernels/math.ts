/**
 * Elementary functions in f32 from + - x / alone: the twin of `shaders/common/math.wgsl`, operation by
 * operation. Every intermediate is rounded to f32, so an adapter that does not fuse multiply and add gives
 * the same bits. Polynomials after Cephes (Moshier) and, for tanh, Eigen and XLA.
 */

const f = Math.fround;
const bitsOf = new Uint32Array(1);
const floatOf = new Float32Array(bitsOf.buffer);

const TWO_OVER_PI = f(0.636619772);
const HALF_PI_1 = 1.5703125;
const HALF_PI_2 = f(4.837512969970703e-4);
const HALF_PI_3 = f(7.549790126404332e-8);
const S1 = f(-1.6666654611e-1);
const S2 = f(8.3321608736e-3);
const S3 = f(-1.9515295891e-4);
const C1 = f(4.166664568298827e-2);
const C2 = f(1.388731625493765e-3);
const C3 = f(2.443315711809948e-5);

/** sin x, |x| <= 8192; absolute error below 2e-7 on [-10, 10]. */
export function sin(x: number): number {
  const q = Math.floor(f(f(x * TWO_OVER_PI) + 0.5));
  return trigonometric(x, q, q);
}

/** cos x, |x| <= 8192; absolute error below 2e-7 on [-10, 10]. */
export function cos(x: number): number {
  const q = Math.floor(f(f(x * TWO_OVER_PI) + 0.5));
  return trigonometric(x, q, q + 1);
}

function trigonometric(x: number, q: number, quadrant: number): number {
  const r = f(f(f(x - f(q * HALF_PI_1)) - f(q * HALF_PI_2)) - f(q * HALF_PI_3));
  const z = f(r * r);
  const value =
    (quadrant & 1) === 0
      ? f(f(f(f(f(f(f(S3 * z) + S2) * z) + S1) * z) * r) + r)
      : f(f(f(f(f(f(f(f(C3 * z) - C2) * z) + C1) * z) * z) - f(0.5 * z)) + 1);
  return (quadrant & 2) === 0 ? value : -value;
}

const E = [
  1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
].map(f);
const LOG2_E = f(1.44269504);
const LN2_HIGH = 0.693359375;
const LN2_LOW = f(2.1219444e-4);

/** e^x with the argument clamped to [-87, 88]; relative error below 2e-7. */
export function exp(x: number): number {
  const y = Math.min(Math.max(f(x), -87), 88);
  const n = Math.floor(f(f(y * LOG2_E) + 0.5));
  const r = f(f(y - f(n * LN2_HIGH)) + f(n * LN2_LOW));
  let p = E[0]!;
  for (let i = 1; i < 6; i++) p = f(f(p * r) + E[i]!);
  return f(f(f(f(p * f(r * r)) + r) + 1) * 2 ** n);
}

const L = [
  7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
  2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
].map(f);

/** Natural logarithm; arguments below 1.1754944e-38 count as that. Relative error below 2e-7. */
export function log(x: number): number {
  floatOf[0] = Math.max(x, 1.1754944e-38);
  const shifted = (bitsOf[0]! - 0x3f3504f3) | 0;
  const exponent = shifted >> 23;
  bitsOf[0] = (shifted & 0x007fffff) + 0x3f3504f3;
  const m = f(floatOf[0] - 1);
  const z = f(m * m);
  let p = L[0]!;
  for (let i = 1; i < 9; i++) p = f(f(p * m) + L[i]!);
  const y = f(f(f(f(p * m) * z) - f(exponent * LN2_LOW)) - f(0.5 * z));
  return f(f(m + y) + f(exponent * LN2_HIGH));
}

const P = [
  -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-8,
  1.48572235717979e-5, 6.37261928875436e-4, 4.89352455891786e-3,
].map(f);
const Q = [1.19825839466702e-6, 1.18534705686654e-4, 2.268434632439e-3, 4.89352518554385e-3].map(f);
const TANH_LIMIT = f(7.9053111);

/** Hyperbolic tangent; absolute error below 3e-7. */
export function tanh(x: number): number {
  const y = Math.min(Math.max(f(x), -TANH_LIMIT), TANH_LIMIT);
  const z = f(y * y);
  let p = P[0]!;
  for (let i = 1; i < 7; i++) p = f(f(p * z) + P[i]!);
  let q = Q[0]!;
  for (let i = 1; i < 4; i++) q = f(f(q * z) + Q[i]!);
  return f(f(y * p) / q);
}

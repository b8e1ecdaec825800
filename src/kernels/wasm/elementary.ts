/**
 * exp, log and tanh of four lanes from + - x / alone: operation by operation the functions of
 * `kernels/math.ts`, so that they give the same bits.
 */
import {
  add,
  addIntegers,
  and,
  clamp,
  constant,
  divide,
  floor,
  fromIntegers,
  integer,
  keep,
  maximum,
  multiply,
  shiftLeft,
  shiftRight,
  subtract,
  subtractIntegers,
  toIntegers,
  type Expression,
} from "./expression.ts";
import type { FunctionBody } from "./function-body.ts";

const LN2_HIGH = 0.693359375;
const LN2_LOW = 2.1219444e-4;

/** c_0 x^n + c_1 x^(n-1) + ... + c_n by Horner's rule. */
function polynomial(x: Expression, coefficients: readonly number[]): Expression {
  return coefficients
    .slice(1)
    .reduce<Expression>((p, c) => add(multiply(p, x), constant(c)), constant(coefficients[0]!));
}

const exponentialCoefficients = [
  1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
];

/** e^x, the argument clamped to [-87, 88]. */
export function exponential(body: FunctionBody, x: Expression): Expression {
  const y = keep(body, clamp(x, constant(-87), constant(88)));
  const n = keep(body, floor(add(multiply(y, constant(1.44269504)), constant(0.5))));
  const r = keep(body, add(subtract(y, multiply(n, constant(LN2_HIGH))), multiply(n, constant(LN2_LOW))));
  const p = polynomial(r, exponentialCoefficients);
  const power = shiftLeft(addIntegers(toIntegers(n), integer(127)), 23);
  return keep(body, multiply(add(add(multiply(p, multiply(r, r)), r), constant(1)), power));
}

const logarithmCoefficients = [
  7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
  2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
];
/** Bits of sqrt(1/2). */
const ROOT_HALF = 0x3f3504f3;

/** Natural logarithm; what is below the smallest normal number counts as that. */
export function logarithm(body: FunctionBody, x: Expression): Expression {
  const shifted = keep(body, subtractIntegers(maximum(x, constant(1.1754944e-38)), integer(ROOT_HALF)));
  const exponent = keep(body, fromIntegers(shiftRight(shifted, 23)));
  const mantissa = addIntegers(and(shifted, integer(0x007fffff)), integer(ROOT_HALF));
  const m = keep(body, subtract(mantissa, constant(1)));
  const z = keep(body, multiply(m, m));
  const p = polynomial(m, logarithmCoefficients);
  const low = multiply(exponent, constant(LN2_LOW));
  const y = subtract(subtract(multiply(multiply(p, m), z), low), multiply(constant(0.5), z));
  return keep(body, add(add(m, y), multiply(exponent, constant(LN2_HIGH))));
}

const tanhNumerator = [
  -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-8,
  1.48572235717979e-5, 6.37261928875436e-4, 4.89352455891786e-3,
];
const tanhDenominator = [1.19825839466702e-6, 1.18534705686654e-4, 2.268434632439e-3, 4.89352518554385e-3];
const TANH_LIMIT = 7.9053111;

export function hyperbolicTangent(body: FunctionBody, x: Expression): Expression {
  const y = keep(body, clamp(x, constant(-TANH_LIMIT), constant(TANH_LIMIT)));
  const z = keep(body, multiply(y, y));
  return divide(multiply(y, polynomial(z, tanhNumerator)), polynomial(z, tanhDenominator));
}

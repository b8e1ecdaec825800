import { F32_MAX } from "./lower-expression.ts";

/** Spacing of f32 at 1; rounding to nearest is half of it. */
const EPSILON = 2 ** -23;
/** Smallest normal f32: adapters may flush what is smaller to zero. */
const TINY = 2 ** -126;
/** Own absolute error of sin, cos (|x| <= 8192), tanh, atan, and relative error of exp and log. */
const OWN = 6e-7;

/** A value in f64 with a bound on the absolute error of its f32 counterpart; Infinity where there is none. */
export interface Bounded {
  readonly value: number;
  readonly error: number;
}

const isExactF32 = (value: number): boolean => Math.fround(value) === value;

/** Adds the rounding of the result itself: `steps` times the f32 spacing. */
const rounded = (value: number, inherited: number, steps: number): Bounded => {
  const error = inherited + steps * EPSILON * (Math.abs(value) + inherited) + TINY;
  return { value, error: Math.abs(value) + error <= F32_MAX ? error : Infinity };
};

const exact = (value: number): Bounded => ({ value, error: 0 });

/** A literal, rounded once. */
export const literal = (value: number): Bounded =>
  isExactF32(value) ? exact(value) : rounded(value, 0, 0.5);

/** Monotone f: the images of both ends of the argument's interval, and f's own error. */
const monotone =
  (f: (x: number) => number, own: (value: number) => number) =>
  ({ value: x, error }: Bounded): Bounded => {
    const value = f(x);
    if (error === Infinity) return { value, error };
    const spread = Math.max(Math.abs(f(x + error) - value), Math.abs(value - f(x - error)));
    // NaN at one end: the argument is too close to where f stops.
    return Number.isNaN(spread) ? { value, error: Infinity } : rounded(value, spread + own(value), 0);
  };

const absolute = (): number => OWN;
const relative = (value: number): number => OWN * Math.abs(value);

/** A step function: exact, unless the argument's interval holds a step. */
const step =
  (f: (x: number) => number) =>
  ({ value: x, error }: Bounded): Bounded => {
    const value = f(x);
    return error === 0 || f(x - error) === f(x + error) ? exact(value) : { value, error: Infinity };
  };

const wave =
  (f: (x: number) => number) =>
  ({ value: x, error }: Bounded): Bounded =>
    Math.abs(x) + error <= 8192
      ? rounded(f(x), Math.min(error, 2) + OWN, 1)
      : { value: f(x), error: Infinity };

const one = exact(1);

export function add(x: Bounded, y: Bounded): Bounded {
  const value = x.value + y.value;
  const inherited = x.error + y.error;
  return inherited === 0 && isExactF32(value) ? exact(value) : rounded(value, inherited, 1);
}

export const subtract = (x: Bounded, y: Bounded): Bounded => add(x, { value: -y.value, error: y.error });

export function multiply(x: Bounded, y: Bounded): Bounded {
  const value = x.value * y.value;
  if (x.error === 0 && y.error === 0) return isExactF32(value) ? exact(value) : rounded(value, 0, 1);
  if (x.error === Infinity || y.error === Infinity) return { value, error: Infinity };
  const inherited = Math.abs(x.value) * y.error + Math.abs(y.value) * x.error + x.error * y.error;
  return rounded(value, inherited, 1);
}

/** WGSL allows 2.5 units in the last place. */
export function divide(x: Bounded, y: Bounded): Bounded {
  const value = x.value / y.value;
  const least = Math.abs(y.value) - y.error;
  // WGSL promises its accuracy for normal divisors below 2^126 alone.
  if (!(least > TINY) || Math.abs(y.value) > 2 ** 126) return { value, error: Infinity };
  const inherited = (x.error + Math.abs(value) * y.error) / least;
  return rounded(value, Number.isNaN(inherited) ? Infinity : inherited, 3);
}

export const larger = (x: Bounded, y: Bounded): Bounded => ({
  value: Math.max(x.value, y.value),
  error: Math.max(x.error, y.error),
});
export const smaller = (x: Bounded, y: Bounded): Bounded => ({
  value: Math.min(x.value, y.value),
  error: Math.max(x.error, y.error),
});

/** Whether the order of two numbers could come out otherwise in f32. */
export const tooClose = (x: Bounded, y: Bounded): boolean => {
  const error = x.error + y.error;
  return error > 0 && !(Math.abs(x.value - y.value) > error);
};

function squareRoot(x: Bounded): Bounded {
  return x.value === 0 && x.error === 0 ? exact(0) : monotone(Math.sqrt, (v) => 3 * EPSILON * v)(x);
}

function remainder(x: Bounded, y: Bounded): Bounded {
  const value = x.value % y.value;
  const whole = (n: Bounded): boolean =>
    n.error === 0 && Number.isInteger(n.value) && Math.abs(n.value) < 2 ** 23;
  if (whole(x) && whole(y)) return exact(value);
  const error =
    x.error + (Math.abs(x.value / y.value) + 1) * y.error + 4 * EPSILON * Math.abs(x.value) + TINY;
  const distance = Math.min(Math.abs(value), Math.abs(y.value) - Math.abs(value));
  // Near a multiple of y the remainder jumps; below |y| it is x itself, unless |x| is close to |y|.
  const inside = Math.abs(x.value) + x.error < Math.abs(y.value) - y.error;
  if (inside) return { value, error: x.error };
  return { value, error: distance > error ? error : Infinity };
}

function floorDivide(x: Bounded, y: Bounded): Bounded {
  const value = Math.floor(x.value / y.value);
  const whole = (n: Bounded): boolean =>
    n.error === 0 && Number.isInteger(n.value) && Math.abs(n.value) < 2 ** 23;
  return whole(x) && whole(y) && y.value !== 0 ? exact(value) : step(Math.floor)(divide(x, y));
}

function power(x: Bounded, y: Bounded): Bounded {
  const value = x.value ** y.value;
  if (y.error === 0 && y.value === 0) return exact(1);
  if (x.error === 0 && x.value === 0 && y.value - y.error > 0) return exact(0);
  // A negative base has a power only for whole exponents, and its sign jumps between them.
  if (x.value - x.error <= 0 && (y.error > 0 || x.value + x.error >= 0)) return { value, error: Infinity };
  const size = Math.abs(x.value);
  const low = size - x.error;
  if (!(low > TINY)) return { value, error: Infinity };
  const logarithm = Math.abs(Math.log(size)) + x.error / low;
  const exponent = (Math.abs(y.value) + y.error) * logarithm;
  // exp(y log x) ends at its argument's clamp.
  if (!(exponent < 87)) return { value, error: Infinity };
  const inherited = (Math.abs(y.value) * x.error) / low + y.error * logarithm;
  const own = exponent * (OWN + 2 * EPSILON) + OWN;
  return rounded(value, Math.abs(value) * Math.expm1(inherited + own), 1);
}

function integerPower(x: Bounded, exponent: number): Bounded {
  const value = x.value ** exponent;
  const size = Math.abs(x.value);
  return rounded(value, (size + x.error) ** exponent - size ** exponent, exponent);
}

function hypotenuse(values: readonly Bounded[]): Bounded {
  return squareRoot(values.map((value) => multiply(value, value)).reduce(add));
}

const exponential = (x: Bounded): Bounded =>
  Math.abs(x.value) + x.error < 87
    ? monotone(Math.exp, relative)(x)
    : x.value + x.error <= -87
      ? { value: Math.exp(x.value), error: TINY * 2 }
      : { value: Math.exp(x.value), error: Infinity };

function logarithm(x: Bounded): Bounded {
  return x.value - x.error > TINY
    ? monotone(Math.log, relative)(x)
    : { value: Math.log(x.value), error: Infinity };
}

function arctangent2(y: Bounded, x: Bounded): Bounded {
  const value = Math.atan2(y.value, x.value);
  const size = Math.hypot(x.value, y.value);
  const error = x.error + y.error;
  if (!(size > 2 * error) || size < 1e-30) return { value, error: Infinity };
  // The cut along the negative x axis, and the sign of zero that WGSL need not keep.
  if (x.value - x.error <= 0 && Math.abs(y.value) <= y.error) return { value, error: Infinity };
  return rounded(value, (2 * error) / size + 2 * OWN, 1);
}

const negate = ({ value, error }: Bounded): Bounded => ({ value: -value, error });

/** Bounds of the unary operators. */
export const unary = {
  negate,
  abs: ({ value, error }: Bounded): Bounded => ({ value: Math.abs(value), error }),
  floor: step(Math.floor),
  ceil: step(Math.ceil),
  trunc: step(Math.trunc),
  sign: step(Math.sign),
  sqrt: squareRoot,
} as const;

const functions: Readonly<Record<string, (x: Bounded, y: Bounded) => Bounded>> = {
  sin: wave(Math.sin),
  cos: wave(Math.cos),
  tan: (x) => {
    const { error } = divide(wave(Math.sin)(x), wave(Math.cos)(x));
    return { value: Math.tan(x.value), error };
  },
  exp: exponential,
  tanh: monotone(Math.tanh, absolute),
  log: logarithm,
  log2: (x) => ({ ...multiply(logarithm(x), literal(Math.LOG2E)), value: Math.log2(x.value) }),
  log10: (x) => ({ ...multiply(logarithm(x), literal(Math.LOG10E)), value: Math.log10(x.value) }),
  log1p: (x) =>
    x.value - x.error > -0.999999 && x.value < 1e37
      ? monotone(Math.log1p, (v) => 4 * OWN * Math.abs(v))(x)
      : { value: Math.log1p(x.value), error: Infinity },
  expm1: (x) => ({ value: Math.expm1(x.value), error: 4 * exponential(x).error + 4 * OWN }),
  sinh: (x) => ({
    value: Math.sinh(x.value),
    error: add(exponential(x), exponential(negate(x))).error,
  }),
  cosh: (x) => ({
    value: Math.cosh(x.value),
    error: add(exponential(x), exponential(negate(x))).error,
  }),
  atan: monotone(Math.atan, absolute),
  atan2: arctangent2,
  asin: (x) => inverseSine(x, Math.asin(x.value)),
  acos: (x) => inverseSine(x, Math.acos(x.value)),
  cbrt: (x) =>
    x.error === 0 && x.value === 0
      ? exact(0)
      : Math.abs(x.value) - x.error > TINY
        ? {
            ...power({ value: Math.abs(x.value), error: x.error }, literal(1 / 3)),
            value: Math.cbrt(x.value),
          }
        : { value: Math.cbrt(x.value), error: Infinity },
  round: step(Math.round),
  normal: (u, v) =>
    multiply(
      squareRoot(multiply(literal(-2), logarithm(subtract(one, u)))),
      wave(Math.cos)(multiply(literal(2 * Math.PI), v)),
    ),
  remainder,
  floorDivide,
  pow: power,
};

/** Both are atan2 of x and sqrt((1 - x)(1 + x)). */
function inverseSine(x: Bounded, value: number): Bounded {
  const root = squareRoot(multiply(subtract(one, x), add(one, x)));
  return { value, error: Number.isNaN(root.value) ? Infinity : 2 * (x.error + root.error) + 2 * OWN };
}

/** Bound of a primitive or library call, by the callee's name in the intermediate form. */
export function call(callee: string): (values: readonly Bounded[]) => Bounded {
  const numbered = /^(power|hypot)(\d+)$/.exec(callee);
  if (numbered?.[1] === "power") return ([x]) => integerPower(x!, Number(numbered[2]));
  if (numbered) return hypotenuse;
  const f = functions[callee];
  if (!f) throw new Error(`no reference for ${callee}`);
  return ([x, y]) => f(x!, y ?? one);
}

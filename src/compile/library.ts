import type { IrFunction } from "./ir.ts";
import { Program } from "./program.ts";

/**
 * Functions that every back end has itself, bit for bit alike: `src/kernels/math.ts` and
 * `shaders/common/math.wgsl`. `logPositive` takes arguments below 1.2e-38 as that number.
 */
export const primitives = ["sin", "cos", "exp", "logPositive", "tanh"] as const;
export type Primitive = (typeof primitives)[number];
export const isPrimitive = (name: string): name is Primitive =>
  (primitives as readonly string[]).includes(name);

/**
 * The rest of `Math`, written in the numeric subset itself and compiled like any function, so that all back
 * ends agree. The square root of a negative number stands for NaN, which WGSL cannot spell.
 */
const sources: Readonly<Record<string, readonly [parameters: number, source: string]>> = {
  // x - floor(x) is exact; floor(x + 0.5) is not.
  round: [1, "(x) => { const f = Math.floor(x); return x - f >= 0.5 ? f + 1 : f; }"],
  // The sign of x, as JavaScript's %. x / y may round up to the next whole number: put that right.
  remainder: [
    2,
    `(x, y) => {
      const d = Math.abs(y);
      let r = x - y * Math.trunc(x / y);
      if (x < 0) { if (r > 0) r = r - d; else if (r <= -d) r = r + d; }
      else if (r < 0) r = r + d; else if (r >= d) r = r - d;
      return r;
    }`,
  ],
  // floor(x / y), exact for whole numbers where a quotient of theirs may be off by a unit in the last place.
  floorDivide: [
    2,
    `(x, y) => {
      const d = Math.abs(y);
      const n = y < 0 ? -x : x;
      const t = n / d;
      const q = Math.floor(t);
      const r = n - q * d;
      return r < 0 ? q - 1 : r >= d ? q + 1 : q;
    }`,
  ],
  log: [1, "(x) => x < 0 ? Math.sqrt(x) : logPositive(x)"],
  log2: [1, "(x) => log(x) * Math.LOG2E"],
  log10: [1, "(x) => log(x) * Math.LOG10E"],
  // Kahan: the rounding of 1 + x cancels in the quotient.
  log1p: [1, "(x) => { const u = 1 + x; return u === 1 ? x : log(u) * x / (u - 1); }"],
  expm1: [1, "(x) => { const t = tanh(0.5 * x); return Math.abs(x) < 1 ? 2 * t / (1 - t) : exp(x) - 1; }"],
  sinh: [1, "(x) => 0.5 * (exp(x) - exp(-x))"],
  cosh: [1, "(x) => 0.5 * (exp(x) + exp(-x))"],
  tan: [1, "(x) => sin(x) / cos(x)"],
  // Cephes (Moshier), atanf: reduction at tan(pi/8) and tan(3 pi/8).
  atan: [
    1,
    `(x) => {
      const t = Math.abs(x);
      let base = 0;
      let y = t;
      if (t > 2.414213562373095) { base = 1.5707963267948966; y = -1 / t; }
      else if (t > 0.4142135623730951) { base = 0.7853981633974483; y = (t - 1) / (t + 1); }
      const z = y * y;
      const p = ((8.05374449538e-2 * z - 1.38776856032e-1) * z + 1.99777106478e-1) * z - 3.33329491539e-1;
      const r = base + (p * z * y + y);
      return x < 0 ? -r : r;
    }`,
  ],
  atan2: [
    2,
    `(y, x) => {
      if (x > 0) return atan(y / x);
      if (x < 0) return y < 0 ? atan(y / x) - Math.PI : atan(y / x) + Math.PI;
      return y > 0 ? 1.5707963267948966 : y < 0 ? -1.5707963267948966 : 0;
    }`,
  ],
  asin: [1, "(x) => atan2(x, Math.sqrt((1 - x) * (1 + x)))"],
  acos: [1, "(x) => atan2(Math.sqrt((1 - x) * (1 + x)), x)"],
  // Box and Muller (1958), of two uniform numbers in [0, 1).
  normal: [2, "(u, v) => Math.sqrt(-2 * logPositive(1 - u)) * cos(6.283185307179586 * v)"],
  cbrt: [1, "(x) => x === 0 ? 0 : Math.sign(x) * exp(logPositive(Math.abs(x)) / 3)"],
  pow: [
    2,
    `(x, y) => {
      if (y === 0) return 1;
      if (x === 0) return y > 0 ? 0 : 1 / Math.abs(x);
      const m = exp(y * logPositive(Math.abs(x)));
      if (x > 0) return m;
      if (Math.floor(y) !== y) return Math.sqrt(x);
      return y - 2 * Math.floor(0.5 * y) === 0 ? m : -m;
    }`,
  ],
};

/** The least number of multiplications by squaring, from the left. */
function powerSource(exponent: number): string {
  const bits = exponent.toString(2).slice(1);
  const products = [...bits].map((bit, i) => {
    const half = i === 0 ? "x" : `y${i - 1}`;
    return `${half} * ${half}${bit === "1" ? " * x" : ""}`;
  });
  const named = products.slice(0, -1).map((product, i) => `const y${i} = ${product};`);
  return `(x) => { ${named.join(" ")} return ${products.at(-1) ?? "x"}; }`;
}

function hypotSource(count: number): string {
  const names = Array.from({ length: count }, (_, i) => `x${i}`);
  const squares = names.map((name) => `${name} * ${name}`).join(" + ");
  return `(${names.join(", ")}) => Math.sqrt(${squares})`;
}

const compiled = new Map<string, IrFunction>();

/** A function of the library by name: one of the table above, `power{n}` or `hypot{n}`. */
export function libraryFunction(name: string): IrFunction {
  const known = compiled.get(name);
  if (known) return known;
  const numbered = /^(power|hypot)(\d+)$/.exec(name);
  let entry = sources[name];
  if (numbered) {
    const n = Number(numbered[2]);
    entry = numbered[1] === "power" ? [1, powerSource(n)] : [n, hypotSource(n)];
  }
  if (!entry) throw new Error(`no library function ${name}`);
  const [parameters, source] = entry;
  const program = new Program({}, {}, [...primitives, ...Object.keys(sources)]);
  const { lowered } = program.entry(
    { source },
    {
      name,
      parameters: Array.from({ length: parameters }, () => "f32" as const),
      signature: "numbers",
      result: "f32",
    },
  );
  compiled.set(name, lowered);
  return lowered;
}

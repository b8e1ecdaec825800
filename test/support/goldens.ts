import { readFileSync } from "node:fs";
import { expect } from "vitest";

/** A tensor of the golden file: flat row-major data. */
export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly dtype: "f64" | "i32" | "bool";
  readonly data: readonly number[];
}

type GoldenValue = number | boolean | string | GoldenTensor | readonly number[] | GoldenGroup;
export interface GoldenGroup {
  readonly [name: string]: GoldenValue;
}

interface RawCase {
  readonly params: Readonly<Record<string, unknown>>;
  readonly inputs: GoldenGroup;
  readonly outputs: GoldenGroup;
  readonly tol: { readonly f32_rtol: number; readonly f32_atol: number };
}

/** One case of `test/fixtures/rl-goldens.json`, computed in f64. Names may be paths: "weights/a.w1". */
export interface GoldenCase {
  readonly params: Readonly<Record<string, unknown>>;
  /** Flat data of an input tensor or list. */
  input(path: string): readonly number[];
  output(path: string): readonly number[];
  /** A scalar output. */
  scalar(path: string): number;
  readonly raw: RawCase;
  /** Tolerance of an f32 result. */
  readonly f32: Tolerance;
}

/** |actual - expected| <= absolute + relative x |expected|. */
export interface Tolerance {
  readonly absolute: number;
  readonly relative: number;
}

/** What every f64 reference is held to. */
export const f64Tolerance: Tolerance = { absolute: 1e-9, relative: 0 };

let cases: Readonly<Record<string, RawCase>> | undefined;

function find(group: GoldenGroup, path: string): GoldenValue {
  let value: GoldenValue = group;
  for (const part of path.split("/")) {
    const next: GoldenValue | undefined = (value as GoldenGroup)[part];
    if (next === undefined) throw new Error(`golden has no "${path}"`);
    value = next;
  }
  return value;
}

function flat(value: GoldenValue): readonly number[] {
  if (typeof value === "object" && "data" in value) return (value as GoldenTensor).data;
  if (Array.isArray(value)) return (value as unknown[]).flat(Infinity) as number[];
  throw new Error("golden value is no tensor");
}

/** Loads one case; throws where there is none. */
export function golden(name: string): GoldenCase {
  if (!cases) {
    const url = new URL("../fixtures/rl-goldens.json", import.meta.url);
    cases = (JSON.parse(readFileSync(url, "utf8")) as { cases: Record<string, RawCase> }).cases;
  }
  const raw = cases[name];
  if (!raw) throw new Error(`no golden named "${name}"`);
  return {
    raw,
    params: raw.params,
    input: (path) => flat(find(raw.inputs, path)),
    output: (path) => flat(find(raw.outputs, path)),
    scalar: (path) => find(raw.outputs, path) as number,
    f32: { absolute: raw.tol.f32_atol, relative: raw.tol.f32_rtol },
  };
}

/** Index and size of the worst disagreement, or null where all agree. NaN agrees with nothing. */
export function worstDifference(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
): { readonly index: number; readonly actual: number; readonly expected: number } | null {
  let worst = -1;
  let worstExcess = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    const excess = difference - tolerance.absolute - tolerance.relative * Math.abs(expected[i]!);
    if (!(excess <= 0) && (worst < 0 || !(excess <= worstExcess))) {
      worst = i;
      worstExcess = excess;
    }
  }
  return worst < 0 ? null : { index: worst, actual: actual[worst]!, expected: expected[worst]! };
}

/** Fails, naming the worst element, unless all elements agree within the tolerance (default: 1e-9 absolute). */
export function expectClose(
  actual: ArrayLike<number> | number,
  expected: ArrayLike<number> | number,
  tolerance: Tolerance = f64Tolerance,
  label = "values",
): void {
  const a = typeof actual === "number" ? [actual] : actual;
  const e = typeof expected === "number" ? [expected] : expected;
  expect(a.length, `${label}: length`).toBe(e.length);
  const worst = worstDifference(a, e, tolerance);
  if (worst) {
    expect.fail(`${label}[${worst.index}]: ${worst.actual}, expected ${worst.expected}`);
  }
}

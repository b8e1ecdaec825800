import type { FunctionBody, Local } from "./function-body.ts";

/** Repeats `inside` `counter` times, not at all where it is 0. Leaves `counter` at 0. */
export function countDown(body: FunctionBody, counter: Local, inside: () => void): void {
  body.block(null, () => {
    body.get(counter).op("i32.eqz").branchIf(0);
    body.loop(null, () => {
      inside();
      body.get(counter).i32(-1).op("i32.add").tee(counter).branchIf(0);
    });
  });
}

/** pointer += bytes. */
export function advance(body: FunctionBody, pointer: Local, bytes: number): void {
  body.get(pointer).i32(bytes).op("i32.add").set(pointer);
}

/**
 * Walks `vectors` f32x4 from `pointers`, which it advances: `inside(offset)` handles the vectors at that many bytes
 * from each pointer. Clobbers `counter`.
 */
export function forEachVector(
  body: FunctionBody,
  vectors: number,
  pointers: readonly Local[],
  counter: Local,
  inside: (offset: number) => void,
): void {
  const unrolled = vectors % 4 === 0 ? 4 : vectors % 2 === 0 ? 2 : 1;
  body.i32(vectors / unrolled).set(counter);
  countDown(body, counter, () => {
    for (let i = 0; i < unrolled; i++) inside(16 * i);
    for (const pointer of pointers) advance(body, pointer, 16 * unrolled);
  });
}

/** Leaves (v0 + v2) + (v1 + v3) on the stack: one fixed order everywhere. Clobbers `vector`. */
export function horizontalSum(body: FunctionBody, vector: Local): void {
  body.get(vector).get(vector).get(vector).shuffle([2, 3, 0, 1]).op("f32x4.add").tee(vector).extractLane(0);
  body.get(vector).extractLane(1).op("f32.add");
}

/** Leaves the largest lane on the stack. Clobbers `vector`. */
export function horizontalMaximum(body: FunctionBody, vector: Local): void {
  body.get(vector).get(vector).get(vector).shuffle([2, 3, 0, 1]).op("f32x4.pmax").tee(vector).extractLane(0);
  body.get(vector).extractLane(1).op("f32.max");
}

const log2E = Math.fround(1.44269504);
const ln2High = 0.693359375;
const ln2Low = Math.fround(2.1219444e-4);
const polynomial = [
  1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
];

/** Three vectors that `exponential` and `naturalLogarithm` may overwrite. */
export interface VectorScratch {
  readonly n: Local;
  readonly r: Local;
  readonly p: Local;
}

export function vectorScratch(body: FunctionBody): VectorScratch {
  return { n: body.local("v128"), r: body.local("v128"), p: body.local("v128") };
}

/** x = e^x for four lanes, operation by operation the `exp` of `kernels/math`; NaN stays NaN. */
export function exponential(body: FunctionBody, x: Local, { n, r, p }: VectorScratch): void {
  body.get(x).f32x4(-87).op("f32x4.pmax").f32x4(88).op("f32x4.pmin").tee(x);
  body.f32x4(log2E).op("f32x4.mul").f32x4(0.5).op("f32x4.add").op("f32x4.floor").set(n);
  body.get(x).get(n).f32x4(ln2High).op("f32x4.mul").op("f32x4.sub");
  body.get(n).f32x4(ln2Low).op("f32x4.mul").op("f32x4.add").set(r);
  body.f32x4(polynomial[0]!).set(p);
  for (const coefficient of polynomial.slice(1)) {
    body.get(p).get(r).op("f32x4.mul").f32x4(coefficient).op("f32x4.add").set(p);
  }
  body.get(p).get(r).get(r).op("f32x4.mul").op("f32x4.mul").get(r).op("f32x4.add");
  body.f32x4(1).op("f32x4.add");
  body.get(n).op("i32x4.trunc_sat_f32x4_s").i32x4(127).op("i32x4.add").i32(23).op("i32x4.shl");
  body.op("f32x4.mul").set(x);
}

const logarithm = [
  7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
  2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
];

/** x = ln x for four lanes of normal positive numbers, operation by operation the `log` of `kernels/math`. */
export function naturalLogarithm(body: FunctionBody, x: Local, { n, r, p }: VectorScratch): void {
  body.get(x).i32x4(0x3f3504f3).op("i32x4.sub").tee(n);
  body.i32x4(0x007fffff).op("v128.and").i32x4(0x3f3504f3).op("i32x4.add").f32x4(1).op("f32x4.sub").set(r);
  body.get(n).i32(23).op("i32x4.shr_s").op("f32x4.convert_i32x4_s").set(n);
  body.f32x4(logarithm[0]!).set(p);
  for (const coefficient of logarithm.slice(1)) {
    body.get(p).get(r).op("f32x4.mul").f32x4(coefficient).op("f32x4.add").set(p);
  }
  body.get(r).get(r).op("f32x4.mul").set(x);
  body.get(p).get(r).op("f32x4.mul").get(x).op("f32x4.mul");
  body.get(n).f32x4(ln2Low).op("f32x4.mul").op("f32x4.sub");
  body.get(x).f32x4(0.5).op("f32x4.mul").op("f32x4.sub").get(r).op("f32x4.add");
  body.get(n).f32x4(ln2High).op("f32x4.mul").op("f32x4.add").set(x);
}

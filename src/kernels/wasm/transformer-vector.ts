import { exponential, logarithm } from "./elementary.ts";
import { read } from "./expression.ts";
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

/** x = e^x for four lanes. */
export function replaceByExponential(body: FunctionBody, x: Local): void {
  exponential(body, read(x))(body);
  body.set(x);
}

/** x = ln x for four lanes. */
export function replaceByLogarithm(body: FunctionBody, x: Local): void {
  logarithm(body, read(x))(body);
  body.set(x);
}

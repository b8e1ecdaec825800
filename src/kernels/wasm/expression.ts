import type { FunctionBody, Local } from "./function-body.ts";
import type { VectorInstruction } from "./opcodes.ts";

/** Code that leaves one value on the stack. Writing it twice computes it twice: name what is used again (`keep`). */
export type Expression = (body: FunctionBody) => void;

const binary =
  (instruction: VectorInstruction) =>
  (a: Expression, b: Expression): Expression =>
  (body) => {
    a(body);
    b(body);
    body.op(instruction);
  };

const unary =
  (instruction: VectorInstruction) =>
  (a: Expression): Expression =>
  (body) => {
    a(body);
    body.op(instruction);
  };

export const add = binary("f32x4.add");
export const subtract = binary("f32x4.sub");
export const multiply = binary("f32x4.mul");
export const divide = binary("f32x4.div");
/** b where b < a, else a: one instruction on x86, unlike `f32x4.min`; a NaN in `a` stays. */
export const minimum = binary("f32x4.pmin");
/** b where a < b, else a. */
export const maximum = binary("f32x4.pmax");
export const greater = binary("f32x4.gt");
export const greaterOrEqual = binary("f32x4.ge");
export const less = binary("f32x4.lt");
export const equal = binary("f32x4.eq");
export const and = binary("v128.and");
export const equalIntegers = binary("i32x4.eq");
export const addIntegers = binary("i32x4.add");
export const subtractIntegers = binary("i32x4.sub");
export const squareRoot = unary("f32x4.sqrt");
export const floor = unary("f32x4.floor");
export const absolute = unary("f32x4.abs");
export const negate = unary("f32x4.neg");
/** Lanes to i32, towards zero. */
export const toIntegers = unary("i32x4.trunc_sat_f32x4_s");
export const fromIntegers = unary("f32x4.convert_i32x4_s");

export const constant =
  (value: number): Expression =>
  (body) => {
    body.f32x4(value);
  };

export const integer =
  (value: number): Expression =>
  (body) => {
    body.i32x4(value);
  };

export const read =
  (local: Local): Expression =>
  (body) => {
    body.get(local);
  };

/** Four lanes at `address` + `offset` bytes. */
export const load =
  (address: Expression, offset: number): Expression =>
  (body) => {
    address(body);
    body.memory("v128.load", offset);
  };

/** One f32 at `address` + `offset` bytes, in all lanes. */
export const loadSplat =
  (address: Expression, offset: number): Expression =>
  (body) => {
    address(body);
    body.memory("v128.load32_splat", offset);
  };

/** An f32 in all lanes. */
export const splat =
  (scalar: Expression): Expression =>
  (body) => {
    scalar(body);
    body.op("f32x4.splat");
  };

/** `then` where the lanes of `mask` are all ones, else `otherwise`. */
export const choose =
  (mask: Expression, then: Expression, otherwise: Expression): Expression =>
  (body) => {
    then(body);
    otherwise(body);
    mask(body);
    body.op("v128.bitselect");
  };

export const shiftLeft =
  (a: Expression, bits: number): Expression =>
  (body) => {
    a(body);
    body.i32(bits).op("i32x4.shl");
  };

export const shiftRight =
  (a: Expression, bits: number): Expression =>
  (body) => {
    a(body);
    body.i32(bits).op("i32x4.shr_s");
  };

export const shuffle =
  (a: Expression, b: Expression, lanes: readonly [number, number, number, number]): Expression =>
  (body) => {
    a(body);
    b(body);
    body.shuffle(lanes);
  };

/** The lowest and highest bound, a NaN in `a` stays. */
export const clamp = (a: Expression, low: Expression, high: Expression): Expression =>
  minimum(maximum(a, low), high);

/** Computes a vector once into a new variable. */
export function keep(body: FunctionBody, value: Expression): Expression {
  const local = body.local("v128");
  value(body);
  body.set(local);
  return read(local);
}

export function assign(body: FunctionBody, local: Local, value: Expression): void {
  value(body);
  body.set(local);
}

/** Stores four lanes at `address` + `offset` bytes. */
export function store(body: FunctionBody, address: Expression, offset: number, value: Expression): void {
  address(body);
  value(body);
  body.memory("v128.store", offset);
}

/** Runs `inside` with an i32 variable at start, start + step, ... while it is below `end`; at least once. */
export function forRange(
  body: FunctionBody,
  start: number,
  end: number,
  step: number,
  inside: (i: Local) => void,
): void {
  const i = body.local("i32");
  body.i32(start).set(i);
  body.loop(null, () => {
    inside(i);
    body.get(i).i32(step).op("i32.add").tee(i).i32(end).op("i32.lt_u").branchIf(0);
  });
}

/** The four vectors' lane sums as one vector; always added in the same order. */
export function laneSums(
  body: FunctionBody,
  [a, b, c, d]: readonly [Expression, Expression, Expression, Expression],
): Expression {
  const ab = keep(body, add(shuffle(a, b, [0, 4, 1, 5]), shuffle(a, b, [2, 6, 3, 7])));
  const cd = keep(body, add(shuffle(c, d, [0, 4, 1, 5]), shuffle(c, d, [2, 6, 3, 7])));
  return add(shuffle(ab, cd, [0, 1, 4, 5]), shuffle(ab, cd, [2, 3, 6, 7]));
}

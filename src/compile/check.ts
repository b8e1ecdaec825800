import { FulguriteError } from "../gpu/error.ts";
import type { Action, GivenAction } from "../kernels/action-space.ts";
import { random4, stream, uniform } from "../kernels/philox.ts";
import type { AnyFunction } from "./captured.ts";
import type { CompiledStepReward } from "./compile.ts";
import { describeState } from "./describe-state.ts";

export interface RewardCheck {
  /** States on which the forms were compared. */
  readonly checkedStates: number;
  /** Largest |f32 - f64| on them. */
  readonly largestDifference: number;
  /** States for which the reward is NaN or infinite, or overflows f32. */
  readonly nonFinite: number;
  /** States left out because a comparison or a step was too close to call in f32. */
  readonly undecided: number;
}

/** A state as a person's function sees it: fields by name and by number. */
export type StateView = Readonly<Record<string | number, number>>;
export type StepFunction = (s: StateView, a: GivenAction, next: StateView) => unknown;

/**
 * Compares the compiled f32 form with the f64 reference, and the reference with the person's own function
 * where there is one, on random states: fields of both signs and of sizes from 0.01 to 10, whole
 * numbers among them; `next` near `s` or unrelated. Same seed: same states. A difference that rounding does
 * not explain throws `compile/mismatch`.
 */
export function checkReward(
  compiled: CompiledStepReward,
  jsFunction: StepFunction | null,
  options: { readonly states: number; readonly seed: number },
): RewardCheck {
  const { stateFields } = compiled;
  const size = stateFields.length;
  const states = new Float32Array(2 * size);
  let checkedStates = 0;
  let largestDifference = 0;
  let nonFinite = 0;
  let undecided = 0;
  for (let i = 0; i < options.states; i++) {
    const a = randomAction(states, compiled, options.seed, i);
    const { value, error } = compiled.referenceWithBound(states, 0, a, states, size);
    const actual = compiled.evaluate(states, 0, a, states, size);
    const difference = Math.abs(actual - value);
    if (error === Infinity) {
      if (Number.isFinite(value) && Number.isFinite(actual)) undecided++;
      else nonFinite++;
    } else if (difference <= error) {
      checkedStates++;
      largestDifference = Math.max(largestDifference, difference);
    } else {
      throw mismatch(compiled, states, a, `the compiled form gives ${actual}, the reference ${value}`);
    }
    if (jsFunction) compareWithFunction(compiled, jsFunction, states, a, value, error);
  }
  return { checkedStates, largestDifference, nonFinite, undecided };
}

function compareWithFunction(
  compiled: CompiledStepReward,
  jsFunction: StepFunction,
  states: Float32Array,
  a: Action,
  value: number,
  error: number,
): void {
  const size = compiled.stateFields.length;
  const view = (at: number): StateView => {
    const entries = compiled.stateFields.flatMap((field, i): [string | number, number][] => [
      [i, states[at + i]!],
      [field, states[at + i]!],
    ]);
    return Object.fromEntries(entries) as StateView;
  };
  let own: unknown;
  try {
    const call: AnyFunction = jsFunction;
    own = call(...([view(0), a, view(size)] as never[]));
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw mismatch(compiled, states, a, `the function itself throws "${text}"`);
  }
  if (typeof own !== "number") {
    throw mismatch(compiled, states, a, `the function itself gives ${typeof own}, not a number`);
  }
  // Both compute in f64; they differ in the order of a few operations at most.
  const tolerance = 1e-9 * Math.abs(value) + (error === Infinity ? 1e-9 : Math.min(error, 1e-3));
  const same = Object.is(own, value) || Math.abs(own - value) <= tolerance;
  // At a jump f64 itself can fall on either side.
  if (!same && (error !== Infinity || !Number.isFinite(own) !== !Number.isFinite(value))) {
    throw mismatch(compiled, states, a, `the function itself gives ${own}, its compiled source ${value}`);
  }
}

/** Writes s and next to `states`; returns the action. A pure function of (seed, index). */
export function randomStep(
  states: Float32Array,
  size: number,
  actionCount: number,
  seed: number,
  index: number,
): number {
  const words = new Uint32Array(4);
  random4(seed, stream.check, 0, index, words);
  const action = Math.floor(uniform(words[0]!) * actionCount);
  const near = uniform(words[1]!) < 0.5;
  const spread = 10 ** (3 * uniform(words[2]!) - 2);
  const whole = uniform(words[3]!) < 0.1;
  for (let i = 0; i < size; i++) {
    random4(seed, stream.check, 1 + i, index, words);
    const value = spread * (2 * uniform(words[0]!) - 1);
    states[i] = whole ? Math.round(Math.min(Math.max(value, -9), 9)) : value;
    const other = 2 * uniform(words[1]!) - 1;
    states[size + i] = near ? states[i]! + 0.02 * spread * other : spread * other;
  }
  return action;
}

/** As `randomStep` of a reward's states; an action of several dimensions is a list, each number in [-1, 1). */
export function randomAction(
  states: Float32Array,
  { stateFields, actionCount, actionSize }: CompiledStepReward,
  seed: number,
  index: number,
): Action {
  const action = randomStep(states, stateFields.length, actionCount, seed, index);
  if (actionSize === 1) return action;
  const words = new Uint32Array(4);
  return Array.from({ length: actionSize }, (_, d) => {
    random4(seed, stream.check, 2 ** 20 + d, index, words);
    return Math.fround(2 * uniform(words[0]!) - 1);
  });
}

function mismatch(
  compiled: CompiledStepReward,
  states: Float32Array,
  a: Action,
  what: string,
): FulguriteError {
  const size = compiled.stateFields.length;
  const fields = (at: number): string => describeState(compiled.stateFields, states, at);
  return new FulguriteError(
    "compile/mismatch",
    `the reward's forms disagree: ${what} (s: ${fields(0)}; a: ${String(a)}; next: ${fields(size)})`,
    "Check that captured constants have not changed since; otherwise please report this reward.",
  );
}

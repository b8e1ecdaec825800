import type { Action } from "../kernels/action-space.ts";
import type { CompiledReward } from "./compiled-reward.ts";
import type { Bounded } from "./error-bounds.ts";
import { compileForms, type StepRewardOptions } from "./forms.ts";
import { interpretReference } from "./reference.ts";
import { type EvaluateStep, interpretedStep, wasmStep } from "./run-wasm.ts";
import { emitWgsl } from "./wgsl.ts";

/** A step reward in all its forms. */
export interface CompiledStepReward extends CompiledReward {
  readonly stateFields: readonly string[];
  readonly actionCount: number;
  readonly actionSize: number;
  /** The source in f64, with JavaScript's own Math. */
  reference(s: ArrayLike<number>, sAt: number, a: Action, next: ArrayLike<number>, nextAt: number): number;
  /** The same, and how far a correct f32 engine may be from it; Infinity where that is too close to call. */
  referenceWithBound(
    s: ArrayLike<number>,
    sAt: number,
    a: Action,
    next: ArrayLike<number>,
    nextAt: number,
  ): Bounded;
}

/**
 * Compiles a step reward, `(s, a, next) => number`, from its source text. `s` and `next` are the states
 * before and after the step, `a` the action's number; where an action has several dimensions, a list of them.
 *
 * | what | which |
 * |---|---|
 * | function | one arrow or `function` expression of at most the parameters `s`, `a`, `next`, under any names |
 * | statements | `const`, `let` (with a value), `if` / `else`, blocks, `return`; to a `let`: `=` `+=` `-=` `*=` `/=` `%=` `**=` `++` `--` |
 * | loops | `for (let i = 0; i < 8; i++)` with constants, at most 65,536 rounds in all; `break`, `continue` |
 * | numbers | literals, captured constants, `Math.E LN10 LN2 LOG10E LOG2E PI SQRT1_2 SQRT2`; finite in f32 |
 * | lists | `[0, 1]`, `new Array(8).fill(0)`, captured lists, fields such as `board[36]`; `l[i]` (truncated, held within the list), `l.length` |
 * | state | `s.x`, `s["x"]`, `s[0]` (a constant index), `s.board[i]` |
 * | calls | captured functions that compile themselves, with numbers, conditions, states and lists; no recursion |
 * | arithmetic | `+ - * / % **`, unary `-` and `+`; `%` has the sign of its left side |
 * | conditions | `< <= > >= === !== == != && || !`, `true`, `false`, `? :`; never a number as a condition |
 * | `Math` | `abs acos asin atan atan2 cbrt ceil cos cosh exp expm1 floor hypot log log10 log1p log2 max min pow round sign sin sinh sqrt tan tanh trunc` |
 *
 * Arithmetic is f32, rounded after each operation. All CPU forms give the same bits; WGSL states the same
 * operations in the same order, but lets a driver fuse multiply-add, approximate division and square root and
 * reorder (SwiftShader makes x * (1 / 3) of x / 3): an engine is within `referenceWithBound`, and mostly
 * bit-equal. Where f32 differs from JavaScript by more than rounding: `Math.exp` is held between e^-87 and
 * e^88, `Math.log(0)` is -87.3, `Math.sin`, `cos` and `tan` want |x| <= 8192, zero has no sign, and a GPU need
 * not keep results that are NaN or infinite.
 *
 * Throws `FulguriteError` with line and column: `compile/syntax`, `compile/unsupported`, `compile/unbound`,
 * `compile/unknown-field`, `compile/type`, `compile/non-finite`, `compile/too-large`.
 */
export function compileStepReward(source: string, options: StepRewardOptions): CompiledStepReward {
  const { stateFields, actionCount, actionSize = 1 } = options;
  const size = stateFields.length;
  const { written, folded } = compileForms(source, options);
  const entry = { source: folded, name: "step_reward", names: ["s", "a", "next"], byValue: true };
  const wgsl = emitWgsl([entry], "reward");
  const reference = interpretReference(written);
  const referenceWithBound: CompiledStepReward["referenceWithBound"] = (s, sAt, a, next, nextAt) => {
    reference.arrays[0] = { values: s, errors: null };
    reference.offsets[0] = sAt;
    if (typeof a === "number") reference.scalars[1] = a;
    else reference.arrays[1] = { values: a, errors: null };
    reference.arrays[2] = { values: next, errors: null };
    reference.offsets[2] = nextAt;
    return reference.run();
  };
  let evaluate: EvaluateStep;
  try {
    evaluate = wasmStep(folded, size, actionSize);
  } catch {
    // A content security policy may refuse WebAssembly.
    evaluate = interpretedStep(folded);
  }
  return {
    source,
    wgsl,
    stateFields,
    actionCount,
    actionSize,
    evaluate,
    referenceWithBound,
    reference: (...step) => referenceWithBound(...step).value,
  };
}

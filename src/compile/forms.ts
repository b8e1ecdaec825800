import { fold } from "./fold.ts";
import type { IrFunction } from "./ir.ts";
import { lower } from "./lower.ts";
import { Source } from "./source.ts";

export interface StepRewardOptions {
  /** Numbers that the source captured from outside, by name. */
  readonly constants?: Readonly<Record<string, number>>;
  /** Names of the state's fields in order, as in `Environment.stateFields`. */
  readonly stateFields: readonly string[];
  /** Number of discrete actions; `a` is 0 ... actionCount - 1. */
  readonly actionCount: number;
  /** Line of the cell on which the source begins, 1-based; default 1. Errors count from it. */
  readonly line?: number;
}

/** The intermediate form of a step reward, as written (for the reference) and folded to f32 (for engines). */
export function compileForms(
  source: string,
  options: StepRewardOptions,
): { readonly written: IrFunction; readonly folded: IrFunction } {
  const text = new Source(source, options.line ?? 1);
  const state = { kind: "array", length: options.stateFields.length } as const;
  const written = lower(text, {
    name: "step_reward",
    parameters: [state, "f32", state],
    fields: options.stateFields,
    signature: "three parameters, `(s, a, next)`",
    constants: options.constants ?? {},
    functions: [],
    result: "f32",
  });
  return { written, folded: fold(written, text) };
}

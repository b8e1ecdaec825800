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

interface Forms {
  /** For the reference. */
  readonly written: IrFunction;
  /** For engines: constants computed, in f32. */
  readonly folded: IrFunction;
}

/** The intermediate form of a step reward. Throws as `compileStepReward` does. */
export const compileForms = (source: string, options: StepRewardOptions): Forms =>
  forms(source, options, options.stateFields);

/**
 * Checks all that can be known before the environment is: throws as `compileStepReward` does, but takes any
 * name for a field of the state.
 */
export function checkStepSource(
  source: string,
  options: Pick<StepRewardOptions, "constants" | "line"> = {},
): void {
  forms(source, options, null);
}

function forms(
  source: string,
  options: Pick<StepRewardOptions, "constants" | "line">,
  fields: readonly string[] | null,
): Forms {
  const text = new Source(source, options.line ?? 1);
  const state = { kind: "array", length: fields?.length ?? 1 } as const;
  const written = lower(text, {
    name: "step_reward",
    parameters: [state, "f32", state],
    fields,
    signature: "three parameters, `(s, a, next)`",
    constants: options.constants ?? {},
    functions: [],
    result: "f32",
  });
  return { written, folded: fold(written, text) };
}

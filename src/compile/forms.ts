import { MAX_DIMENSIONS } from "../kernels/action-space.ts";
import { fold } from "./fold.ts";
import type { IrFunction } from "./ir.ts";
import { layoutOfElements } from "./layout.ts";
import type { Source } from "./source.ts";
import { type Constants, type FunctionTexts, type Parameter, Program } from "./program.ts";

export interface StepRewardOptions {
  /** Numbers and lists of numbers that the source captured from outside, by name. */
  readonly constants?: Constants;
  /** Functions that the source calls, and that they call, by name. */
  readonly functions?: FunctionTexts;
  /** Names of the state's elements in order, as in `Environment.stateFields`: "x", "board[0]", ... */
  readonly stateFields: readonly string[];
  /** Number of discrete actions; `a` is 0 ... actionCount - 1. */
  readonly actionCount: number;
  /** Numbers of an action, default 1; `a` is a list where there are more. */
  readonly actionSize?: number;
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
  forms(source, options, options.stateFields, options.actionSize ?? 1);

/**
 * Checks all that can be known before the environment is: throws as `compileStepReward` does, but takes any
 * name for a field of the state, and `a` for a number or a list.
 */
export function checkStepSource(
  source: string,
  options: Pick<StepRewardOptions, "constants" | "functions" | "line"> = {},
): void {
  try {
    forms(source, options, null, 1);
  } catch (error) {
    try {
      forms(source, options, null, MAX_DIMENSIONS);
    } catch {
      throw error;
    }
  }
}

/** An action as a function takes it: a number, or a list of `size` that it may only read. */
export const actionParameter = (size: number): Parameter =>
  size === 1 ? "f32" : { kind: "list", size, offset: 0, length: size, writable: false };

function forms(
  source: string,
  options: Pick<StepRewardOptions, "constants" | "functions" | "line">,
  fields: readonly string[] | null,
  actionSize: number,
): Forms {
  const program = new Program(options.constants, options.functions);
  const state = { kind: "state", layout: fields && layoutOfElements(fields), writable: false } as const;
  const entry = program.entry(
    { source, line: options.line ?? 1 },
    {
      name: "step_reward",
      parameters: [state, actionParameter(actionSize), state],
      signature: "three parameters, `(s, a, next)`",
      result: "f32",
    },
  );
  const [folded] = foldProgram(program, [entry]);
  return { written: entry.lowered, folded: folded! };
}

interface Lowered {
  readonly lowered: IrFunction;
  readonly source: Source;
}

/** Folds entries and all that they call; what has no source of its own blames `made`. */
export function foldProgram(program: Program, entries: readonly Lowered[], made?: Source): IrFunction[] {
  const functions = new Map<string, IrFunction>();
  for (const [key, lowered] of program.functions) {
    functions.set(key, { ...fold(lowered, program.sourceOf(key) ?? made!), functions });
  }
  return entries.map(({ lowered, source }) => ({ ...fold(lowered, source), functions }));
}

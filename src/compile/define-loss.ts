import { type AnyFunction, type CapturedOptions, functionText, functionTexts } from "./captured.ts";
import type { LossRow } from "./check-loss.ts";
import { compileLoss } from "./compile-loss.ts";
import type { Constants, FunctionTexts } from "./program.ts";

/** A loss of one row: source text and what it captured. Cloneable; `compileLoss` makes it run. */
export interface RowLoss {
  readonly kind: "row-loss";
  /** Text of the function `(row) => ...`, without types. */
  readonly source: string;
  readonly constants: Constants;
  readonly functions: FunctionTexts;
  /** Line of the cell on which `source` begins, 1-based; 1 outside notebooks. */
  readonly line: number;
}

/**
 * A loss of your own, `(row) => -row.advantage * Math.exp(row.logProbability - row.oldLogProbability)`: of one
 * transition, in the columns that `lossColumns` names. The algorithm takes its mean over a minibatch; the
 * derivatives by log-probability, value and entropy are made from it. Compiled as `compileStepReward` says, and
 * throws as it does. Outside notebooks what it captures is passed in `{ constants, functions }`.
 */
export function defineLoss(
  loss: string | ((row: LossRow) => number),
  options: CapturedOptions = {},
): RowLoss {
  const { source } = functionText(loss as string | AnyFunction);
  const { constants = {}, line = 1 } = options;
  const functions = functionTexts(options.functions);
  compileLoss(source, { constants, functions, line });
  return { kind: "row-loss", source, constants: { ...constants }, functions, line };
}

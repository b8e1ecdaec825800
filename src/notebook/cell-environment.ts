import {
  type AnyFunction,
  checkLoss,
  compileLoss,
  functionText,
  type LossFunction,
  type RowLoss,
} from "../compile/index.ts";
import type { CompiledEnvironment } from "../env/compile-environment.ts";
import {
  type AnyDefinition,
  checkedEnvironment,
  environmentSource,
  ownFunctions,
} from "../env/define-env.ts";
import { captureNumeric, lineOf } from "./cell-numeric.ts";
import type { RewardScope } from "./cell-reward.ts";
import type { Output } from "./session-types.ts";

const CHECKED_ROWS = 256;

const losses = new WeakMap<object, Omit<Extract<Output, { view: "loss" }>, "name">>();

/** What the page shows of a loss defined here; undefined for any other value. */
export function lossOutput(value: unknown, name: string | null): Output | undefined {
  const report = typeof value === "object" && value !== null ? losses.get(value) : undefined;
  return report && { ...report, name };
}

/** What a definer in a cell may be given by name, besides what it finds in the cells. */
export interface NumericOptions {
  readonly constants?: Readonly<Record<string, number | readonly number[]>>;
  readonly functions?: Readonly<Record<string, AnyFunction>>;
}

/** `defineEnv` in a cell: what its functions use from the cells travels with it; checked against itself at once. */
export function defineCellEnvironment(
  definition: AnyDefinition,
  options: NumericOptions,
  scope: RewardScope,
): CompiledEnvironment {
  const source = environmentSource(definition, {}, (text) => lineOf(text, scope.code));
  const texts = [
    source.reset,
    source.step,
    ...Object.values(source.reward),
    ...[source.observe, source.done, source.allowed, source.draw].filter((text) => text !== null),
  ];
  const captured = captureNumeric(texts, { ...options.constants, ...options.functions }, scope);
  return checkedEnvironment({ ...source, ...captured }, ownFunctions(definition)).environment;
}

/** `defineLoss` in a cell, likewise; its derivatives are checked by finite differences. */
export function defineCellLoss(
  loss: string | LossFunction,
  options: NumericOptions,
  scope: RewardScope,
): RowLoss {
  const { source } = functionText(loss);
  const line = lineOf(source, scope.code);
  const captured = captureNumeric([{ source, line }], { ...options.constants, ...options.functions }, scope);
  const compiled = compileLoss(source, { ...captured, line });
  const own = typeof loss === "function" ? loss : null;
  const check = checkLoss(compiled, own, { rows: CHECKED_ROWS, seed: 1 });
  const defined: RowLoss = Object.freeze({ kind: "row-loss", source, ...captured, line });
  const definition = { kind: "loss", source: { source, ...captured, line } } as const;
  losses.set(defined, { view: "loss", wgsl: compiled.wgsl, ...check, definition });
  return defined;
}

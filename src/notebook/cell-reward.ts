import { checkReward, compileStepReward, type StepFunction } from "../compile/index.ts";
import { actionSize, type Environment } from "../env/environment.ts";
import { environmentByName, environmentNames } from "../env/registry.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { StepReward } from "../reward/define-reward.ts";
import { type Captured, captureNumeric, lineOf } from "./cell-numeric.ts";
import type { Output } from "./session-types.ts";
import { stripTypes } from "./analyze.ts";

/** How the cell that calls sees its names and its text. */
export interface RewardScope {
  /** The cell's evaluated text, to find the line of the function in it. */
  readonly code: string;
  /** Readers of the names in scope. */
  readonly names: ReadonlyMap<string, () => unknown>;
}

export interface StepRewardOptions {
  /** Numbers by name; those not given are taken from the cells. */
  readonly constants?: Readonly<Record<string, number>>;
  /** The environment that it is for, where only its state has these fields. */
  readonly env?: Environment;
}

/** States on which a reward is compared with itself when a cell defines it. */
const CHECKED_STATES = 512;
const CHECK_SEED = 1;

const reports = new WeakMap<object, Omit<Extract<Output, { view: "reward" }>, "name">>();

/** What the page shows of a reward defined here; undefined for any other value. */
export function rewardOutput(value: unknown, name: string | null): Output | undefined {
  const report = typeof value === "object" && value !== null ? reports.get(value) : undefined;
  return report && { ...report, name };
}

/**
 * Compiles a step reward where it is defined, checks it against itself and against the person's own function,
 * and keeps its source and the numbers it captured. It must fit an environment of the cells or a built-in one. Throws
 * `FulguriteError` "compile/..." with the cell's line.
 */
export function defineStepReward(
  step: StepFunction | string,
  options: StepRewardOptions,
  scope: RewardScope,
): StepReward {
  const isText = typeof step === "string";
  const source = isText ? stripTypes(step).trim() : Function.prototype.toString.call(step);
  const line = isText ? 1 : lineOf(source, scope.code);
  const { constants, functions } = captureNumeric([{ source, line }], options.constants ?? {}, scope);
  const compiled = compileForSomeEnvironment(
    source,
    { constants, functions, line },
    candidates(options.env, scope),
  );
  const { checkedStates, largestDifference, nonFinite, undecided } = checkReward(
    compiled,
    isText ? null : step,
    {
      states: CHECKED_STATES,
      seed: CHECK_SEED,
    },
  );
  const reward: StepReward = Object.freeze({ kind: "step-reward", source, constants, functions, line });
  reports.set(reward, {
    view: "reward",
    wgsl: compiled.wgsl,
    checkedStates,
    largestDifference,
    nonFinite,
    undecided,
    definition: {
      kind: "reward",
      source: { source, constants, functions, line },
      stateFields: compiled.stateFields,
      actionCount: compiled.actionCount,
      actionSize: compiled.actionSize,
    },
  });
  return reward;
}

/** Environments that the reward may be for: the one named, those of the cells, the built-in ones. */
function* candidates(
  named: Environment | undefined,
  scope: RewardScope,
): Generator<Pick<Environment, "stateFields" | "actionCount" | "actions">> {
  if (named) {
    yield named;
    return;
  }
  for (const read of scope.names.values()) {
    let value: unknown;
    try {
      value = read();
    } catch {
      // Not initialised yet.
    }
    if (isEnvironment(value)) yield value;
  }
  for (const name of environmentNames) yield environmentByName(name);
}

export const isEnvironment = (value: unknown): value is Environment =>
  typeof value === "object" &&
  value !== null &&
  "stateFields" in value &&
  Array.isArray(value.stateFields) &&
  "scene" in value &&
  typeof value.scene === "function";

function compileForSomeEnvironment(
  source: string,
  captured: Captured & { readonly line: number },
  environments: Iterable<Pick<Environment, "stateFields" | "actionCount" | "actions">>,
): ReturnType<typeof compileStepReward> {
  let best: unknown;
  for (const { stateFields, actionCount, actions } of environments) {
    try {
      const size = actionSize({ actionCount, ...(actions && { actions }) });
      return compileStepReward(source, { ...captured, stateFields, actionCount, actionSize: size });
    } catch (error) {
      // An unknown field says only that it is another environment's reward; any other error is about the text.
      const isField = error instanceof FulguriteError && error.code === "compile/unknown-field";
      if (best === undefined || !isField) best = error;
    }
  }
  throw best;
}

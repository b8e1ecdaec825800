import { checkReward, compileStepReward, freeNames, type StepFunction } from "../compile/index.ts";
import { environmentByName, environmentNames } from "../env/registry.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { StepReward } from "../reward/define-reward.ts";
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
 * and keeps its source and the numbers it captured. It must fit one of the known environments. Throws
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
  const constants = capture(source, line, options.constants ?? {}, scope);
  const compiled = compileForSomeEnvironment(source, constants, line);
  const { checkedStates, largestDifference, nonFinite, undecided } = checkReward(
    compiled,
    isText ? null : step,
    {
      states: CHECKED_STATES,
      seed: CHECK_SEED,
    },
  );
  const reward: StepReward = Object.freeze({ kind: "step-reward", source, constants, line });
  reports.set(reward, {
    view: "reward",
    wgsl: compiled.wgsl,
    checkedStates,
    largestDifference,
    nonFinite,
    undecided,
  });
  return reward;
}

function lineOf(source: string, code: string): number {
  const at = code.indexOf(source);
  return at < 0 ? 1 : code.slice(0, at).split("\n").length;
}

function capture(
  source: string,
  line: number,
  given: Readonly<Record<string, number>>,
  scope: RewardScope,
): Readonly<Record<string, number>> {
  const constants: Record<string, number> = {};
  for (const name of freeNames(source, line)) {
    const reader = scope.names.get(name);
    // The compiler says best what a name that is no cell's does here: a call, a missing number.
    if (!Object.hasOwn(given, name) && !reader) continue;
    const value: unknown = Object.hasOwn(given, name) ? given[name] : reader!();
    if (typeof value !== "number") {
      throw new FulguriteError(
        "compile/unbound",
        `The reward uses \`${name}\`, which is not a number.`,
        "A step reward can capture numbers only.",
        { line },
      );
    }
    Object.defineProperty(constants, name, { value, enumerable: true });
  }
  return Object.freeze(constants);
}

function compileForSomeEnvironment(
  source: string,
  constants: Readonly<Record<string, number>>,
  line: number,
): ReturnType<typeof compileStepReward> {
  let best: unknown;
  for (const name of environmentNames) {
    const { stateFields, actionCount } = environmentByName(name);
    try {
      return compileStepReward(source, { constants, stateFields, actionCount, line });
    } catch (error) {
      // An unknown field says only that it is another environment's reward; any other error is about the text.
      const isField = error instanceof FulguriteError && error.code === "compile/unknown-field";
      if (best === undefined || !isField) best = error;
    }
  }
  throw best;
}

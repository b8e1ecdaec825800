import { type CapturedOptions, functionTexts } from "../compile/captured.ts";
import type { StepFunction } from "../compile/check.ts";
import { compileStepReward } from "../compile/compile.ts";
import { checkStepSource } from "../compile/forms.ts";
import type { Constants, FunctionTexts } from "../compile/program.ts";
import { actionSize, type Environment } from "../env/environment.ts";
import type { GivenAction } from "../kernels/action-space.ts";
import type { ClosureOptions } from "./function-source.ts";
import { defineRolloutReward, type RewardDefinition, type RolloutReward } from "./rollout-reward.ts";

/** A reward for every step of a simulated environment: source text and the numbers it captured. Cloneable. */
export interface StepReward {
  readonly kind: "step-reward";
  /** Text of the function `(s, a, next) => ...`, without types. */
  readonly source: string;
  readonly constants: Constants;
  /** Functions that the source calls, and that they call, by name. */
  readonly functions: FunctionTexts;
  /** Line of the cell on which `source` begins, 1-based; 1 outside notebooks. */
  readonly line: number;
}

export interface StepRewardSettings {
  /** Numbers and lists of them that the function takes from outside, by name: closures cannot be read from outside. */
  readonly constants?: Constants;
  /** Functions that it calls, by name. */
  readonly functions?: CapturedOptions["functions"];
  /** Line of the cell on which the source begins, 1-based; default 1. */
  readonly line?: number;
  /** What it is for, where only this environment's state has the fields. */
  readonly env?: Environment;
}

/**
 * A state whose fields are not known to the type checker; the compiler checks them against the environment.
 * An index signature would make every field `number | undefined`.
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyState = any;

export interface DefineReward {
  /**
   * A reward over whole rollouts: `(task, result, transcript) => number`, or components,
   * `{ exact: { weight: 1, score }, length: { weight: -0.3, score } }`. Outside notebooks it travels as its
   * functions' own text: what they use from around them is given in `{ values }`. Throws "reward/invalid" and
   * "train/unbound".
   */
  <Definition extends RewardDefinition>(
    reward: Definition,
    options?: ClosureOptions,
  ): RolloutReward<Definition>;
  /**
   * A reward of one step, compiled to the GPU by the trainer: `(s, a, next) => 1 - 0.1 * Math.abs(next.x)`,
   * as a function or as its text (where a minifier would rewrite the function, give text). Throws as
   * `compileStepReward` does, which lists what compiles; the names of the state's fields are checked where
   * `env` is given, and else by the trainer.
   */
  step<S = AnyState>(
    reward: string | ((s: S, a: GivenAction, next: S) => number),
    settings?: StepRewardSettings,
  ): StepReward;
}

function step(reward: string | StepFunction, settings: StepRewardSettings = {}): StepReward {
  const source = String(reward);
  const { constants = {}, line = 1 } = settings;
  const functions = functionTexts(settings.functions);
  const { env } = settings;
  if (env) {
    const { stateFields, actionCount } = env;
    compileStepReward(source, {
      constants,
      functions,
      line,
      stateFields,
      actionCount,
      actionSize: actionSize(env),
    });
  } else checkStepSource(source, { constants, functions, line });
  return { kind: "step-reward", source, constants: { ...constants }, functions, line };
}

export const defineReward: DefineReward = Object.freeze(
  Object.assign(
    <Definition extends RewardDefinition>(reward: Definition, options?: ClosureOptions) =>
      defineRolloutReward(reward, options),
    { step: step as DefineReward["step"] },
  ),
);

import { describeState } from "../compile/describe-state.ts";
import { FulguriteError } from "../gpu/error.ts";
import { random4, stream } from "../kernels/philox.ts";
import {
  type EnvironmentCheck,
  EnvironmentComparison,
  lineOf,
  MISMATCH_FIX,
  type OwnFunctions,
  type StepOutcome,
} from "./compare-environment.ts";
import { actionSize, type Action } from "./environment.ts";
import type { CompiledEnvironment } from "./compile-environment.ts";

export type { EnvironmentCheck, OwnFunctions } from "./compare-environment.ts";

/** How many states, and which: the same seed gives the same ones. */
export interface CheckOptions {
  readonly states: number;
  readonly seed: number;
}

/** A step of random play, by the f32 twin. */
export interface PlayedStep {
  readonly before: Float32Array;
  readonly action: Action;
  readonly outcome: StepOutcome;
}

/** A start state of random play, by the f32 twin. */
export interface PlayedReset {
  readonly words: Uint32Array;
  readonly state: Float32Array;
}

/**
 * Plays at random and compares, in every state reached, the compiled f32 functions with the f64 reference, and the
 * reference with the person's own functions. Same seed: same states. Throws "compile/mismatch" and, where a state
 * stops being finite, "env/not-finite".
 */
export function checkEnvironment(
  environment: CompiledEnvironment,
  own: OwnFunctions,
  options: CheckOptions,
): EnvironmentCheck {
  const comparison = new EnvironmentComparison(environment, own, {
    code: "compile/mismatch",
    where: "compiled",
    fix: MISMATCH_FIX,
    fuses: false,
  });
  playByTwin(environment, options, {
    reset: ({ words, state }) => {
      comparison.reset(words, state, null);
    },
    step: ({ before, action, outcome }) => {
      comparison.step(before, action, outcome, null);
    },
  });
  return comparison.result;
}

/** Random play of episodes of at most 100 steps. Throws "env/not-finite" where a state stops being finite. */
export function playByTwin(
  environment: CompiledEnvironment,
  { states, seed }: CheckOptions,
  visit: { reset(start: PlayedReset): void; step(step: PlayedStep): void },
): void {
  const { stateFields, actions, actionCount, maxEpisodeSteps, observationSize } = environment;
  const dimensions = actionSize(environment);
  const words = new Uint32Array(4);
  const draw = (step: number, index: number): Uint32Array => {
    random4(seed, stream.check, step, index, words);
    return words;
  };
  const state = new Float32Array(stateFields.length);
  const out = new Float32Array(2);
  let length = 0;
  const start = (index: number): void => {
    environment.reset(state, 0, draw(0, index));
    const at = state.findIndex((value) => !Number.isFinite(value));
    if (at >= 0) {
      throw new FulguriteError(
        "env/not-finite",
        `A start state is no number: \`${stateFields[at]!}\` is ${state[at]!}.`,
        "Look for a division by zero or a root of a negative number.",
        lineOf(environment.source.reset),
      );
    }
    visit.reset({ words: words.slice(), state: state.slice() });
  };
  start(0);
  for (let i = 0; i < states; i++) {
    const before = state.slice();
    const [word] = draw(1, i);
    const mask = environment.mask?.(state, 0) ?? null;
    if (mask === 0) {
      throw new FulguriteError(
        "env/invalid",
        `No action is allowed (s: ${describeState(stateFields, before)}).`,
        "Let `allowed` give true for one action at least, or end the episode there by `done`.",
        lineOf(environment.source.allowed),
      );
    }
    const within = (low: number, high: number, of: number): number =>
      Math.fround(low + (high - low) * (of / 2 ** 32));
    const action =
      actions?.kind === "continuous"
        ? dimensions === 1
          ? within(actions.low, actions.high, word!)
          : Array.from({ length: dimensions }, (_, d) =>
              within(actions.low, actions.high, draw(2 + d, i)[0]!),
            )
        : allowedAction(mask, word!, actionCount);
    environment.step(state, 0, action, out);
    if (!state.every(Number.isFinite)) {
      const at = state.findIndex((value) => !Number.isFinite(value));
      throw new FulguriteError(
        "env/not-finite",
        `The state stops being a number: \`${stateFields[at]!}\` becomes ${state[at]!} (s: ${describeState(stateFields, before)}; a: ${String(action)}).`,
        "Look for a division by zero, a root of a negative number, or growth without end.",
        lineOf(environment.source.step),
      );
    }
    const next = state.slice();
    const rewards = new Float32Array(environment.rewardComponents!.names.length);
    environment.rewardComponents!.evaluate(before, 0, action, next, 0, rewards);
    const observation = new Float32Array(observationSize);
    environment.observe(next, 0, observation, 0);
    const terminated = out[1] !== 0;
    visit.step({
      before,
      action,
      outcome: { next, terminated, reward: out[0]!, rewards, observation, mask },
    });
    if (terminated || ++length >= Math.min(maxEpisodeSteps, 100)) {
      length = 0;
      start(i + 1);
    }
  }
}

function allowedAction(mask: number | null, word: number, count: number): number {
  let action = word % count;
  for (let i = 0; mask !== null && i < count && ((mask >>> action) & 1) === 0; i++)
    action = (action + 1) % count;
  return action;
}

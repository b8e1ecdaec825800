import type { AnyFunction } from "../compile/captured.ts";
import type { Bounded } from "../compile/error-bounds.ts";
import { interpretReference, type ReferenceFunction } from "../compile/reference.ts";
import type { IrFunction } from "../compile/ir.ts";
import { FulguriteError } from "../gpu/error.ts";
import { random4, stream } from "../kernels/philox.ts";
import type { CompiledEnvironment } from "./compile-environment.ts";
import { EpisodeRandom } from "./twin.ts";

/** A person's own functions, in JavaScript; null where only text was given. */
export interface OwnFunctions {
  readonly step: AnyFunction | null;
  readonly observe: AnyFunction | null;
  readonly done: AnyFunction | null;
  readonly rewards: readonly (AnyFunction | null)[];
}

export interface EnvironmentCheck {
  /** States that random play reached and on which the forms were compared. */
  readonly checkedStates: number;
  /** Largest |f32 - f64| of a next state, an observation or a reward. */
  readonly largestDifference: number;
  /** Results left out because a comparison or a step was too close to call in f32, or because they are not finite. */
  readonly undecided: number;
}

/**
 * Plays at random and compares, in every state reached, the compiled f32 functions with the f64 reference, and the
 * reference with the person's own functions. Same seed: same states. Throws "compile/mismatch" and, where a state
 * stops being finite, "env/not-finite".
 */
export function checkEnvironment(
  environment: CompiledEnvironment,
  own: OwnFunctions,
  options: { readonly states: number; readonly seed: number },
): EnvironmentCheck {
  const checker = new Checker(environment, own);
  const { stateFields, actions, actionCount, maxEpisodeSteps } = environment;
  const words = new Uint32Array(4);
  const draw = (step: number, index: number): Uint32Array => {
    random4(options.seed, stream.check, step, index, words);
    return words;
  };
  const state = new Float32Array(stateFields.length);
  const before = new Float32Array(stateFields.length);
  const out = new Float32Array(2);
  let length = 0;
  environment.reset(state, 0, draw(0, 0));
  for (let i = 0; i < options.states; i++) {
    before.set(state);
    const [word] = draw(1, i);
    const action =
      actions?.kind === "continuous"
        ? Math.fround(actions.low + (actions.high - actions.low) * (word! / 2 ** 32))
        : allowedAction(environment.mask?.(state, 0) ?? null, word!, actionCount);
    environment.step(state, 0, action, out);
    if (!state.every(Number.isFinite)) {
      const field = stateFields[state.findIndex((value) => !Number.isFinite(value))]!;
      throw new FulguriteError(
        "env/not-finite",
        `The state stops being a number: \`${field}\` becomes ${state[stateFields.indexOf(field)]!} (${describe(environment, before)}; a: ${action}).`,
        "Look for a division by zero, a root of a negative number, or growth without end.",
      );
    }
    checker.step(before, action, state, out[1] !== 0);
    if (out[1] !== 0 || ++length >= Math.min(maxEpisodeSteps, 100)) {
      length = 0;
      environment.reset(state, 0, draw(0, i + 1));
    }
  }
  return checker.result;
}

function allowedAction(mask: number | null, word: number, count: number): number {
  let action = word % count;
  for (let i = 0; mask !== null && i < count && ((mask >>> action) & 1) === 0; i++)
    action = (action + 1) % count;
  return action;
}

class Checker {
  readonly #environment: CompiledEnvironment;
  readonly #own: OwnFunctions;
  readonly #random = new EpisodeRandom();
  readonly #step: ReferenceFunction;
  readonly #rewards: readonly ReferenceFunction[];
  readonly #done: ReferenceFunction | null;
  readonly #observe: ReferenceFunction | null;
  #checkedStates = 0;
  #largest = 0;
  #undecided = 0;

  constructor(environment: CompiledEnvironment, own: OwnFunctions) {
    this.#environment = environment;
    this.#own = own;
    const { written } = environment.lowered;
    const reference = (source: IrFunction): ReferenceFunction =>
      interpretReference(source, this.#random.next);
    this.#step = reference(written.step);
    this.#rewards = written.rewards.map(reference);
    this.#done = written.done && reference(written.done);
    this.#observe = written.observe && reference(written.observe);
  }

  get result(): EnvironmentCheck {
    return {
      checkedStates: this.#checkedStates,
      largestDifference: this.#largest,
      undecided: this.#undecided,
    };
  }

  step(before: Float32Array, action: number, next: Float32Array, terminated: boolean): void {
    this.#checkedStates++;
    const { layout, randomAt, rewardNames } = this.#environment.lowered;
    const {
      layout: { size },
    } = this.#environment.lowered;
    const values = Float64Array.from(before.subarray(0, size));
    const errors = new Float64Array(size);
    if (randomAt !== null) this.#random.load(before, randomAt);
    this.#step.arrays[0] = { values, errors };
    this.#step.scalars[1] = action;
    const outcome = this.#step.run();
    const names = this.#environment.stateFields;
    if (outcome.error === Infinity) this.#undecided++;
    else {
      for (let i = 0; i < size; i++) {
        this.#compare(
          `\`${names[i]!}\` after the step`,
          next[i]!,
          { value: values[i]!, error: errors[i]! },
          before,
          action,
        );
      }
      this.#ownStep(before, action, values, errors);
    }

    const rewards = new Float32Array(rewardNames.length);
    this.#environment.rewardComponents!.evaluate(before, 0, action, next, 0, rewards);
    this.#rewards.forEach((reward, k) => {
      reward.arrays[0] = { values: before, errors: null };
      reward.scalars[1] = action;
      reward.arrays[2] = { values: next, errors: null };
      const result = reward.run();
      this.#compare(`the reward "${rewardNames[k]!}"`, rewards[k]!, result, before, action);
      const own = this.#own.rewards[k];
      if (own) {
        const given = this.#call(own, [viewOf(layout, before), action, viewOf(layout, next)], before, action);
        this.#agree(`the reward "${rewardNames[k]!}"`, given, result, before, action);
      }
    });
    if (this.#done) {
      this.#done.arrays[0] = { values: next, errors: null };
      const result = this.#done.run();
      this.#compare("`done`", terminated ? 1 : 0, result, before, action);
      if (this.#own.done) {
        const given = this.#call(this.#own.done, [viewOf(layout, next)], before, action);
        this.#agree("`done`", given === true ? 1 : given === false ? 0 : given, result, before, action);
      }
    }
    this.#observation(before, action, next);
  }

  #observation(before: Float32Array, action: number, next: Float32Array): void {
    if (!this.#observe) return;
    const { observationSize } = this.#environment;
    const observation = new Float32Array(observationSize);
    this.#environment.observe(next, 0, observation, 0);
    const list = { values: new Float64Array(observationSize), errors: new Float64Array(observationSize) };
    this.#observe.arrays[0] = { values: next, errors: null };
    this.#observe.arrays[1] = list;
    if (this.#observe.run().error === Infinity) {
      this.#undecided++;
      return;
    }
    const own = this.#own.observe
      ? this.#call(this.#own.observe, [viewOf(this.#environment.lowered.layout, next)], before, action)
      : null;
    for (let i = 0; i < observationSize; i++) {
      const bounded = { value: list.values[i]!, error: list.errors[i]! };
      this.#compare(`number ${i} of the observation`, observation[i]!, bounded, before, action);
      if (Array.isArray(own)) this.#agree(`number ${i} of the observation`, own[i], bounded, before, action);
    }
  }

  /** The person's own step, with the same random numbers, against the reference's. */
  #ownStep(before: Float32Array, action: number, values: Float64Array, errors: Float64Array): void {
    const { step } = this.#own;
    if (!step) return;
    const { layout, randomAt } = this.#environment.lowered;
    if (randomAt !== null) this.#random.load(before, randomAt);
    const view = viewOf(layout, before);
    const returned = this.#call(step, [view, action, ownRandom(() => this.#random.next())], before, action);
    if (typeof returned === "object" && returned !== null) Object.assign(view, returned);
    for (const [name, { offset, length }] of layout.fields) {
      for (let i = 0; i < (length ?? 1); i++) {
        const given = length === null ? view[name] : (view[name] as number[])[i];
        const bounded = { value: values[offset + i]!, error: errors[offset + i]! };
        const what = `\`${name}${length === null ? "" : `[${i}]`}\` after the step`;
        this.#agree(what, given, bounded, before, action);
      }
    }
  }

  #call(run: AnyFunction, values: readonly unknown[], before: Float32Array, action: number): unknown {
    try {
      return run(...(values as never[]));
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause);
      throw this.#mismatch(`the function itself throws "${text}"`, before, action);
    }
  }

  #compare(
    what: string,
    actual: number,
    { value, error }: Bounded,
    before: Float32Array,
    action: number,
  ): void {
    if (error === Infinity) {
      this.#undecided++;
      return;
    }
    const difference = Math.abs(actual - value);
    this.#largest = Math.max(this.#largest, difference);
    if (difference <= error) return;
    throw this.#mismatch(`${what} is ${actual} compiled and ${value} in the reference`, before, action);
  }

  /** Both compute in f64; they differ in the order of a few operations at most. */
  #agree(
    what: string,
    given: unknown,
    { value, error }: Bounded,
    before: Float32Array,
    action: number,
  ): void {
    if (error === Infinity) return;
    const tolerance = 1e-9 * Math.abs(value) + Math.min(error, 1e-3) + 1e-12;
    if (typeof given === "number" && Math.abs(given - value) <= tolerance) return;
    throw this.#mismatch(
      `${what} is ${String(given)} by the function itself and ${value} compiled`,
      before,
      action,
    );
  }

  #mismatch(what: string, before: Float32Array, action: number): FulguriteError {
    return new FulguriteError(
      "compile/mismatch",
      `the environment's forms disagree: ${what} (${describe(this.#environment, before)}; a: ${action})`,
      "Look for an index outside its list or no whole number, and for captured constants that have changed since.",
    );
  }
}

/** A state as the person's functions see it. */
function viewOf(
  layout: CompiledEnvironment["lowered"]["layout"],
  state: ArrayLike<number>,
): Record<string, unknown> {
  return Object.fromEntries(
    [...layout.fields].map(([name, { offset, length }]) => [
      name,
      length === null ? state[offset]! : Array.from({ length }, (_, i) => state[offset + i]!),
    ]),
  );
}

function ownRandom(next: () => number): Record<string, (first?: number, second?: number) => number> {
  return {
    uniform: (low, high) => {
      const u = next();
      return low === undefined ? u : low + (high! - low) * u;
    },
    normal: (mean = 0, deviation = 1) => {
      const radius = Math.sqrt(-2 * Math.log(1 - next()));
      return mean + deviation * (radius * Math.cos(2 * Math.PI * next()));
    },
    integer: (count) => Math.min(Math.floor(next() * count!), count! - 1),
  };
}

const describe = ({ stateFields }: CompiledEnvironment, state: Float32Array): string =>
  `s: ${stateFields
    .slice(0, 12)
    .map((field, i) => `${field} ${state[i]!}`)
    .join(", ")}`;

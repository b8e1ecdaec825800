import type { AnyFunction } from "../compile/captured.ts";
import { describeState } from "../compile/describe-state.ts";
import { add, type Bounded } from "../compile/error-bounds.ts";
import type { IrFunction } from "../compile/ir.ts";
import type { FunctionText } from "../compile/program.ts";
import { interpretReference, type ReferenceFunction } from "../compile/reference.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { Action } from "./environment.ts";
import type { CompiledEnvironment } from "./compile-environment.ts";
import { EpisodeRandom } from "./twin.ts";

/** A person's own functions, in JavaScript; null where only text was given. */
export interface OwnFunctions {
  readonly step: AnyFunction | null;
  readonly observe: AnyFunction | null;
  readonly done: AnyFunction | null;
  readonly allowed: AnyFunction | null;
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

/** What an engine made of one step in f32. */
export interface StepOutcome {
  /** The state after the step. */
  readonly next: Float32Array;
  readonly terminated: boolean;
  readonly reward: number;
  /** The reward's parts, where the engine tells them. */
  readonly rewards: Float32Array | null;
  /** Of `next`. */
  readonly observation: Float32Array;
  /** Allowed actions of the state before, as `Environment.mask`; null: no mask. */
  readonly mask: number | null;
}

/** An engine that is compared with the reference. */
export interface ComparedEngine {
  /** Of the error. */
  readonly code: string;
  /** "compiled", or "on " and the adapter. */
  readonly where: string;
  readonly fix: string;
  /** Keeps numbers of a state in registers that it rounds or does not: what follows in the same step may see either. */
  readonly fuses: boolean;
}

/**
 * Compares what an engine gives with the f64 reference, within what rounding explains, and the reference with the person's
 * own functions. What disagrees throws the engine's error, which names the state, the output and both values.
 */
export class EnvironmentComparison {
  readonly #environment: CompiledEnvironment;
  readonly #own: OwnFunctions | null;
  readonly #engine: ComparedEngine;
  readonly #random = new EpisodeRandom();
  readonly #reset: ReferenceFunction;
  readonly #step: ReferenceFunction;
  readonly #rewards: readonly ReferenceFunction[];
  readonly #done: ReferenceFunction | null;
  readonly #observe: ReferenceFunction | null;
  readonly #allowed: ReferenceFunction | null;
  #checkedStates = 0;
  #largest = 0;
  #undecided = 0;
  /** The function that is compared. */
  #text: FunctionText | null = null;

  constructor(environment: CompiledEnvironment, own: OwnFunctions | null, engine: ComparedEngine) {
    this.#environment = environment;
    this.#own = own;
    this.#engine = engine;
    const { written } = environment.lowered;
    const reference = (source: IrFunction): ReferenceFunction =>
      interpretReference(source, this.#random.next);
    this.#reset = reference(written.reset);
    this.#step = reference(written.step);
    this.#rewards = written.rewards.map(reference);
    this.#done = written.done && reference(written.done);
    this.#observe = written.observe && reference(written.observe);
    this.#allowed = written.allowed && reference(written.allowed);
  }

  get result(): EnvironmentCheck {
    return {
      checkedStates: this.#checkedStates,
      largestDifference: this.#largest,
      undecided: this.#undecided,
    };
  }

  /** A start state from its four random words; `twin` is what the other engine gives. */
  reset(words: Readonly<Uint32Array>, state: Float32Array, twin: Float32Array | null): void {
    const { size } = this.#environment.lowered.layout;
    const values = new Float64Array(size);
    const errors = new Float64Array(size);
    this.#random.start(words);
    this.#reset.arrays[0] = { values, errors };
    this.#text = this.#environment.source.reset;
    const place = "of a start state";
    if (this.#reset.run().error === Infinity) this.#undecided++;
    else this.#state("in a start state", state, twin, values, errors, place);
  }

  /** One step; `twin` is what the other engine gives. */
  step(before: Float32Array, action: Action, outcome: StepOutcome, twin: StepOutcome | null): void {
    this.#checkedStates++;
    const place = `s: ${describeState(this.#environment.stateFields, before)}; a: ${String(action)}`;
    this.#mask(before, outcome, twin, place);
    this.#next(before, action, outcome, twin, place);
    this.#reward(before, action, outcome, twin, place);
    if (this.#done) {
      this.#text = this.#environment.source.done;
      this.#done.arrays[0] = this.#seen(outcome.next);
      const result = this.#done.run();
      const other = twin && (twin.terminated ? 1 : 0);
      this.#compare("`done`", outcome.terminated ? 1 : 0, other, result, place);
      if (this.#own?.done) {
        const given = this.#call(this.#own.done, [this.#view(outcome.next)], place);
        this.#agree("`done`", truth(given), result, place);
      }
    }
    this.#observation(outcome, twin, place);
  }

  /** What of a step comes after the next state reads it like this. */
  #seen(next: Float32Array): { readonly values: Float32Array; readonly errors: Float64Array | null } {
    if (!this.#engine.fuses) return { values: next, errors: null };
    // Whole numbers are what they are.
    const errors = Float64Array.from(next, (value) =>
      Number.isInteger(value) ? 0 : Math.abs(value) * 2 ** -23,
    );
    return { values: next, errors };
  }

  #mask(before: Float32Array, outcome: StepOutcome, twin: StepOutcome | null, place: string): void {
    if (!this.#allowed || outcome.mask === null) return;
    this.#text = this.#environment.source.allowed;
    this.#allowed.arrays[0] = { values: before, errors: null };
    const bit = (mask: number, action: number): number => (mask >>> action) & 1;
    for (let a = 0; a < this.#environment.actionCount; a++) {
      this.#allowed.scalars[1] = a;
      const result = this.#allowed.run();
      const other = twin?.mask == null ? null : bit(twin.mask, a);
      const what = `\`allowed\` of the action ${a}`;
      this.#compare(what, bit(outcome.mask, a), other, result, place);
      if (!this.#own?.allowed) continue;
      const given = this.#call(this.#own.allowed, [this.#view(before), a], place);
      this.#agree(what, truth(given), result, place);
    }
  }

  #next(
    before: Float32Array,
    action: Action,
    { next }: StepOutcome,
    twin: StepOutcome | null,
    place: string,
  ): void {
    const { layout, randomAt } = this.#environment.lowered;
    const values = Float64Array.from(before.subarray(0, layout.size));
    const errors = new Float64Array(layout.size);
    if (randomAt !== null) this.#random.load(before, randomAt);
    this.#text = this.#environment.source.step;
    this.#step.arrays[0] = { values, errors };
    give(this.#step, action);
    if (this.#step.run().error === Infinity) {
      this.#undecided++;
      return;
    }
    this.#state("after the step", next, twin?.next ?? null, values, errors, place);
    this.#ownStep(before, action, values, errors, place);
  }

  #state(
    when: string,
    actual: Float32Array,
    twin: Float32Array | null,
    values: Float64Array,
    errors: Float64Array,
    place: string,
  ): void {
    const names = this.#environment.stateFields;
    for (let i = 0; i < values.length; i++) {
      const bounded = { value: values[i]!, error: errors[i]! };
      this.#compare(`\`${names[i]!}\` ${when}`, actual[i]!, twin && twin[i]!, bounded, place);
    }
    // Behind the fields: the key of the random numbers and their count, exactly.
    for (let i = values.length; twin && i < names.length; i++) {
      const bounded = { value: twin[i]!, error: 0 };
      this.#compare(`\`${names[i]!}\` ${when}`, actual[i]!, twin[i]!, bounded, place);
    }
  }

  #reward(
    before: Float32Array,
    action: Action,
    outcome: StepOutcome,
    twin: StepOutcome | null,
    place: string,
  ): void {
    const { rewardNames } = this.#environment.lowered;
    let sum: Bounded | null = null;
    this.#rewards.forEach((reward, k) => {
      this.#text = this.#environment.source.reward[rewardNames[k]!]!;
      reward.arrays[0] = { values: before, errors: null };
      give(reward, action);
      reward.arrays[2] = this.#seen(outcome.next);
      const result = reward.run();
      sum = sum ? add(sum, result) : result;
      const what = `the reward "${rewardNames[k]!}"`;
      if (outcome.rewards) this.#compare(what, outcome.rewards[k]!, null, result, place);
      const own = this.#own?.rewards[k];
      if (!own) return;
      const given = this.#call(own, [this.#view(before), action, this.#view(outcome.next)], place);
      this.#agree(what, given, result, place);
    });
    if (!outcome.rewards && sum) {
      const what = rewardNames.length === 1 ? `the reward "${rewardNames[0]!}"` : "the reward";
      this.#compare(what, outcome.reward, twin && twin.reward, sum, place);
    }
  }

  #observation({ next, observation }: StepOutcome, twin: StepOutcome | null, place: string): void {
    const what = (i: number): string => `number ${i} of the observation`;
    this.#text = this.#environment.source.observe;
    if (!this.#observe) {
      observation.forEach((value, i) => {
        this.#compare(what(i), value, twin && twin.observation[i]!, { value: next[i]!, error: 0 }, place);
      });
      return;
    }
    const { observationSize } = this.#environment;
    const list = { values: new Float64Array(observationSize), errors: new Float64Array(observationSize) };
    this.#observe.arrays[0] = this.#seen(next);
    this.#observe.arrays[1] = list;
    if (this.#observe.run().error === Infinity) {
      this.#undecided++;
      return;
    }
    const own = this.#own?.observe ? this.#call(this.#own.observe, [this.#view(next)], place) : null;
    for (let i = 0; i < observationSize; i++) {
      const bounded = { value: list.values[i]!, error: list.errors[i]! };
      this.#compare(what(i), observation[i]!, twin && twin.observation[i]!, bounded, place);
      if (Array.isArray(own)) this.#agree(what(i), own[i], bounded, place);
    }
  }

  /** The person's own step, with the same random numbers, against the reference's. */
  #ownStep(
    before: Float32Array,
    action: Action,
    values: Float64Array,
    errors: Float64Array,
    place: string,
  ): void {
    const step = this.#own?.step;
    if (!step) return;
    const { layout, randomAt } = this.#environment.lowered;
    if (randomAt !== null) this.#random.load(before, randomAt);
    const view = this.#view(before);
    const returned = this.#call(step, [view, action, ownRandom(() => this.#random.next())], place);
    if (typeof returned === "object" && returned !== null) Object.assign(view, returned);
    for (const [name, { offset, length }] of layout.fields) {
      for (let i = 0; i < (length ?? 1); i++) {
        const given = length === null ? view[name] : (view[name] as number[])[i];
        const bounded = { value: values[offset + i]!, error: errors[offset + i]! };
        const what = `\`${name}${length === null ? "" : `[${i}]`}\` after the step`;
        this.#agree(what, given, bounded, place);
      }
    }
  }

  #call(run: AnyFunction, values: readonly unknown[], place: string): unknown {
    try {
      return run(...(values as never[]));
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause);
      throw this.#mismatch(`the function itself throws "${text}"`, place);
    }
  }

  #compare(
    what: string,
    actual: number,
    twin: number | null,
    { value, error }: Bounded,
    place: string,
  ): void {
    if (error === Infinity) {
      this.#undecided++;
      return;
    }
    const difference = Math.abs(actual - value);
    this.#largest = Math.max(this.#largest, difference);
    if (difference <= error) return;
    const { code, where, fix } = this.#engine;
    const other = twin === null ? `${value} in the reference` : `${twin} on the CPU`;
    throw new FulguriteError(
      code,
      `The environment's forms disagree: ${what} is ${actual} ${where} and ${other} (${place}).`,
      fix,
      lineOf(this.#text),
    );
  }

  /** Both compute in f64; they differ in the order of a few operations at most. */
  #agree(what: string, given: unknown, { value, error }: Bounded, place: string): void {
    if (error === Infinity) return;
    const tolerance = 1e-9 * Math.abs(value) + Math.min(error, 1e-3) + 1e-12;
    if (typeof given === "number" && Math.abs(given - value) <= tolerance) return;
    throw this.#mismatch(`${what} is ${String(given)} by the function itself and ${value} compiled`, place);
  }

  #mismatch(what: string, place: string): FulguriteError {
    const message = `The environment's forms disagree: ${what} (${place}).`;
    return new FulguriteError("compile/mismatch", message, MISMATCH_FIX, lineOf(this.#text));
  }

  /** A state as the person's functions see it. */
  #view(state: ArrayLike<number>): Record<string, unknown> {
    return Object.fromEntries(
      [...this.#environment.lowered.layout.fields].map(([name, { offset, length }]) => [
        name,
        length === null ? state[offset]! : Array.from({ length }, (_, i) => state[offset + i]!),
      ]),
    );
  }
}

function give(to: ReferenceFunction, action: Action): void {
  if (typeof action === "number") to.scalars[1] = action;
  else to.arrays[1] = { values: action, errors: null };
}

const truth = (given: unknown): unknown => (given === true ? 1 : given === false ? 0 : given);

/** What a person does about a form that is not what they wrote. */
export const MISMATCH_FIX =
  "Look for an index outside its list or no whole number, and for captured constants that have changed since.";

/** Where a function begins, for its errors. */
export const lineOf = (text: FunctionText | null): { readonly line?: number } =>
  text?.line === undefined ? {} : { line: text.line };

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

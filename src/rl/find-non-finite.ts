import type { CompiledReward } from "../compile/compiled-reward.ts";
import { isRandomField } from "../compile/describe-state.ts";
import type { Action, Environment } from "../env/environment.ts";
import { createCpuEngine } from "./cpu-engine.ts";
import type { EngineRequest, TrainingState } from "./engine.ts";

/** The first step of an update at which something is no finite number. */
export interface NonFinite {
  readonly what: "reward" | "state" | "observation" | "cost";
  readonly value: number;
  /** Index of the environment, from 0. */
  readonly environment: number;
  readonly action: Action;
  /** What the step began with, by field. */
  readonly before: Readonly<Record<string, number>>;
  /** What it led to. */
  readonly after: Readonly<Record<string, number>>;
}

class Found extends Error {
  readonly place: NonFinite;
  constructor(place: NonFinite) {
    super("found");
    this.place = place;
  }
}

/**
 * Plays on from a good state, on the CPU engine and at most to `update`, and looks at every step; the engine that
 * trained need not have kept any. Null where all steps are finite, as where the numbers ran away in the network.
 */
export async function findNonFinite(
  request: EngineRequest,
  state: TrainingState,
  update: number,
): Promise<NonFinite | null> {
  const { environment, reward, cost } = request;
  const fields = environment.stateFields;
  const size = fields.length;
  const named = (values: ArrayLike<number>, at: number): Record<string, number> =>
    Object.fromEntries(fields.map((name, i) => [name, values[at + i]!]));
  /** Of each environment the last step of its episode: all are stepped before any is observed. */
  const steps = new Map<number, { readonly action: Action; readonly before: Float32Array }>();
  let stepped = 0;
  const found = (what: NonFinite["what"], value: number, states: Float32Array, at: number): Found => {
    const environment = what === "observation" ? at / size : stepped;
    const { action, before } = steps.get(environment) ?? { action: NaN, before: states.subarray(at) };
    return new Found({
      ...{ what, value, environment, action },
      ...{ before: named(before, 0), after: named(states, at) },
    });
  };
  const watchedEnvironment: Environment = {
    ...environment,
    reset: (states, at, random) => {
      steps.delete(at / size);
      environment.reset(states, at, random);
    },
    step: (states, at, action, out) => {
      stepped = at / size;
      const before = states.slice(at, at + size);
      steps.set(stepped, { action: typeof action === "number" ? action : Array.from(action), before });
      environment.step(states, at, action, out);
      if (!Number.isFinite(out[0]!) && reward === null) throw found("reward", out[0]!, states, at);
      const broken = states.subarray(at, at + size).find((value) => !Number.isFinite(value));
      if (broken !== undefined) throw found("state", broken, states, at);
    },
    observe: (states, at, observation, to) => {
      environment.observe(states, at, observation, to);
      const seen = observation.subarray(to, to + environment.observationSize);
      const broken = seen.find((value) => !Number.isFinite(value));
      if (broken !== undefined) throw found("observation", broken, states, at);
    },
  };
  const watched = (what: "reward" | "cost", step: CompiledReward): CompiledReward => ({
    ...step,
    evaluate: (s, sAt, a, next, nextAt) => {
      const value = step.evaluate(s, sAt, a, next, nextAt);
      if (!Number.isFinite(value)) throw found(what, value, next, nextAt);
      return value;
    },
  });
  const engine = await createCpuEngine({
    ...request,
    environment: watchedEnvironment,
    reward: reward && watched("reward", reward),
    ...(cost && { cost: watched("cost", cost) }),
  });
  try {
    engine.load(state);
    while (engine.update < update) await engine.submit();
    return null;
  } catch (error) {
    if (error instanceof Found) return error.place;
    throw error;
  } finally {
    engine.dispose();
  }
}

/** The place in a sentence: "in environment 3, action 1, state x 0.1, theta -0.2". */
export function describeNonFinite({ what, value, environment, action, before, after }: NonFinite): string {
  const list = (state: Readonly<Record<string, number>>): string => {
    const named = Object.entries(state).filter(([name]) => !isRandomField(name));
    const entries = named.map(([name, number]) => `${name} ${Number(number.toPrecision(4))}`);
    return entries.length > MAX_FIELDS
      ? `${entries.slice(0, MAX_FIELDS).join(", ")} and ${entries.length - MAX_FIELDS} more`
      : entries.join(", ");
  };
  const numbers = typeof action === "number" ? [action] : Array.from(action);
  const step = Number.isNaN(action)
    ? ""
    : `, action ${numbers.map((number) => Number(number.toPrecision(4))).join(", ")} in the state ${list(before)}`;
  return `The first was a${what === "observation" ? "n" : ""} ${what} of ${value}: environment ${environment}${step}${step === "" ? ", state" : "; then"} ${list(after)}.`;
}

/** What to do about it. */
export function fixNonFinite({ what }: NonFinite): string {
  const where = { reward: "the reward", cost: "the cost", state: "`step`", observation: "`observe`" }[what];
  const growth = what === "state" ? ", or growth without end," : "";
  return `Look for a division by zero, a logarithm or a root of a negative number${growth} in ${where}.`;
}

const MAX_FIELDS = 8;

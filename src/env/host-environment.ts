import { FulguriteError } from "../gpu/error.ts";
import { uniform } from "../kernels/philox.ts";
import { barScene } from "./painter.ts";
import type { ActionSpace, Environment } from "./environment.ts";

/** What one step of an environment leads to. */
export interface HostOutcome {
  /** What the agent sees next: as many numbers as declared. */
  readonly observation: ArrayLike<number>;
  readonly reward: number;
  /** Whether the task has ended here; the time limit is not the environment's business. */
  readonly terminated: boolean;
}

/** One environment: any object with these, with state of any kind inside. */
export interface HostInstance {
  /** Begins an episode and returns its first observation. `random()` is uniform in [0, 1) and repeats with the seed. */
  reset(random: () => number): ArrayLike<number>;
  step(action: number): HostOutcome;
}

export interface HostEnvironmentDefinition {
  /** Shown in lists; default "Host environment". */
  readonly name?: string;
  /** Names of the observation's numbers, or how many there are. */
  readonly observations: number | readonly string[];
  /** A count of actions, numbered from 0; or `{ low, high }` for a real number. */
  readonly actions: number | { readonly low: number; readonly high: number };
  /** Time limit, steps; default 500. It truncates, and does not terminate. */
  readonly steps?: number;
  /** Mean return at which the task counts as solved. */
  readonly threshold?: number;
  /** Makes one environment; as many are made as a run steps side by side, and some for its evaluations. */
  readonly create: () => HostInstance;
}

/** Steps or starts of some environments, crossing from trainer to host in one message. */
export interface HostBatch {
  /** Numbers of the environments; one that is not there yet is made. */
  readonly indices: Int32Array;
  /** Null: all of them begin an episode. */
  readonly actions: Float32Array | null;
  /** Where the time limit ends the episode with this step: 1. */
  readonly truncated: Uint8Array;
  /** [count x 4], for the episode that begins, now or after an end. */
  readonly words: Uint32Array;
}

/** What came of it, in the batch's order. */
export interface HostReply {
  /** [count x observations], after the step. */
  readonly observations: Float32Array;
  readonly rewards: Float32Array;
  readonly terminated: Uint8Array;
  /** [count x observations], of the episode that began. */
  readonly starts: Float32Array;
}

export type HostStepper = (batch: HostBatch) => Promise<HostReply>;

/** What can be said of a host environment in another realm. */
export interface HostSpecification {
  readonly id: string;
  readonly name: string;
  readonly fields: readonly string[];
  readonly actions: ActionSpace;
  readonly steps: number;
  readonly threshold: number | null;
}

const MAX_OBSERVATIONS = 4096;
let made = 0;
const lent = new Map<string, () => HostStepper>();

/**
 * An environment that lies outside the numeric subset: classes, maps, strings, anything that JavaScript can do. It is
 * stepped where it was written, in batches of a run's environments, and always by the CPU engine. An error that it throws
 * ends the run and names environment, step and observation. Throws "env/invalid".
 */
export function hostEnvironment(definition: HostEnvironmentDefinition): Environment {
  const { observations, actions, steps = 500, threshold, name = "Host environment", create } = definition;
  const fields =
    typeof observations === "number"
      ? Array.from({ length: observations }, (_, i) => `o${i}`)
      : [...observations];
  const invalid = (what: string, fix: string): FulguriteError =>
    new FulguriteError("env/invalid", `The environment "${name}" ${what}.`, fix);
  if (fields.length < 1 || fields.length > MAX_OBSERVATIONS) {
    throw invalid("observes nothing, or too much", `Give 1 to ${MAX_OBSERVATIONS} numbers.`);
  }
  if (typeof create !== "function") {
    throw invalid("cannot be made", "Give `create: () => ({ reset(random) {}, step(action) {} })`.");
  }
  const space: ActionSpace =
    typeof actions === "number"
      ? { kind: "discrete", count: actions }
      : { kind: "continuous", low: actions.low, high: actions.high };
  if (space.kind === "discrete" && !(Number.isInteger(space.count) && space.count >= 1)) {
    throw invalid("has no usable number of actions", "Use at least 1.");
  }
  if (!Number.isInteger(steps) || steps < 1) throw invalid("has no time limit", "Give `steps`, at least 1.");
  const specification: HostSpecification = {
    ...{ id: `host-${++made}`, name, fields, actions: space, steps },
    threshold: threshold ?? null,
  };
  const reference = JSON.stringify({ host: specification });
  lendHost(reference, () => {
    const instances = new HostInstances(specification, create);
    return (batch) => Promise.resolve().then(() => instances.run(batch));
  });
  return environmentOfHost(reference);
}

/**
 * Says who steps environments of this reference in this realm: every run gets a stepper, and so instances, of its own.
 * Returns the way to take it back.
 */
export function lendHost(reference: string, stepper: () => HostStepper): () => void {
  lent.set(reference, stepper);
  return () => {
    if (lent.get(reference) === stepper) lent.delete(reference);
  };
}

export const isHostReference = (reference: string): boolean => reference.startsWith('{"host":');

/** The environment of a reference, for one run: with nobody who steps it here it can be shown, and not trained in. */
export function environmentOfHost(reference: string): Environment {
  const { name, fields, actions, steps, threshold } = (
    JSON.parse(reference) as { readonly host: HostSpecification }
  ).host;
  const fetched = (): never => {
    throw gone(name);
  };
  let stepper: HostStepper | null = null;
  return {
    ...{ name, reference, stateFields: fields, observationSize: fields.length, actions },
    actionCount: actions.kind === "discrete" ? actions.count : 0,
    maxEpisodeSteps: steps,
    rewardThreshold: threshold ?? NaN,
    wgsl: "",
    host: (batch) => {
      stepper ??= lent.get(reference)?.() ?? null;
      return stepper ? stepper(batch) : Promise.reject(gone(name));
    },
    reset: fetched,
    step: fetched,
    observe: (state, offset, observation, at) => {
      for (let i = 0; i < fields.length; i++) observation[at + i] = state[offset + i]!;
    },
    scene: (state, offset) => barScene(state, offset, fields.length),
  };
}

const gone = (name: string): FulguriteError =>
  new FulguriteError(
    "env/host",
    `The environment "${name}" lives in a notebook or a program that is not running now.`,
    "Run its cell again, and then train.",
  );

/** The environments themselves, where they were written. */
export class HostInstances {
  readonly #specification: HostSpecification;
  readonly #create: () => HostInstance;
  readonly #made = new Map<number, { readonly it: HostInstance; seen: Float32Array; steps: number }>();

  constructor(specification: HostSpecification, create: () => HostInstance) {
    this.#specification = specification;
    this.#create = create;
  }

  /** Throws "env/host" where one of them throws or answers with something else than it should. */
  run({ indices, actions, truncated, words }: HostBatch): HostReply {
    const size = this.#specification.fields.length;
    const count = indices.length;
    const reply: HostReply = {
      observations: new Float32Array(count * size),
      rewards: new Float32Array(count),
      terminated: new Uint8Array(count),
      starts: new Float32Array(count * size),
    };
    indices.forEach((index, i) => {
      if (actions) {
        const { observation, reward, terminated } = this.#step(index, actions[i]!);
        reply.observations.set(observation, i * size);
        reply.rewards[i] = reward;
        reply.terminated[i] = terminated ? 1 : 0;
        if (!terminated && truncated[i] === 0) return;
      }
      reply.starts.set(this.#start(index, words.subarray(4 * i, 4 * i + 4)), i * size);
    });
    return reply;
  }

  #start(index: number, words: Uint32Array): Float32Array {
    const one = this.#made.get(index) ?? {
      it: this.#try(index, "create()", null, () => this.#create()),
      seen: new Float32Array(),
      steps: 0,
    };
    this.#made.set(index, one);
    one.steps = 0;
    const random = uniformFrom(words);
    one.seen = this.#try(index, "reset()", null, () => this.#read(one.it.reset(random)));
    return one.seen;
  }

  #step(
    index: number,
    action: number,
  ): { readonly observation: Float32Array; readonly reward: number; readonly terminated: boolean } {
    const one = this.#made.get(index);
    if (!one) throw gone(this.#specification.name);
    one.steps++;
    const call = `step(${action})`;
    return this.#try(index, call, one, () => {
      const outcome = one.it.step(action);
      const observation = this.#read(outcome?.observation);
      const reward = Number(outcome.reward);
      if (!Number.isFinite(reward)) throw new TypeError(`the reward is ${String(outcome.reward)}`);
      one.seen = observation;
      return { observation, reward, terminated: Boolean(outcome.terminated) };
    });
  }

  #read(observation: ArrayLike<number> | undefined): Float32Array {
    const { fields } = this.#specification;
    if (observation?.length !== fields.length) {
      throw new TypeError(`the observation has ${String(observation?.length)} numbers, not ${fields.length}`);
    }
    const read = Float32Array.from(observation);
    const at = read.findIndex((value) => !Number.isFinite(value));
    if (at >= 0) throw new TypeError(`the observation's ${fields[at]!} is ${String(observation[at])}`);
    return read;
  }

  #try<T>(
    index: number,
    call: string,
    one: { readonly seen: Float32Array; readonly steps: number } | null,
    work: () => T,
  ): T {
    try {
      return work();
    } catch (cause) {
      const { name, fields } = this.#specification;
      const why = (cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)).slice(
        0,
        1_000,
      );
      const seen = fields.slice(0, 8).map((field, i) => `${field} ${Number(one?.seen[i]?.toPrecision(4))}`);
      const where = one ? `, step ${one.steps} of its episode, after observing ${seen.join(", ")}` : "";
      throw new FulguriteError(
        "env/host",
        `${call} of environment ${index} of "${name}" failed${where}. ${why}.`,
        "Mend the environment, and run its cell again.",
        { cause },
      );
    }
  }
}

/** Uniform numbers from four words: xoshiro128++ (Blackman and Vigna 2021). */
export function uniformFrom(words: ArrayLike<number>): () => number {
  let [a, b, c, d] = [words[0]! | 0, words[1]! | 0, words[2]! | 0, words[3]! | 1];
  const rotate = (x: number, k: number): number => (x << k) | (x >>> (32 - k));
  return () => {
    const result = (rotate((a + d) | 0, 7) + a) | 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d, 11);
    return uniform(result >>> 0);
  };
}

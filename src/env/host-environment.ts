import { FulguriteError } from "../gpu/error.ts";
import { uniform } from "../kernels/philox.ts";
import { barScene } from "./painter.ts";
import {
  actionSize,
  MAX_DIMENSIONS,
  type ActionSpace,
  type Environment,
  type GivenAction,
} from "./environment.ts";

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
  /** `action` is a number; where the actions have several dimensions, a list of them. */
  step(action: GivenAction): HostOutcome;
  /**
   * All that `load` needs to go on from here, as a value that JSON keeps. With both, a run that is resumed has the bits of one
   * that was never left; without them it begins new episodes there.
   */
  save?(): unknown;
  /** Takes back what `save` gave; `random` goes on where it was. */
  load?(saved: unknown, random: () => number): void;
}

export interface HostEnvironmentDefinition<Instance extends HostInstance = HostInstance> {
  /** Shown in lists; default "Host environment". */
  readonly name?: string;
  /** Names of the observation's numbers, or how many there are. */
  readonly observations: number | readonly string[];
  /** A count of actions, numbered from 0; or `{ low, high }` for a real number, with `dimensions` for a list of them. */
  readonly actions: number | { readonly low: number; readonly high: number; readonly dimensions?: number };
  /** Time limit, steps; default 500. It truncates, and does not terminate. */
  readonly steps?: number;
  /** Mean return at which the task counts as solved. */
  readonly threshold?: number;
  /** Makes one environment; as many are made as a run steps side by side, and some for its evaluations. */
  readonly create: () => Instance;
  /** Whether an action may be taken now; default all may. Of at most 32 actions, at least one must be allowed. */
  readonly allowed?: (instance: Instance, action: number) => boolean;
}

/** Steps or starts of some environments, crossing from trainer to host in one message. */
export interface HostBatch {
  /** Numbers of the environments; one that is not there yet is made. */
  readonly indices: Int32Array;
  /** [count], or [count x dimensions]; null: all of them begin an episode. */
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
  /** [count], bit a for action a, in the state that it is in now; nothing where all is allowed. */
  readonly masks: Uint32Array;
}

/** Who steps host environments, in this realm or another. */
export interface HostStepper {
  run(batch: HostBatch): Promise<HostReply>;
  /** What is inside of each, as JSON; null where the environment does not say. */
  save(indices: Int32Array): Promise<readonly string[] | null>;
  /** Takes back what `save` gave, in instances new or old; resolves with the masks of `HostReply`. */
  load(indices: Int32Array, saved: readonly string[]): Promise<Uint32Array>;
}

/** What can be said of a host environment in another realm. */
export interface HostSpecification {
  readonly id: string;
  readonly name: string;
  readonly fields: readonly string[];
  readonly actions: ActionSpace;
  readonly steps: number;
  readonly threshold: number | null;
  /** Whether it forbids actions now and then. */
  readonly masked?: true;
}

/** Characters of JSON that one environment may save. */
export const MAX_SAVED = 2 ** 16;
/** Environments of evaluations are others than those of training, from this index on. */
export const FIRST_EVALUATED = 2 ** 20;
const MAX_MASKED = 32;
const MAX_OBSERVATIONS = 4096;
let made = 0;
const lent = new Map<string, () => HostStepper>();

/**
 * An environment that lies outside the numeric subset: classes, maps, strings, anything that JavaScript can do. It is
 * stepped where it was written, in batches of a run's environments; the policy acts on the processor, and either engine
 * makes the updates. An error that it throws ends the run and names environment, step and observation. Throws "env/invalid".
 */
export function hostEnvironment<Instance extends HostInstance>(
  definition: HostEnvironmentDefinition<Instance>,
): Environment {
  const {
    observations = 0,
    actions,
    steps = 500,
    threshold,
    name = "Host environment",
    create,
    allowed,
  } = definition;
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
    typeof actions === "number" ? { kind: "discrete", count: actions } : { kind: "continuous", ...actions };
  if (space.kind === "discrete" && !(Number.isInteger(space.count) && space.count >= 1)) {
    throw invalid("has no usable number of actions", "Use at least 1.");
  }
  if (allowed && !(space.kind === "discrete" && space.count <= MAX_MASKED)) {
    throw invalid("forbids actions of more than 32, or of none that are counted", "Leave `allowed` out.");
  }
  if (space.kind === "continuous" && !(Number.isFinite(space.high - space.low) && space.low < space.high)) {
    throw invalid(
      "has no actions",
      "Give their count, `actions: 2`, or a range, `actions: { low: -1, high: 1 }`.",
    );
  }
  const dimensions = space.kind === "continuous" ? (space.dimensions ?? 1) : 1;
  if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > MAX_DIMENSIONS) {
    throw invalid("has no usable number of dimensions", `Use 1 to ${MAX_DIMENSIONS}.`);
  }
  if (!Number.isInteger(steps) || steps < 1) throw invalid("has no time limit", "Give `steps`, at least 1.");
  const specification: HostSpecification = {
    ...{ id: `host-${++made}`, name, fields, actions: space, steps },
    threshold: threshold ?? null,
    ...(allowed && { masked: true }),
  };
  const reference = JSON.stringify({ host: specification });
  lendHost(reference, () => {
    const instances = new HostInstances(specification, create, allowed);
    return {
      run: (batch) => Promise.resolve().then(() => instances.run(batch)),
      save: (indices) => Promise.resolve().then(() => instances.save(indices)),
      load: (indices, saved) => Promise.resolve().then(() => instances.load(indices, saved)),
    };
  });
  return environmentOfHost(reference);
}

/** Says who steps environments of this reference in this realm: every run gets a stepper, and so instances, of its own. */
function lendHost(reference: string, stepper: () => HostStepper): void {
  lent.set(reference, stepper);
}

/** That of the reference, or the latest that is like it: a cell that was run again, perhaps in another page. */
function lentFor(reference: string): (() => HostStepper) | undefined {
  const like = withoutId(reference);
  return lent.get(reference) ?? [...lent].findLast(([other]) => withoutId(other) === like)?.[1];
}

const specificationOf = (reference: string): HostSpecification =>
  (JSON.parse(reference) as { readonly host: HostSpecification }).host;

const withoutId = (reference: string): string => JSON.stringify({ ...specificationOf(reference), id: "" });

export const isHostReference = (reference: string): boolean => reference.startsWith('{"host":');

/** The environment of a reference, for one run: with nobody who steps it here it can be shown, and not trained in. */
export function environmentOfHost(reference: string): Environment {
  const { name, fields, actions, steps, threshold, masked } = specificationOf(reference);
  const fetched = (): never => {
    throw gone(name);
  };
  let stepper: HostStepper | null = null;
  const found = (): HostStepper => (stepper ??= lentFor(reference)?.() ?? fetched());
  return {
    ...{ name, reference, stateFields: fields, observationSize: fields.length, actions },
    actionCount: actions.kind === "discrete" ? actions.count : 0,
    maxEpisodeSteps: steps,
    rewardThreshold: threshold ?? NaN,
    wgsl: "",
    host: {
      run: async (batch) => found().run(batch),
      save: async (indices) => found().save(indices),
      load: async (indices, saved) => found().load(indices, saved),
    },
    reset: fetched,
    step: fetched,
    ...(masked && { mask: fetched }),
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
    "Run the cell that makes it, and then train or resume.",
  );

/** A `HostInstance` as it is called. */
interface Stepped {
  step(action: number | readonly number[]): HostOutcome;
}

/** One environment, and what its run has to know of it. */
interface Made<Instance> {
  readonly it: Instance;
  seen: Float32Array;
  steps: number;
  random: SeededUniform | null;
}

/** What is kept of one: its own value, the state of its random numbers, its steps and what it has shown last. */
interface Saved {
  readonly saved: unknown;
  readonly random: readonly number[];
  readonly steps: number;
  readonly seen: readonly number[];
}

/** The environments themselves, where they were written. */
class HostInstances<Instance extends HostInstance> {
  readonly #specification: HostSpecification;
  readonly #create: () => Instance;
  readonly #allowed: ((instance: Instance, action: number) => boolean) | undefined;
  readonly #made = new Map<number, Made<Instance>>();

  constructor(
    specification: HostSpecification,
    create: () => Instance,
    allowed?: (instance: Instance, action: number) => boolean,
  ) {
    this.#specification = specification;
    this.#create = create;
    this.#allowed = allowed;
  }

  /** Throws "env/host" where one of them throws or answers with something else than it should. */
  run({ indices, actions, truncated, words }: HostBatch): HostReply {
    const { fields, actions: space } = this.#specification;
    const size = fields.length;
    const dimensions = actionSize({ actionCount: 0, actions: space });
    const count = indices.length;
    const reply: HostReply = {
      observations: new Float32Array(count * size),
      rewards: new Float32Array(count),
      terminated: new Uint8Array(count),
      starts: new Float32Array(count * size),
      masks: new Uint32Array(this.#allowed ? count : 0),
    };
    indices.forEach((index, i) => {
      if (actions) {
        const { observation, reward, terminated } = this.#step(
          index,
          dimensions === 1 ? actions[i]! : Array.from(actions.subarray(i * dimensions, (i + 1) * dimensions)),
        );
        reply.observations.set(observation, i * size);
        reply.rewards[i] = reward;
        reply.terminated[i] = terminated ? 1 : 0;
        if (!terminated && truncated[i] === 0) return;
      }
      reply.starts.set(this.#start(index, words.subarray(4 * i, 4 * i + 4)), i * size);
    });
    this.#mask(indices, reply.masks);
    return reply;
  }

  /** Null where the environments have no `save` and `load`. */
  save(indices: Int32Array): readonly string[] | null {
    const saved: string[] = [];
    for (const index of indices) {
      const one = this.#one(index);
      const { it, random, steps, seen } = one;
      if (!it.save || !it.load) return null;
      saved.push(
        this.#try(index, "save()", one, () => {
          const kept: Saved = { saved: it.save!(), random: random!.state, steps, seen: [...seen] };
          const text = JSON.stringify(kept, refuseWhatJsonLoses);
          if (text.length <= MAX_SAVED) return text;
          throw new RangeError(`it is ${text.length} characters of JSON, at most ${MAX_SAVED} are kept`);
        }),
      );
    }
    return saved;
  }

  load(indices: Int32Array, saved: readonly string[]): Uint32Array {
    indices.forEach((index, i) => {
      const one = this.#one(index);
      this.#try(index, "load()", one, () => {
        if (!one.it.load) throw new TypeError("it has no load(), and had one when the run was saved");
        const kept = JSON.parse(saved[i]!) as Saved;
        one.random = new SeededUniform(kept.random);
        one.steps = kept.steps;
        one.seen = this.#read(kept.seen);
        one.it.load(kept.saved, one.random.next);
      });
    });
    const masks = new Uint32Array(this.#allowed ? indices.length : 0);
    this.#mask(indices, masks);
    return masks;
  }

  /** It is made where it is not there yet. */
  #one(index: number): Made<Instance> {
    const known = this.#made.get(index);
    if (known) return known;
    const it = this.#try(index, "create()", null, () => this.#create());
    const one: Made<Instance> = { it, seen: new Float32Array(), steps: 0, random: null };
    this.#made.set(index, one);
    return one;
  }

  #mask(indices: Int32Array, masks: Uint32Array): void {
    const { actions } = this.#specification;
    const allowed = this.#allowed;
    if (!allowed || actions.kind !== "discrete") return;
    indices.forEach((index, i) => {
      const one = this.#one(index);
      masks[i] = this.#try(index, "allowed()", one, () => {
        let mask = 0;
        for (let action = 0; action < actions.count; action++) {
          if (allowed(one.it, action)) mask |= 1 << action;
        }
        if (mask === 0) throw new RangeError("no action is allowed");
        return mask >>> 0;
      });
    });
  }

  #start(index: number, words: Uint32Array): Float32Array {
    const one = this.#one(index);
    one.steps = 0;
    one.random = new SeededUniform(words);
    one.seen = this.#try(index, "reset()", null, () => this.#read(one.it.reset(one.random!.next)));
    return one.seen;
  }

  #step(
    index: number,
    action: number | readonly number[],
  ): { readonly observation: Float32Array; readonly reward: number; readonly terminated: boolean } {
    const one = this.#made.get(index);
    if (!one) throw gone(this.#specification.name);
    one.steps++;
    const call = `step(${JSON.stringify(action)})`;
    return this.#try(index, call, one, () => {
      const it: Stepped = one.it;
      const outcome = it.step(action);
      const observation = this.#read(outcome?.observation);
      const { reward, terminated } = outcome;
      if (!Number.isFinite(reward)) throw new TypeError(`the reward is ${String(reward)}`);
      // An end that goes by another name would never come.
      if (typeof terminated !== "boolean") throw new TypeError(`\`terminated\` is ${String(terminated)}`);
      one.seen = observation;
      return { observation, reward, terminated };
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
      const which = `environment ${index % FIRST_EVALUATED} of "${name}"`;
      const failed = index < FIRST_EVALUATED ? "failed" : "failed in an evaluation";
      throw new FulguriteError(
        "env/host",
        `${call} of ${which} ${failed}${where}. ${why}.`,
        "Mend the environment, and run its cell again.",
        { cause },
      );
    }
  }
}

/** Throws at what JSON leaves out or changes, so that nothing is lost without a word. */
function refuseWhatJsonLoses(this: unknown, key: string, value: unknown): unknown {
  const plain =
    value === null ||
    typeof value === "string" ||
    typeof value === "boolean" ||
    (typeof value === "number" && Number.isFinite(value)) ||
    Array.isArray(value) ||
    (typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype);
  if (plain) return value;
  const what = typeof value === "object" ? (value.constructor?.name ?? "object") : String(value);
  throw new TypeError(`JSON does not keep ${key} (${what}); save numbers, texts, lists and plain objects`);
}

/** Uniform numbers from four words: xoshiro128++ (Blackman and Vigna 2021). */
export class SeededUniform {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(words: ArrayLike<number>) {
    [this.#a, this.#b, this.#c, this.#d] = [words[0]! | 0, words[1]! | 0, words[2]! | 0, words[3]! | 0];
    // From zeros alone it never gets away.
    if ((this.#a | this.#b | this.#c | this.#d) === 0) this.#d = 1;
  }

  /** Another generator of these words goes on as this one does. */
  get state(): readonly number[] {
    return [this.#a, this.#b, this.#c, this.#d];
  }

  /** In [0, 1). */
  readonly next = (): number => {
    const result = (rotate((this.#a + this.#d) | 0, 7) + this.#a) | 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = rotate(this.#d, 11);
    return uniform(result >>> 0);
  };
}

const rotate = (x: number, k: number): number => (x << k) | (x >>> (32 - k));

import { type Draw, interpretF32 } from "../compile/interpret.ts";
import type { IrFunction } from "../compile/ir.ts";
import { instantiate } from "../compile/run-wasm.ts";
import { philox, uniform } from "../kernels/philox.ts";
import type { Action } from "./environment.ts";
import type { LoweredEnvironment } from "./lower-environment.ts";

/** Sets the random numbers of environments apart from other uses of the same key. */
export const ENVIRONMENT_TAG = 0x656e76;

/**
 * The random numbers of one episode: number k is a function of (key, k). The key has 24 bits twice, so that a
 * state of f32 can hold it.
 */
export class EpisodeRandom {
  readonly #words = new Uint32Array(4);
  key0 = 0;
  key1 = 0;
  draws = 0;

  /** Starts an episode from four random words. */
  start(words: Readonly<Uint32Array>): void {
    this.key0 = words[0]! >>> 8;
    this.key1 = words[1]! >>> 8;
    this.draws = 0;
  }

  readonly next: Draw = () => {
    philox([this.draws++, 0, ENVIRONMENT_TAG, 0], [this.key0, this.key1], this.#words);
    return uniform(this.#words[0]!);
  };

  load(state: ArrayLike<number>, at: number): void {
    this.key0 = state[at]!;
    this.key1 = state[at + 1]!;
    this.draws = state[at + 2]!;
  }

  save(state: Float32Array, at: number): void {
    state[at] = this.key0;
    state[at + 1] = this.key1;
    state[at + 2] = this.draws;
  }
}

/** The f32 bit twin of a compiled environment: WebAssembly, or interpreted where that is refused. */
export class EnvironmentTwin {
  readonly #lowered: LoweredEnvironment;
  readonly #random = new EpisodeRandom();
  /** Current state, state before the step, observation, an action of several numbers. */
  readonly #memory: Float32Array;
  readonly #size: number;
  readonly #actionAt: number;
  readonly #call: Readonly<Record<string, (...numbers: number[]) => number>>;
  readonly #rewards: readonly string[];

  constructor(lowered: LoweredEnvironment, actionSize: number) {
    this.#lowered = lowered;
    this.#size = lowered.layout.size;
    const { folded, observationSize } = lowered;
    const entries: Record<string, IrFunction> = { reset: folded.reset, step: folded.step };
    if (folded.observe) entries["observe"] = folded.observe;
    if (folded.done) entries["done"] = folded.done;
    if (folded.allowed) entries["allowed"] = folded.allowed;
    folded.rewards.forEach((reward, i) => (entries[`reward${i}`] = reward));
    this.#rewards = folded.rewards.map((_, i) => `reward${i}`);
    this.#actionAt = 2 * this.#size + observationSize;
    const reserved = this.#actionAt + actionSize;
    try {
      const { memory, functions } = instantiate(entries, reserved, this.#random.next);
      this.#memory = memory;
      this.#call = functions;
    } catch (error) {
      if (!(error instanceof WebAssembly.CompileError) && !(error instanceof EvalError)) throw error;
      // A content security policy may refuse WebAssembly.
      this.#memory = new Float32Array(reserved);
      this.#call = interpreted(entries, this.#memory, this.#random.next);
    }
  }

  reset(state: Float32Array, offset: number, words: Readonly<Uint32Array>): void {
    this.#memory.fill(0, 0, this.#size);
    this.#random.start(words);
    this.#call["reset"]!(0);
    this.#give(state, offset);
  }

  step(state: Float32Array, offset: number, action: Action, out: Float32Array): void {
    const { randomAt } = this.#lowered;
    const size = this.#size;
    this.#take(state, offset);
    this.#memory.copyWithin(size, 0, size);
    if (randomAt !== null) this.#random.load(state, offset + randomAt);
    const a = this.#given(action);
    this.#call["step"]!(0, a);
    let reward = 0;
    this.#rewards.forEach((name, i) => {
      const value = this.#call[name]!(size * 4, a, 0);
      reward = i === 0 ? value : Math.fround(reward + value);
    });
    out[0] = reward;
    out[1] = this.#call["done"]?.(0) ?? 0;
    this.#give(state, offset);
  }

  /** Every reward of a step by itself, in the order of `rewardNames`. */
  rewards(
    s: Float32Array,
    sAt: number,
    action: Action,
    next: Float32Array,
    nextAt: number,
    out: Float32Array,
  ): void {
    this.#take(s, sAt);
    this.#memory.copyWithin(this.#size, 0, this.#size);
    this.#take(next, nextAt);
    const a = this.#given(action);
    this.#rewards.forEach((name, i) => (out[i] = this.#call[name]!(this.#size * 4, a, 0)));
  }

  observe(state: Float32Array, offset: number, observation: Float32Array, at: number): void {
    const { observationSize } = this.#lowered;
    const observe = this.#call["observe"];
    if (!observe) {
      for (let i = 0; i < observationSize; i++) observation[at + i] = state[offset + i]!;
      return;
    }
    this.#take(state, offset);
    observe(0, this.#size * 8);
    for (let i = 0; i < observationSize; i++) observation[at + i] = this.#memory[2 * this.#size + i]!;
  }

  /** Bit a: action a is allowed. */
  mask(state: Float32Array, offset: number, actions: number): number {
    this.#take(state, offset);
    let bits = 0;
    for (let a = 0; a < actions; a++) if (this.#call["allowed"]!(0, a) !== 0) bits |= 1 << a;
    return bits >>> 0;
  }

  /** A number, or the address of a list. */
  #given(action: Action): number {
    if (typeof action === "number") return action;
    this.#memory.set(action, this.#actionAt);
    return this.#actionAt * 4;
  }

  #take(state: ArrayLike<number>, offset: number): void {
    for (let i = 0; i < this.#size; i++) this.#memory[i] = state[offset + i]!;
  }

  #give(state: Float32Array, offset: number): void {
    for (let i = 0; i < this.#size; i++) state[offset + i] = this.#memory[i]!;
    if (this.#lowered.randomAt !== null) this.#random.save(state, offset + this.#lowered.randomAt);
  }
}

/** The same functions interpreted, with the same byte addresses. */
export function interpreted(
  entries: Readonly<Record<string, IrFunction>>,
  memory: Float32Array,
  draw: Draw,
): Record<string, (...numbers: number[]) => number> {
  return Object.fromEntries(
    Object.entries(entries).map(([name, source]) => {
      const frame = interpretF32(source, draw);
      const run = (...numbers: number[]): number => {
        for (let i = 0; i < source.parameterCount; i++) {
          if (typeof source.locals[i]!.type === "string") frame.scalars[i] = Math.fround(numbers[i]!);
          else {
            frame.arrays[i] = memory;
            frame.offsets[i] = numbers[i]! / 4;
          }
        }
        return frame.run();
      };
      return [name, run];
    }),
  );
}

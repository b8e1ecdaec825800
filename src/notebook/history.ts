/** Edits of the same thing within this time are one step, */
const COALESCE_MS = 1_000;
/** of at most this length: who types for minutes does not want to lose minutes at a stroke. */
const MAX_STEP_MS = 5_000;
const MAX_STEPS = 200;

/** Undo and redo over immutable states. */
export class History<T> {
  #past: T[] = [];
  #future: T[] = [];
  #present: T;
  #key: string | null = null;
  #time = 0;
  #began = 0;

  constructor(present: T) {
    this.#present = present;
  }

  get present(): T {
    return this.#present;
  }
  get canUndo(): boolean {
    return this.#past.length > 0;
  }
  get canRedo(): boolean {
    return this.#future.length > 0;
  }

  /**
   * A new state; one step with the one before where `key` is the same and `now` (ms) within a second of it. With the
   * key null it is a step by itself.
   */
  push(state: T, key: string | null, now: number): void {
    const goesOn = now - this.#time <= COALESCE_MS && now - this.#began <= MAX_STEP_MS;
    if (key === null || key !== this.#key || !goesOn) {
      this.#past.push(this.#present);
      this.#began = now;
      if (this.#past.length > MAX_STEPS) this.#past.shift();
    }
    this.#key = key;
    this.#time = now;
    this.#future = [];
    this.#present = state;
  }

  undo(): T {
    return this.#move(this.#past, this.#future);
  }

  redo(): T {
    return this.#move(this.#future, this.#past);
  }

  #move(from: T[], to: T[]): T {
    const state = from.pop();
    this.#key = null;
    if (state === undefined) return this.#present;
    to.push(this.#present);
    this.#present = state;
    return state;
  }
}

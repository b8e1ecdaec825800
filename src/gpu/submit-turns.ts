/** A submit shorter than this says more about the browser than about the device. */
const MEASURED_SECONDS = 0.02;
/** Weight of the newest measurement. */
const NEWEST = 0.3;

/** Longest that a submit is planned for, in seconds: others wait no longer for their turn, and the page's own drawing. */
export const SUBMIT_SECONDS = 0.1;
/** The same for a job that has the device to itself: what drivers reset is longer. */
export const ALONE_SECONDS = 2;

/** What can be submitted apart. */
export interface WorkUnit {
  /** That it is expected to take. */
  readonly seconds: number;
}

/**
 * Jobs of one device submit by turns. A job alone never waits; of several, each turn begins when the device is done with
 * the one before, in the order in which they were asked for, so that jobs that ask again after their turn alternate.
 */
export class SubmitTurns {
  readonly #done: () => Promise<unknown>;
  #now: (() => number) | null = null;
  #pace = 1;
  #jobs = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** `done` resolves when the device has done what was submitted. */
  constructor(done: () => Promise<unknown>) {
    this.#done = done;
  }

  /** Counts a job in until the returned function is called. */
  join(): () => void {
    this.#jobs++;
    let joined = true;
    return () => {
      if (joined) this.#jobs--;
      joined = false;
    };
  }

  /** Gives it a clock, in milliseconds, to measure what submits take; until then estimates are believed. */
  measureBy(now: () => number): void {
    this.#now ??= now;
  }

  /** Seconds that work took lately for each second that it was expected to take; 1 while nothing was measured. */
  get pace(): number {
    return this.#pace;
  }

  /** Units cut into submits of a tenth of a second, by what the device has been seen to do. */
  pieces<Unit extends WorkUnit>(units: readonly Unit[]): readonly (readonly Unit[])[] {
    return submitPieces(units, SUBMIT_SECONDS / this.#pace);
  }

  /** Whether there is somebody to wait for. */
  get contended(): boolean {
    return this.#jobs > 1;
  }

  /** Has `submit` submit a piece in this job's turn; resolves when the device is done. Rejects with what it throws. */
  take<Unit extends WorkUnit>(
    submit: (piece: readonly Unit[]) => void,
    piece: readonly Unit[],
  ): Promise<void> {
    const seconds = piece.reduce((sum, unit) => sum + unit.seconds, 0);
    const mine = this.#last.then(async () => {
      const began = this.#now?.() ?? NaN;
      submit(piece);
      // A lost device is told by whoever reads from it.
      await this.#done().catch(() => undefined);
      this.#measure(((this.#now?.() ?? NaN) - began) / 1000, seconds);
    });
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  /** A geometric mean that forgets: a factor of ten either way weighs the same. */
  #measure(taken: number, expected: number): void {
    if (!(taken > 0 && expected > 0)) return;
    if (taken < MEASURED_SECONDS && expected * this.#pace < MEASURED_SECONDS) return;
    const pace = this.#pace * (taken / expected / this.#pace) ** NEWEST;
    this.#pace = Math.min(Math.max(pace, 1e-3), 1e3);
  }
}

/**
 * Units of work, with the seconds each is expected to take, cut into consecutive submits of at most `limit` seconds;
 * a longer unit has a submit of its own.
 */
export function submitPieces<Unit extends WorkUnit>(
  units: readonly Unit[],
  limit: number = SUBMIT_SECONDS,
): readonly (readonly Unit[])[] {
  const pieces: Unit[][] = [];
  let total = Infinity;
  for (const unit of units) {
    if (total + unit.seconds > limit) {
      pieces.push([]);
      total = 0;
    }
    pieces.at(-1)!.push(unit);
    total += unit.seconds;
  }
  return pieces;
}

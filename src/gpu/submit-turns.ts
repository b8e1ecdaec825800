/** Longest that a submit is planned for, in seconds: others wait no longer for their turn, and the page's own drawing. */
export const SUBMIT_SECONDS = 0.1;

/**
 * Jobs of one device submit by turns. A job alone never waits; of several, each turn begins when the device is done with
 * the one before, in the order in which they were asked for, so that jobs that ask again after their turn alternate.
 */
export class SubmitTurns {
  readonly #done: () => Promise<unknown>;
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

  /** Whether there is somebody to wait for. */
  get contended(): boolean {
    return this.#jobs > 1;
  }

  /** Submits in this job's turn; resolves when the device is done. Rejects with what `submit` throws. */
  take(submit: () => void): Promise<void> {
    const mine = this.#last.then(async () => {
      submit();
      // A lost device is told by whoever reads from it.
      await this.#done().catch(() => undefined);
    });
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}

/**
 * Units of work, with the seconds each is expected to take, cut into consecutive submits of at most `limit` seconds;
 * a longer unit has a submit of its own.
 */
export function submitPieces<Unit extends { readonly seconds: number }>(
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

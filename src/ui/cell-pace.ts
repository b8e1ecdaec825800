/** The first cells are drawn one at a time, the others in tasks of about this length, so many at a time at most. */
const FIRST_CELLS = 16;
const TASK_MS = 16;
const MOST_CELLS = 32;

/** How many of a notebook's cells to draw at a time: more while that takes little, fewer where it holds the page up. */
export class CellPace {
  #cells = 1;
  #at = 0;

  /** Cells for the next task, which begins now, where so many are drawn already. */
  next(drawn: number): number {
    const now = performance.now();
    const took = now - this.#at;
    this.#at = now;
    if (drawn < FIRST_CELLS) this.#cells = 1;
    else if (took < TASK_MS / 2) this.#cells = Math.min(MOST_CELLS, this.#cells * 2);
    else if (took > TASK_MS) this.#cells = Math.max(1, this.#cells >> 1);
    return this.#cells;
  }
}

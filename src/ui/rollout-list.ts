import type { Rollout } from "../store/records.ts";
import type { RolloutSource } from "./rollout-source.ts";

/** Rows of one page; an update of 32 groups of 8 fits into it. */
const PAGE = 256;

/** A run's rollouts, newest first, read page by page as somebody scrolls. */
export class RolloutList {
  readonly runId: string;
  rows: readonly Rollout[] = [];
  /** The oldest has been read. */
  complete = false;
  readonly #source: RolloutSource;
  readonly #mode: Rollout["mode"] | undefined;
  #busy: Promise<void> = Promise.resolve();

  constructor(source: RolloutSource, runId: string, mode?: Rollout["mode"]) {
    this.#source = source;
    this.runId = runId;
    this.#mode = mode;
  }

  /** The next page of older ones. */
  more(): Promise<void> {
    return this.#queue(async () => {
      if (this.complete) return;
      const beforeNumber = this.rows.at(-1)?.number;
      const older = await this.#read(beforeNumber === undefined ? {} : { beforeNumber });
      this.rows = [...this.rows, ...older];
      this.complete = older.length < PAGE;
    });
  }

  /** What has come since; where it is more than a page, the list begins anew. */
  refresh(): Promise<void> {
    return this.#queue(async () => {
      const afterNumber = this.rows[0]?.number ?? -1;
      const newer = await this.#read({ afterNumber });
      if (newer.length === PAGE) {
        this.rows = newer;
        this.complete = false;
      } else if (newer.length > 0) this.rows = [...newer, ...this.rows];
    });
  }

  #read(range: {
    readonly beforeNumber?: number;
    readonly afterNumber?: number;
  }): Promise<readonly Rollout[]> {
    const mode = this.#mode === undefined ? {} : { mode: this.#mode };
    return this.#source.rollouts({ runId: this.runId, ...mode, ...range, limit: PAGE, order: "newest" });
  }

  #queue(work: () => Promise<void>): Promise<void> {
    const done = this.#busy.then(work);
    this.#busy = done.catch(() => undefined);
    return done;
  }
}

/**
 * Milliseconds between looks. Chromium removes the files of what was deleted some seconds later, and may take half a minute
 * (`kMaxJournalCleaningWindowTime` in its `content/browser/indexed_db`).
 */
const waits = [250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000];

/** Has whoever was refused for lack of space try again for a while after something was deleted. */
export class Room {
  readonly #tell: () => void;
  #refused = false;
  #telling = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `tell` tells whoever waits for room, in this tab. */
  constructor(tell: () => void) {
    this.#tell = tell;
  }

  /** The disk was full. */
  refused(): void {
    this.#refused = true;
  }

  /** Something was deleted, here or in another tab. */
  removed(): void {
    if (!this.#refused || this.#telling) return;
    this.#refused = false;
    clearTimeout(this.#timer);
    this.#look(0);
  }

  #look(round: number): void {
    const wait = waits[round];
    if (wait === undefined) return;
    this.#timer = setTimeout(() => {
      this.#telling = true;
      this.#tell();
      this.#telling = false;
      this.#look(round + 1);
    }, wait);
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}

/** A stream that one side pushes into and the other reads; reading it no further calls `onCancel`. */
export class EventQueue implements AsyncIterable<string> {
  readonly #onCancel: () => void;
  #events: string[] = [];
  #wake: (() => void) | null = null;
  #closed = false;

  constructor(onCancel: () => void) {
    this.#onCancel = onCancel;
  }

  push(event: string): void {
    if (this.#closed) return;
    this.#events.push(event);
    this.#wake?.();
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  /** Everything pushed since the last read comes as one piece. */
  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    try {
      for (;;) {
        if (this.#events.length > 0) {
          const piece = this.#events.join("");
          this.#events = [];
          yield piece;
        } else if (this.#closed) {
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      if (!this.#closed) {
        this.#closed = true;
        this.#onCancel();
      }
    }
  }
}

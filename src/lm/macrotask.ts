/** Turns of the event loop, without a timer's delay. Close it, or it keeps a Node process alive. */
export class MacrotaskTurns {
  readonly #channel = new MessageChannel();
  #wake: (() => void) | null = null;

  constructor() {
    this.#channel.port1.onmessage = (): void => this.#wake?.();
  }

  /** Resolves after what is already waiting in the event loop has run. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#channel.port2.postMessage(null);
    });
  }

  close(): void {
    this.#channel.port1.close();
  }
}

import { asError } from "./trainer-client.ts";
import type { FulguriteError } from "../gpu/error.ts";

/** Milliseconds after an edit, and after a failure. */
const delay = 500;
const patience = 5000;

/**
 * Saves the latest text soon after an edit, one save at a time. What cannot be saved, as on a full disk, is kept and tried
 * again until it can; of such a series the first failure is told, and null once it is over.
 */
export class SaveSoon {
  readonly #save: (text: string) => Promise<void>;
  readonly #tell: (failure: FulguriteError | null) => void;
  #text: string | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #saving: Promise<void> = Promise.resolve();
  #failed = false;

  constructor(save: (text: string) => Promise<void>, tell: (failure: FulguriteError | null) => void) {
    this.#save = save;
    this.#tell = tell;
  }

  keep(text: string): void {
    this.#text = text;
    this.#flushAfter(delay);
  }

  /** Saves now what is not saved yet; never rejects. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    const text = this.#text;
    this.#text = null;
    if (text !== null) this.#saving = this.#saving.then(() => this.#try(text));
    await this.#saving;
  }

  async #try(text: string): Promise<void> {
    try {
      await this.#save(text);
      if (this.#failed) this.#tell(null);
      this.#failed = false;
    } catch (error) {
      if (this.#text === null) {
        this.#text = text;
        this.#flushAfter(patience);
      }
      if (!this.#failed) this.#tell(asError(error));
      this.#failed = true;
    }
  }

  #flushAfter(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.flush(), milliseconds);
  }
}

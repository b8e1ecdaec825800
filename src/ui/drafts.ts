import type { FulguriteError } from "../gpu/error.ts";
import { SaveSoon } from "./save-soon.ts";
import type { TrainerClient } from "./trainer-client.ts";

/** An edited notebook as it is kept. `original` is the shipped text that the edits began from. */
interface Draft {
  readonly version: 1;
  readonly text: string;
  readonly original: string;
}

/**
 * Keeps the edited text of one notebook in the store, beside the shipped one. A draft that equals the shipped
 * text is no draft.
 */
export class Drafts {
  readonly #trainer: TrainerClient;
  readonly #key: string;
  readonly #original: string;
  readonly #saver: SaveSoon;

  constructor(
    trainer: TrainerClient,
    notebook: string,
    original: string,
    tell: (failure: FulguriteError | null) => void,
    saved: (text: string) => void = () => undefined,
  ) {
    this.#trainer = trainer;
    this.#key = `draft/${notebook}`;
    this.#original = original;
    this.#saver = new SaveSoon(async (text) => {
      await this.#save(text);
      saved(text);
    }, tell);
  }

  /** False where this browser surely holds no draft, so that opening need not wait for the store. */
  get mayExist(): boolean {
    try {
      return localStorage.getItem(`fulgurite/${this.#key}`) !== null;
    } catch {
      return true;
    }
  }

  /** The kept text, or null; `outdated` says that the shipped notebook has changed since. */
  async load(): Promise<{ readonly text: string; readonly outdated: boolean } | null> {
    const stored = await this.#trainer.setting(this.#key);
    if (!isDraft(stored) || stored.text === this.#original) return null;
    return { text: stored.text, outdated: stored.original !== this.#original };
  }

  /** Saves soon; `flush` saves now. */
  keep(text: string): void {
    this.#saver.keep(text);
  }

  flush(): Promise<void> {
    return this.#saver.flush();
  }

  async #save(text: string): Promise<void> {
    const draft: Draft | null =
      text === this.#original ? null : { version: 1, text, original: this.#original };
    this.#mark(draft !== null);
    await this.#trainer.setSetting(this.#key, draft);
  }

  #mark(exists: boolean): void {
    try {
      if (exists) localStorage.setItem(`fulgurite/${this.#key}`, "kept");
      else localStorage.removeItem(`fulgurite/${this.#key}`);
    } catch {
      // Local storage is closed to us; then `mayExist` says yes.
    }
  }

  /** Forgets the draft. */
  async discard(): Promise<void> {
    this.keep(this.#original);
    await this.flush();
  }
}

function isDraft(value: unknown): value is Draft {
  if (typeof value !== "object" || value === null) return false;
  const { version, text, original } = value as Partial<Record<keyof Draft, unknown>>;
  return version === 1 && typeof text === "string" && typeof original === "string";
}

import { asError, type TrainerClient } from "./trainer-client.ts";
import type { FulguriteError } from "../gpu/error.ts";

const SAVE_DELAY_MS = 500;

/** An edited notebook as it is kept. `original` is the shipped text that the edits began from. */
interface Draft {
  readonly version: 1;
  readonly text: string;
  readonly original: string;
}

/**
 * Keeps the edited text of one notebook in the store, beside the shipped one. A draft that equals the shipped
 * text is no draft. One save at a time, the latest text last.
 */
export class Drafts {
  readonly #trainer: TrainerClient;
  readonly #key: string;
  readonly #original: string;
  readonly #onError: (error: FulguriteError) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #text: string | null = null;
  #saving: Promise<void> = Promise.resolve();

  constructor(
    trainer: TrainerClient,
    notebook: string,
    original: string,
    onError: (error: FulguriteError) => void,
  ) {
    this.#trainer = trainer;
    this.#key = `draft/${notebook}`;
    this.#original = original;
    this.#onError = onError;
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
    this.#text = text;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.flush(), SAVE_DELAY_MS);
  }

  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    const text = this.#text;
    this.#text = null;
    if (text === null) return;
    const draft: Draft | null =
      text === this.#original ? null : { version: 1, text, original: this.#original };
    this.#mark(draft !== null);
    this.#saving = this.#saving
      .then(() => this.#trainer.setSetting(this.#key, draft))
      .catch((error: unknown) => {
        this.#onError(asError(error));
      });
    await this.#saving;
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
    this.#text = this.#original;
    await this.flush();
  }
}

function isDraft(value: unknown): value is Draft {
  if (typeof value !== "object" || value === null) return false;
  const { version, text, original } = value as Partial<Record<keyof Draft, unknown>>;
  return version === 1 && typeof text === "string" && typeof original === "string";
}

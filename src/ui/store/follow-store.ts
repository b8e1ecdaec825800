import type { ReactiveController, ReactiveControllerHost } from "lit";
import type { StoreChange } from "../../store/access.ts";
import type { StoreSource } from "./store-source.ts";

/** A view reads again this long after a change, milliseconds: a run commits several times a second. */
const patience = 500;

/** Tells a view of the store when what it shows has changed, in this tab or another, for as long as it is on the page. */
export class FollowStore implements ReactiveController {
  readonly #host: { readonly source: StoreSource | null };
  readonly #concerns: (change: StoreChange) => boolean;
  readonly #changed: () => void;
  #abort: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    host: ReactiveControllerHost & { readonly source: StoreSource | null },
    concerns: (change: StoreChange) => boolean,
    changed: () => void,
  ) {
    this.#host = host;
    this.#concerns = concerns;
    this.#changed = changed;
    host.addController(this);
  }

  hostConnected(): void {
    this.#abort = new AbortController();
    this.#host.source?.follow(this.#abort.signal, (change) => {
      if (!this.#concerns(change)) return;
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#changed();
      }, patience);
    });
  }

  hostDisconnected(): void {
    this.#abort?.abort();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

import type { StoreAccess, StoreChange } from "./access.ts";

type Listener = (change: StoreChange) => void;

/** Tells every tab that has a store open what was written to it. */
export class ChangeFeed {
  readonly #listeners = new Set<Listener>();
  readonly #channel: BroadcastChannel | null;

  /** `name` of the store; null where no other tab can have it. */
  constructor(name: string | null) {
    this.#channel =
      name === null || typeof BroadcastChannel === "undefined"
        ? null
        : new BroadcastChannel(`fulgurite-store-${name}`);
    if (!this.#channel) return;
    this.#channel.onmessage = ({ data }: MessageEvent<StoreChange>) => {
      this.tellHere(data);
    };
    // In Node an open channel would keep the process alive.
    (this.#channel as { unref?: () => void }).unref?.();
  }

  announce(change: StoreChange): void {
    this.#channel?.postMessage(change);
    this.tellHere(change);
  }

  /** Tells nobody in other tabs. */
  tellHere(change: StoreChange): void {
    for (const listener of [...this.#listeners]) listener(change);
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#channel?.close();
    this.#listeners.clear();
  }
}

export interface LiveQueryOptions<Result> {
  readonly read: () => Promise<Result>;
  readonly onResult: (result: Result) => void;
  readonly onError?: (error: unknown) => void;
  /** Which changes concern it; default all. */
  readonly concerns?: (change: StoreChange) => boolean;
}

/**
 * Reads at once, and again after every change that concerns it, here or in another tab. Changes during a reading
 * make one more, so that the last result is never old. Returns the way to stop.
 */
export function liveQuery<Result>(
  store: Pick<StoreAccess, "subscribe">,
  { read, onResult, onError, concerns = () => true }: LiveQueryOptions<Result>,
): () => void {
  let reading = false;
  let again = false;
  let stopped = false;
  const run = async (): Promise<void> => {
    reading = true;
    do {
      again = false;
      try {
        const result = await read();
        if (!stopped) onResult(result);
      } catch (error) {
        if (!stopped) onError?.(error);
      }
    } while (again && !stopped);
    reading = false;
  };
  const unsubscribe = store.subscribe((change) => {
    if (stopped || !concerns(change)) return;
    if (reading) again = true;
    else void run();
  });
  void run();
  return () => {
    stopped = true;
    unsubscribe();
  };
}

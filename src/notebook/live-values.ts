/** Pictures a second are enough, and messages get their turn between two values. */
const MIN_INTERVAL_MS = 16;

const isAsyncGenerator = (value: unknown): value is AsyncGenerator =>
  Object.prototype.toString.call(value) === "[object AsyncGenerator]";

/** Whether a cell with these values publishes more than one value of a name. */
export const hasLiveValues = (values: ReadonlyMap<string, unknown>): boolean =>
  [...values.values()].some(isAsyncGenerator);

/**
 * The async generators among a cell's values. Other cells see what they yield: first one value of each, then each
 * further value as soon as all that depends on the last one is done. `stop` runs their `finally` blocks.
 */
export class LiveValues {
  readonly #generators: ReadonlyMap<string, AsyncGenerator>;
  #stopped = false;

  constructor(values: ReadonlyMap<string, unknown>) {
    this.#generators = new Map(
      [...values].filter((entry): entry is [string, AsyncGenerator] => isAsyncGenerator(entry[1])),
    );
  }

  /** The values with the first that each generator yields; undefined for one that yields none. */
  async first(values: ReadonlyMap<string, unknown>): Promise<Map<string, unknown>> {
    const found = new Map(values);
    await Promise.all(
      [...this.#generators].map(async ([name, generator]) => {
        const { value, done } = await generator.next();
        found.set(name, done === true ? undefined : value);
      }),
    );
    return found;
  }

  /** Goes on until all generators have ended or `stop`; `publish` resolves when the next value may come. */
  async follow(publish: (name: string, value: unknown) => Promise<void>): Promise<void> {
    await Promise.all(
      [...this.#generators].map(async ([name, generator]) => {
        for (;;) {
          await new Promise((resolve) => setTimeout(resolve, MIN_INTERVAL_MS));
          if (this.#stopped) return;
          const { value, done } = await generator.next();
          if (this.#stopped || done === true) return;
          await publish(name, value);
        }
      }),
    );
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const generator of this.#generators.values()) generator.return(undefined).catch(() => undefined);
  }
}

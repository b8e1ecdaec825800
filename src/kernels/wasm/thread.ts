/** Places of the words that the threads of one engine share, in 32-bit words. */
export const threadWords = {
  /** Number of the task, then in the lowest bits that of the slice that is next. */
  ticket: 0,
  slices: 1,
  done: 2,
  failed: 3,
  module: 4,
  kernel: 5,
  rows: 6,
  /** Rows of a slice. */
  each: 7,
  /** Which argument is the number of rows. */
  count: 8,
  /** How many arguments there are. */
  length: 9,
  /** Slices that threads beside the engine's have done, ever. */
  helped: 10,
  values: 16,
  /** What a row adds to each argument. */
  steps: 32,
  total: 48,
} as const;

/** Bits of the ticket that number slices; all of them set: no task is open. */
export const sliceBits = 12;

/** What a thread is told, in this order; a module is one of WebAssembly that imports the memory. */
export type ThreadMessage =
  | {
      readonly kind: "start";
      readonly memory: WebAssembly.Memory;
      readonly words: Int32Array<SharedArrayBuffer>;
      readonly places: typeof threadWords;
      readonly sliceBits: number;
      /** Looks at the ticket before the thread sleeps. */
      readonly looks: number;
    }
  | { readonly kind: "module"; readonly module: WebAssembly.Module };

/**
 * A thread beside the engine's: takes slices of the task that is open until it is terminated. It names nothing outside of
 * itself, so that its text alone can be a thread's program.
 */
export function serveThread(receive: (listener: (message: ThreadMessage) => void) => void): void {
  const modules: ((...values: number[]) => unknown)[][] = [];
  let start: Extract<ThreadMessage, { readonly kind: "start" }> | null = null;

  receive((message) => {
    if (message.kind === "start") start = message;
    else {
      const { exports } = new WebAssembly.Instance(message.module, { host: { memory: start!.memory } });
      modules.push(Object.values(exports) as ((...values: number[]) => unknown)[]);
    }
    if (start) work(start);
  });

  /** Comes back only for a module that it has not got: its message waits. */
  function work({ words, places, sliceBits, looks }: NonNullable<typeof start>): void {
    const mask = (1 << sliceBits) - 1;
    for (let looked = 0; ;) {
      const ticket = Atomics.load(words, places.ticket);
      const slice = ticket & mask;
      if (slice >= Atomics.load(words, places.slices) || slice === mask) {
        if (looked++ < looks) continue;
        looked = 0;
        Atomics.wait(words, places.ticket, ticket);
        continue;
      }
      looked = 0;
      const kernels = modules[Atomics.load(words, places.module)];
      if (!kernels) return;
      // The task cannot change from here on until this slice is done.
      if (Atomics.compareExchange(words, places.ticket, ticket, ticket + 1) !== ticket) continue;
      try {
        const first = slice * words[places.each]!;
        const values = Array.from(
          words.subarray(places.values, places.values + words[places.length]!),
          (value, i) => value + first * words[places.steps + i]!,
        );
        values[words[places.count]!] = Math.min(words[places.each]!, words[places.rows]! - first);
        kernels[words[places.kernel]!]!(...values);
      } catch {
        Atomics.store(words, places.failed, 1);
      }
      Atomics.add(words, places.helped, 1);
      Atomics.add(words, places.done, 1);
      Atomics.notify(words, places.done);
    }
  }
}

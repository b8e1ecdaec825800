import { FulguriteError } from "../../gpu/error.ts";
import { sliceBits, threadWords, type ThreadMessage } from "./thread.ts";

/** A thread that runs `serveThread`. */
export interface Thread {
  post(message: ThreadMessage): void;
  terminate(): void;
}

/** Starts a thread; `lost` is to be called once it has ended by itself, or could not start. */
export type StartThread = (lost: (reason: string) => void) => Thread;

/** Threads for an engine: `count` at most, that of the engine itself among them. */
export interface ThreadOptions {
  readonly count: number;
  readonly start: StartThread;
  /** Seconds to wait for a thread that has begun a slice, before the engine gives it up; default 60. */
  readonly patience?: number;
  /** Multiply-adds of a call below which it is not shared; default 250,000, about 0.03 ms. */
  readonly leastWork?: number;
}

/** Opens the threads that share a memory; whoever asks for it disposes of them. */
export type OpenThreads = (memory: WebAssembly.Memory) => Threads;

/** Most threads that are taken without being asked for: a person works on the same machine. */
const mostThreads = 4;

/** A thread a core, but four at most; null where there is one core. */
export function threadsFor(cores: number, start: StartThread): ThreadOptions | null {
  const count = Math.min(cores, mostThreads);
  return count > 1 ? { count, start } : null;
}

/** How the rows of a kernel's call are shared out; none may touch what another one writes. */
export interface Slicing {
  /** Which argument is the number of rows. */
  readonly count: number;
  /** What a row adds to each argument; those that are left out stay. */
  readonly steps: (values: readonly number[]) => readonly number[];
  /** Multiply-adds of a row, or what takes as long. */
  readonly work: (values: readonly number[]) => number;
  /** Rows that a slice is a multiple of. */
  readonly grain: number;
}

export type Kernel = (...values: number[]) => unknown;

/** Below, a thread costs more than it takes off. */
const defaultLeastWork = 2.5e5;
/** Slices a thread: where one is late, the others take more. */
const slicesEach = 4;
/** Looks for the next task, or for the last slice, before a thread goes to sleep: about 0.02 ms. */
const looks = 2000;

const { ticket, slices, done, failed, module, kernel, rows, each, count, length, values, steps } =
  threadWords;
const closed = (1 << sliceBits) - 1;

/**
 * Shares kernels' calls out to threads over one memory. Slices are taken in whatever order, and each is computed as it
 * would be alone: the results are the same bits with any number of threads. A thread that has not started yet, or was lost,
 * is not waited for: the others take its slices.
 */
export class Threads {
  readonly #memory: WebAssembly.Memory;
  readonly #options: ThreadOptions;
  readonly #leastWork: number;
  readonly #words = new Int32Array(new SharedArrayBuffer(4 * threadWords.total));
  readonly #modules: WebAssembly.Module[] = [];
  #threads: Thread[] | null = null;
  #task = 0;

  /** Starts none before there is work for them. */
  constructor(memory: WebAssembly.Memory, options: ThreadOptions) {
    this.#memory = memory;
    this.#options = options;
    this.#leastWork = options.leastWork ?? defaultLeastWork;
    this.#words[ticket] = closed;
  }

  /** The exports of `compiled`, `sliced` ones in slices; `exports` are those of an instance of it. */
  share(
    compiled: WebAssembly.Module,
    exports: Readonly<Record<string, unknown>>,
    sliced: Readonly<Record<string, Slicing>>,
  ): Record<string, unknown> {
    const number = this.#modules.push(compiled) - 1;
    this.#threads?.forEach((thread) => thread.post({ kind: "module", module: compiled }));
    const names = Object.keys(exports);
    return Object.fromEntries(
      Object.entries(exports).map(([name, alone]) => {
        const slicing = sliced[name];
        const place = { module: number, kernel: names.indexOf(name) };
        return [name, slicing ? this.#over(alone as Kernel, place, slicing) : alone];
      }),
    );
  }

  dispose(): void {
    const threads = this.#threads?.splice(0) ?? [];
    this.#threads = [];
    for (const thread of threads) thread.terminate();
  }

  #over(
    alone: Kernel,
    place: { readonly module: number; readonly kernel: number },
    slicing: Slicing,
  ): Kernel {
    return (...given) => {
      const total = given[slicing.count]!;
      const work = total * slicing.work(given);
      const most = Math.min(Math.floor((2 * work) / this.#leastWork), Math.ceil(total / slicing.grain));
      if (most < 2 || this.#start() === 0) return alone(...given);
      const wanted = Math.min(most, slicesEach * (this.#threads!.length + 1), closed - 1);
      const size = Math.ceil(total / wanted / slicing.grain) * slicing.grain;
      return this.#run(alone, place, slicing, given, size);
    };
  }

  #run(
    alone: Kernel,
    place: { readonly module: number; readonly kernel: number },
    slicing: Slicing,
    given: readonly number[],
    size: number,
  ): void {
    const words = this.#words;
    const total = given[slicing.count]!;
    const pieces = Math.ceil(total / size);
    const step = slicing.steps(given);
    this.#task = ((this.#task + 1) << sliceBits) >> sliceBits;
    const first = this.#task << sliceBits;
    // No thread takes a slice of a task of which it has seen a part: closed, changed, opened.
    Atomics.store(words, ticket, first | closed);
    words[module] = place.module;
    words[kernel] = place.kernel;
    words[rows] = total;
    words[each] = size;
    words[count] = slicing.count;
    words[length] = given.length;
    given.forEach((value, i) => {
      words[values + i] = value;
      words[steps + i] = step[i] ?? 0;
    });
    Atomics.store(words, done, 0);
    Atomics.store(words, slices, pieces);
    Atomics.store(words, ticket, first);
    Atomics.notify(words, ticket, pieces - 1);
    for (;;) {
      const now = Atomics.load(words, ticket);
      const slice = now & closed;
      if (slice >= pieces) break;
      if (Atomics.compareExchange(words, ticket, now, now + 1) !== now) continue;
      const start = slice * size;
      const own = given.map((value, i) => value + start * (step[i] ?? 0));
      own[slicing.count] = Math.min(size, total - start);
      try {
        alone(...own);
      } catch (error) {
        Atomics.store(words, ticket, first | closed);
        this.dispose();
        throw error;
      }
      Atomics.add(words, done, 1);
    }
    this.#wait(pieces);
  }

  #wait(pieces: number): void {
    const words = this.#words;
    for (let i = 0; i < looks; i++) if (Atomics.load(words, done) === pieces) break;
    for (let waited = 0; ;) {
      const now = Atomics.load(words, done);
      if (now === pieces) break;
      // In seconds, not at once: a machine that sleeps stops them all.
      if (
        Atomics.wait(words, done, now, 1000) === "timed-out" &&
        ++waited >= (this.#options.patience ?? 60)
      ) {
        throw this.#broken("A thread of the CPU engine has stopped in the middle of its work.");
      }
    }
    if (Atomics.load(words, failed) !== 0) {
      throw this.#broken("A thread of the CPU engine has failed in the middle of its work.");
    }
  }

  #broken(message: string): FulguriteError {
    this.dispose();
    return new FulguriteError(
      "cpu/thread",
      message,
      "Resume the run from its last checkpoint; free memory if that happens again.",
    );
  }

  /** How many threads there are beside this one. */
  #start(): number {
    if (this.#threads) return this.#threads.length;
    const { count: most, start } = this.#options;
    const threads: Thread[] = [];
    this.#threads = threads;
    for (let i = 1; i < most; i++) {
      let lost = false;
      const thread = start(() => {
        // More than one event may say so, and after `dispose` none is listed.
        if (lost) return;
        lost = true;
        const at = threads.indexOf(thread);
        if (at < 0) return;
        threads.splice(at, 1);
        // A browser's worker that has thrown is still there.
        thread.terminate();
      });
      threads.push(thread);
      const common = { memory: this.#memory, words: this.#words, places: threadWords, sliceBits, looks };
      thread.post({ kind: "start", ...common });
      for (const compiled of this.#modules) thread.post({ kind: "module", module: compiled });
    }
    return threads.length;
  }
}

import { FulguriteError } from "../gpu/error.ts";
import type { GenerateRequest, Generation } from "./language-engine.ts";

/** One completion in the making. */
export interface DecodingSequence {
  readonly request: GenerateRequest;
  /** Prompt and what was emitted. */
  readonly tokens: number[];
  /** Most tokens that it may still emit, this round's included. */
  readonly remaining: number;
}

/** One round's tokens of one sequence: as many as it may emit, to be cut at a stop token by the queue. */
export interface SampledTokens {
  readonly ids: ArrayLike<number>;
  readonly logProbabilities: ArrayLike<number>;
  readonly samplerLogProbabilities: ArrayLike<number>;
}

/** What computes the rounds of a `GenerationQueue`. */
export interface RoundDecoder {
  /** Whether one more sequence fits beside the `active` ones. */
  hasRoom(active: ReadonlySet<DecodingSequence>): boolean;
  /** The next tokens of each sequence; none of one whose prompt is not done yet. */
  round(sequences: readonly DecodingSequence[]): Promise<readonly SampledTokens[]> | readonly SampledTokens[];
  /** The sequence has ended. */
  release(sequence: DecodingSequence): void;
  /** Gives up what is cached. */
  invalidate(): void;
}

export interface GenerationQueueOptions {
  readonly decoder: RoundDecoder;
  /** Most tokens of a sequence, prompt included. */
  readonly maxLength: number;
  /** Optimizer steps done by now. */
  readonly policyVersion: () => number;
  /** Joins the turns in which rounds are computed, from when there is work until there is none. */
  readonly join: () => RoundTurns;
}

export interface RoundTurns {
  /** Resolves when the next round may begin; what was asked for until then is in it. */
  next(): Promise<void>;
  close(): void;
}

/** A sequence with who waits for it. */
interface Pending extends DecodingSequence {
  remaining: number;
  readonly logProbabilities: number[];
  readonly samplerLogProbabilities: number[];
  readonly resolve: (generation: Generation) => void;
  readonly reject: (error: unknown) => void;
}

/** Work that has the device for itself. */
type Exclusive = () => Promise<void>;

/**
 * Continuous batching (Orca, Yu et al. 2022): rounds of one or more tokens of all completions in flight; they join and
 * leave between rounds. Other work goes in order of arrival: after the completions before it, before those after.
 */
export class GenerationQueue {
  readonly #options: GenerationQueueOptions;
  readonly #decoder: RoundDecoder;
  #waiting: (Pending | Exclusive)[] = [];
  readonly #active = new Set<Pending>();
  #running = false;
  #disposed = false;

  constructor(options: GenerationQueueOptions) {
    this.#options = options;
    this.#decoder = options.decoder;
  }

  /** Samples all `requests`, in rounds shared with whatever else is in flight. Rejects with "lm/disposed". */
  generate(requests: readonly GenerateRequest[]): Promise<Generation[]> {
    const results = requests.map(
      (request) =>
        new Promise<Generation>((resolve, reject) => {
          this.#waiting.push({
            request,
            tokens: Array.from(request.prompt),
            remaining: Math.min(request.maxTokens, this.#options.maxLength - request.prompt.length),
            logProbabilities: [],
            samplerLogProbabilities: [],
            resolve,
            reject,
          });
        }),
    );
    this.#start();
    return Promise.all(results);
  }

  /** Does `work` after the completions in flight and before those asked for later. Rejects with "lm/disposed". */
  exclusively<T>(work: () => T | Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push(async () => {
        try {
          if (this.#disposed) throw disposedError();
          resolve(await work());
        } catch (error) {
          reject(error as Error);
        }
      });
      this.#start();
    });
  }

  /** Whoever waits is told "lm/disposed". */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const next of [...this.#active, ...this.#waiting]) {
      if (typeof next === "function") void next();
      else next.reject(disposedError());
    }
    this.#waiting = [];
    this.#active.clear();
  }

  #start(): void {
    if (this.#running) return;
    this.#running = true;
    void this.#run();
  }

  /** Rounds until nothing is left. */
  async #run(): Promise<void> {
    const turns = this.#options.join();
    while (this.#waiting.length + this.#active.size > 0) {
      await turns.next();
      this.#dropAborted();
      await this.#admit();
      if (this.#active.size === 0) continue;
      try {
        await this.#round();
      } catch (error) {
        // Out of memory or a lost device: those in flight fail, what comes after them is asked for anew.
        for (const pending of [...this.#active]) {
          pending.reject(error);
          this.#leave(pending);
        }
        if (!this.#disposed) this.#decoder.invalidate();
      }
    }
    turns.close();
    this.#running = false;
  }

  /** Starts what may start: completions as far as there is room, up to the first work that waits for them. */
  async #admit(): Promise<void> {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (typeof next === "function") {
        if (this.#active.size > 0) return;
        this.#waiting.shift();
        await next();
      } else {
        if (!this.#decoder.hasRoom(this.#active)) return;
        this.#waiting.shift();
        if (next.remaining > 0) this.#active.add(next);
        else this.#finish(next, "length");
      }
    }
  }

  async #round(): Promise<void> {
    const pending = [...this.#active];
    const sampled = await this.#decoder.round(pending);
    pending.forEach((each, i) => {
      if (this.#active.has(each)) this.#take(each, sampled[i]!);
    });
  }

  #take(pending: Pending, sampled: SampledTokens): void {
    const { request } = pending;
    for (let i = 0; i < sampled.ids.length; i++) {
      const id = sampled.ids[i]!;
      const logProbability = sampled.logProbabilities[i]!;
      pending.tokens.push(id);
      pending.remaining--;
      pending.logProbabilities.push(logProbability);
      pending.samplerLogProbabilities.push(sampled.samplerLogProbabilities[i]!);
      try {
        request.onToken?.(id, logProbability);
      } catch (error) {
        pending.reject(error);
        this.#leave(pending);
        return;
      }
      const finished = request.stopTokens.includes(id)
        ? "stop"
        : pending.remaining <= 0
          ? "length"
          : request.signal?.aborted === true
            ? "abort"
            : null;
      if (finished !== null) {
        this.#finish(pending, finished);
        return;
      }
    }
  }

  #dropAborted(): void {
    const aborted = (next: Pending | Exclusive): next is Pending =>
      typeof next !== "function" && next.request.signal?.aborted === true;
    for (const next of [...this.#active, ...this.#waiting]) if (aborted(next)) this.#finish(next, "abort");
    this.#waiting = this.#waiting.filter((next) => !aborted(next));
  }

  #finish(pending: Pending, finishReason: Generation["finishReason"]): void {
    pending.resolve({
      tokens: Int32Array.from(pending.tokens.slice(pending.request.prompt.length)),
      samplerLogProbabilities: Float32Array.from(pending.samplerLogProbabilities),
      logProbabilities: Float32Array.from(pending.logProbabilities),
      finishReason,
      policyVersion: this.#options.policyVersion(),
    });
    this.#leave(pending);
  }

  #leave(pending: Pending): void {
    this.#decoder.release(pending);
    this.#active.delete(pending);
  }
}

export function disposedError(): FulguriteError {
  return new FulguriteError("lm/disposed", "This language engine has been disposed of.", "Create a new one.");
}

import type { GenerateRequest, Generation, LanguageEngine } from "../lm/language-engine.ts";

interface Pending {
  readonly request: GenerateRequest;
  resolve(generation: Generation): void;
  reject(error: unknown): void;
}

/** Sends what was asked for in one macrotask to the engine as one batch, and holds it back while weights change. */
export class GenerationBatcher {
  readonly #engine: Pick<LanguageEngine, "generate">;
  readonly #defer: (flush: () => void) => void;
  #pending: Pending[] = [];
  #deferred = false;
  #held = false;
  readonly #running = new Set<Promise<void>>();

  constructor(engine: Pick<LanguageEngine, "generate">, defer: (flush: () => void) => void) {
    this.#engine = engine;
    this.#defer = defer;
  }

  generate(request: GenerateRequest): Promise<Generation> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ request, resolve, reject });
      this.#schedule();
    });
  }

  /** New requests wait; resolves when none is being sampled. */
  async hold(): Promise<void> {
    this.#held = true;
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  release(): void {
    this.#held = false;
    if (this.#pending.length > 0) this.#schedule();
  }

  #schedule(): void {
    if (this.#deferred) return;
    this.#deferred = true;
    this.#defer(() => {
      this.#deferred = false;
      if (!this.#held) this.#flush();
    });
  }

  #flush(): void {
    const batch = this.#pending.filter(({ request }) => request.signal?.aborted !== true);
    for (const { request, reject } of this.#pending) {
      if (request.signal?.aborted === true) reject(request.signal.reason);
    }
    this.#pending = [];
    if (batch.length === 0) return;
    const run = this.#run(batch).finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  async #run(batch: readonly Pending[]): Promise<void> {
    try {
      const generations = await this.#engine.generate(batch.map(({ request }) => request));
      batch.forEach((pending, i) => {
        const generation = generations[i];
        if (generation) pending.resolve(generation);
        else pending.reject(new Error("the engine returned too few completions"));
      });
    } catch (error) {
      for (const pending of batch) pending.reject(error);
    }
  }
}

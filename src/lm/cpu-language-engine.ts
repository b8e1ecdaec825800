import { FulguriteError } from "../gpu/error.ts";
import { clipCoefficient } from "../kernels/reference/optimizer.ts";
import type { ThreadOptions } from "../kernels/wasm/threads.ts";
import { initializeTransformer } from "../nn/initialize-transformer.ts";
import { transformerLayout, type TransformerShape } from "../nn/transformer-layout.ts";
import { CpuDecoder, type DecodingSequence } from "./cpu-decoder.ts";
import { adamW, gradientNorm } from "./cpu-optimizer.ts";
import { scoreRows, trainRows } from "./cpu-training.ts";
import { CpuTransformer } from "./cpu-transformer.ts";
import { MacrotaskTurns } from "./macrotask.ts";
import { checkRequest, checkRows, checkShape, checkState, checkStep } from "./requests.ts";
import type {
  GenerateRequest,
  Generation,
  LanguageEngine,
  LanguageState,
  ScoreOptions,
  TokenLossConfig,
  TokenRows,
  TokenStepMetrics,
} from "./language-engine.ts";

export interface CpuLanguageEngineOptions {
  /** Unsigned 32-bit: the start weights. */
  readonly seed: number;
  /** Most completions in flight at once; default 256. */
  readonly maxBatch?: number;
  /** Keeps less of a training pass and computes it again: a third more work, the same bits. Default false. */
  readonly checkpointing?: boolean;
  /** Ids whose logits a step holds at once, as in `WebGpuLanguageEngineOptions`; default 2,048. */
  readonly headIds?: number;
  /** Threads that share the work, the same bits; default none: the caller's alone. */
  readonly threads?: ThreadOptions | null;
}

/** One request on its way, decoding state included. */
interface Pending extends DecodingSequence {
  /** Most tokens that it may emit. */
  readonly budget: number;
  readonly logProbabilities: number[];
  readonly samplerLogProbabilities: number[];
  readonly resolve: (generation: Generation) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A decoder on WebAssembly SIMD. Results are a function of weights, requests and rows: sums have one order, the noise
 * is the counter RNG's, and only + - x / and sqrt are used. Width, head size and feed-forward width must be multiples
 * of 4 ("lm/unsupported-shape").
 */
export async function createCpuLanguageEngine(
  shape: TransformerShape,
  options: CpuLanguageEngineOptions,
): Promise<LanguageEngine> {
  checkShape(shape);
  await Promise.resolve();
  return new CpuLanguageEngine(shape, options);
}

class CpuLanguageEngine implements LanguageEngine {
  readonly engine = "cpu";
  readonly adapter = "WebAssembly SIMD";
  readonly shape: TransformerShape;
  /** A CPU is never lost. */
  readonly lost = new Promise<string>(() => undefined);
  readonly #model: CpuTransformer;
  readonly #decoder: CpuDecoder;
  readonly #maxBatch: number;
  readonly #firstMoment: Float32Array;
  readonly #secondMoment: Float32Array;
  readonly #everyId: Int32Array;
  #optimizerStep = 0;
  /** In order of arrival. A function is work that needs the workspace for itself: it waits for what is in flight. */
  #queue: (Pending | (() => void))[] = [];
  #active = new Set<Pending>();
  #running = false;
  #disposed = false;

  constructor(shape: TransformerShape, options: CpuLanguageEngineOptions) {
    const layout = transformerLayout(shape);
    this.shape = shape;
    this.#maxBatch = options.maxBatch ?? 256;
    this.#model = new CpuTransformer(shape, layout, options.threads ?? null);
    this.#model.memory.floats.set(initializeTransformer(layout, options.seed), this.#model.parameters >> 2);
    this.#model.checkpointing = options.checkpointing ?? false;
    this.#model.headIds = options.headIds ?? this.#model.headIds;
    this.#model.pack();
    this.#decoder = new CpuDecoder(this.#model, this.#maxBatch);
    this.#firstMoment = new Float32Array(layout.length - layout.trainable);
    this.#secondMoment = new Float32Array(layout.length - layout.trainable);
    this.#everyId = Int32Array.from({ length: shape.vocabularySize }, (_, id) => id);
  }

  get optimizerStep(): number {
    return this.#optimizerStep;
  }

  async generate(requests: readonly GenerateRequest[]): Promise<Generation[]> {
    this.#checkAlive();
    for (const request of requests) checkRequest(request, this.shape);
    const results = requests.map(
      (request) =>
        new Promise<Generation>((resolve, reject) => {
          this.#queue.push({
            request,
            tokens: Array.from(request.prompt),
            allowed: request.allowed ?? this.#everyId,
            budget: Math.min(request.maxTokens, this.shape.maxLength - request.prompt.length),
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

  async score(
    rows: TokenRows,
    options: ScoreOptions = {},
  ): Promise<{ readonly logProbabilities: Float32Array; readonly entropies: Float32Array }> {
    checkRows(rows, this.shape);
    return this.#alone(() => {
      this.#model.adapted = options.adapter ?? true;
      const logProbabilities = new Float32Array(rows.rows * rows.length);
      const entropies = new Float32Array(rows.rows * rows.length);
      try {
        scoreRows(this.#model, rows, (at, logProbability, entropy) => {
          logProbabilities[at] = logProbability;
          entropies[at] = entropy;
        });
      } finally {
        this.#model.adapted = true;
      }
      return { logProbabilities, entropies };
    });
  }

  async step(rows: TokenRows, config: TokenLossConfig): Promise<TokenStepMetrics> {
    checkStep(rows, this.shape, config);
    return this.#alone(() => {
      const sums = trainRows(this.#model, rows, config);
      const { floats } = this.#model.memory;
      const { length, trainable } = this.#model.layout;
      const arena = (address: number): Float32Array =>
        floats.subarray(address >> 2, (address >> 2) + length - trainable);
      const gradient = arena(this.#model.gradient);
      const norm = gradientNorm(gradient);
      this.#optimizerStep++;
      adamW(
        arena(this.#model.parameters + 4 * trainable),
        gradient,
        this.#firstMoment,
        this.#secondMoment,
        this.#optimizerStep,
        { ...config, scale: clipCoefficient(norm, config.maxGradientNorm) },
      );
      this.#model.pack();
      const mean = (sum: number): number => (sums.weight > 0 ? sum / sums.weight : NaN);
      return {
        loss: sums.loss,
        entropy: mean(sums.entropy),
        approximateKl: mean(sums.kl),
        clipFraction: mean(sums.clipped),
        gradientNorm: norm,
        tokens: sums.tokens,
      };
    });
  }

  async save(): Promise<LanguageState> {
    this.#checkAlive();
    const { memory, parameters, layout } = this.#model;
    await Promise.resolve();
    return {
      version: 1,
      parameters: memory.floats.slice(parameters >> 2, (parameters >> 2) + layout.length),
      firstMoment: this.#firstMoment.slice(),
      secondMoment: this.#secondMoment.slice(),
      optimizerStep: this.#optimizerStep,
    };
  }

  /** Completions in flight go on with the new weights. */
  load(state: LanguageState): void {
    this.#checkAlive();
    checkState(state, this.#model.layout);
    this.#model.memory.floats.set(state.parameters, this.#model.parameters >> 2);
    this.#firstMoment.set(state.firstMoment);
    this.#secondMoment.set(state.secondMoment);
    this.#optimizerStep = state.optimizerStep;
    this.#model.pack();
    this.#decoder.invalidate();
  }

  dispose(): void {
    this.#disposed = true;
    const error = disposedError();
    for (const next of [...this.#active, ...this.#queue]) {
      if (typeof next === "function") next();
      else next.reject(error);
    }
    this.#queue = [];
    this.#active.clear();
    this.#model.dispose();
  }

  #checkAlive(): void {
    if (this.#disposed) throw disposedError();
  }

  #alone<T>(work: () => T): Promise<T> {
    this.#checkAlive();
    return new Promise<T>((resolve, reject) => {
      this.#queue.push(() => {
        try {
          this.#checkAlive();
          this.#decoder.invalidate();
          resolve(work());
        } catch (error) {
          reject(error as Error);
        }
      });
      this.#start();
    });
  }

  #start(): void {
    if (this.#running) return;
    this.#running = true;
    void this.#run();
  }

  /** Rounds until nothing is left; gives way to other tasks before each, so that requests may join or abort. */
  async #run(): Promise<void> {
    const turns = new MacrotaskTurns();
    while (this.#queue.length + this.#active.size > 0) {
      await turns.next();
      this.#dropAborted();
      this.#admit();
      if (this.#active.size === 0) continue;
      try {
        this.#round();
      } catch (error) {
        // Out of memory, most likely: those in flight fail, the engine lives on.
        for (const pending of this.#active) pending.reject(error);
        this.#active.clear();
        this.#decoder.invalidate();
      }
    }
    turns.close();
    this.#running = false;
  }

  /** Starts what may start: completions as far as there is room, up to the first work that wants to be alone. */
  #admit(): void {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      if (typeof next === "function") {
        if (this.#active.size > 0) return;
        this.#queue.shift();
        next();
      } else {
        if (this.#active.size >= this.#maxBatch) return;
        this.#queue.shift();
        this.#active.add(next);
      }
    }
  }

  #round(): void {
    for (const pending of this.#active) if (pending.budget <= 0) this.#finish(pending, "length");
    const ready = [...this.#active];
    const sampled = this.#decoder.round(ready);
    ready.forEach((pending, i) => {
      const token = sampled[i];
      if (!token) return;
      const { request } = pending;
      pending.tokens.push(token.id);
      pending.logProbabilities.push(token.logProbability);
      pending.samplerLogProbabilities.push(token.samplerLogProbability);
      try {
        request.onToken?.(token.id, token.logProbability);
      } catch (error) {
        pending.reject(error);
        this.#leave(pending);
        return;
      }
      if (request.stopTokens.includes(token.id)) this.#finish(pending, "stop");
      else if (pending.logProbabilities.length >= pending.budget) this.#finish(pending, "length");
    });
  }

  #dropAborted(): void {
    const aborted = (next: Pending | (() => void)): boolean =>
      typeof next !== "function" && next.request.signal?.aborted === true;
    for (const next of [...this.#active, ...this.#queue]) {
      if (typeof next !== "function" && aborted(next)) this.#finish(next, "abort");
    }
    this.#queue = this.#queue.filter((next) => !aborted(next));
  }

  #finish(pending: Pending, finishReason: Generation["finishReason"]): void {
    pending.resolve({
      tokens: Int32Array.from(pending.tokens.slice(pending.request.prompt.length)),
      samplerLogProbabilities: Float32Array.from(pending.samplerLogProbabilities),
      logProbabilities: Float32Array.from(pending.logProbabilities),
      finishReason,
      policyVersion: this.#optimizerStep,
    });
    this.#leave(pending);
  }

  #leave(pending: Pending): void {
    this.#decoder.release(pending);
    this.#active.delete(pending);
  }
}

function disposedError(): FulguriteError {
  return new FulguriteError("lm/disposed", "This language engine has been disposed of.", "Create a new one.");
}

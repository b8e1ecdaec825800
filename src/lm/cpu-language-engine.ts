import { clipCoefficient } from "../kernels/reference/optimizer.ts";
import type { ThreadOptions } from "../kernels/wasm/threads.ts";
import { initializeTransformer } from "../nn/initialize-transformer.ts";
import { transformerLayout, type TransformerShape } from "../nn/transformer-layout.ts";
import { CpuDecoder } from "./cpu-decoder.ts";
import { adamW, gradientNorm } from "./cpu-optimizer.ts";
import { scoreRows, trainRows } from "./cpu-training.ts";
import { CpuTransformer } from "./cpu-transformer.ts";
import { disposedError, GenerationQueue } from "./generation-queue.ts";
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
  readonly #queue: GenerationQueue;
  readonly #firstMoment: Float32Array;
  readonly #secondMoment: Float32Array;
  #optimizerStep = 0;
  #disposed = false;

  constructor(shape: TransformerShape, options: CpuLanguageEngineOptions) {
    const layout = transformerLayout(shape);
    this.shape = shape;
    this.#model = new CpuTransformer(shape, layout, options.threads ?? null);
    this.#model.memory.floats.set(initializeTransformer(layout, options.seed), this.#model.parameters >> 2);
    this.#model.checkpointing = options.checkpointing ?? false;
    this.#model.headIds = options.headIds ?? this.#model.headIds;
    this.#model.pack();
    this.#decoder = new CpuDecoder(this.#model, options.maxBatch ?? 256);
    this.#queue = new GenerationQueue({
      decoder: this.#decoder,
      maxLength: shape.maxLength,
      policyVersion: () => this.#optimizerStep,
      // A turn of the event loop a round: requests may join or abort.
      join: () => new MacrotaskTurns(),
    });
    this.#firstMoment = new Float32Array(layout.length - layout.trainable);
    this.#secondMoment = new Float32Array(layout.length - layout.trainable);
  }

  get optimizerStep(): number {
    return this.#optimizerStep;
  }

  async generate(requests: readonly GenerateRequest[]): Promise<Generation[]> {
    this.#checkAlive();
    for (const request of requests) checkRequest(request, this.shape);
    return this.#queue.generate(requests);
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
    if (this.#disposed) return;
    this.#disposed = true;
    this.#queue.dispose();
    this.#model.dispose();
  }

  #checkAlive(): void {
    if (this.#disposed) throw disposedError();
  }

  /** Work that needs the decoder's workspace for itself. */
  #alone<T>(work: () => T): Promise<T> {
    this.#checkAlive();
    return this.#queue.exclusively(() => {
      this.#decoder.invalidate();
      return work();
    });
  }
}

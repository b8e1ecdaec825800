import type { GpuDevice } from "../gpu/device.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { ReadbackRing } from "../gpu/readback.ts";
import { takeMemory, type TakenMemory } from "../gpu/taken-memory.ts";
import type { LinearVariant } from "../kernels/linear-probe.ts";
import type { TransformerShape } from "../nn/transformer-layout.ts";
import { disposedError, GenerationQueue } from "./generation-queue.ts";
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
import { WebGpuDecoder } from "./webgpu-decoder.ts";
import { planLanguageMemory, reduceLanguageMemory } from "./webgpu-memory.ts";
import { createStateReadback, WebGpuModel, type WebGpuModelOptions } from "./webgpu-model.ts";
import { WebGpuTraining } from "./webgpu-training.ts";

export interface WebGpuLanguageEngineOptions extends WebGpuModelOptions {
  /** Unsigned 32-bit: the start weights. */
  readonly seed: number;
  readonly device: GpuDevice;
  /** Hears what the buffers will take before there are any. */
  readonly onMemory?: (bytes: number) => void;
}

/**
 * A decoder transformer on the GPU. Same requests, rows, adapter and browser: the same bits, whatever else is in
 * flight. All buffers are taken before anything is compiled, and none is made later. Rejects with "lm/unsupported-shape", with
 * "gpu/memory" and "gpu/dispatch" as `planLanguageMemory` and `takeMemory` do, and with "gpu/shader" where a kernel does not
 * compile.
 */
export async function createWebGpuLanguageEngine(
  shape: TransformerShape,
  options: WebGpuLanguageEngineOptions,
): Promise<LanguageEngine> {
  checkShape(shape);
  const { device, seed, onMemory } = options;
  const plan = planLanguageMemory(device, shape, options);
  onMemory?.(plan.bytes);
  const memory = await takeMemory(device, plan, reduceLanguageMemory(shape, options));
  try {
    const model = new WebGpuModel(device, shape, options, memory);
    model.initialize(seed);
    const [training, decoder] = await Promise.all([
      WebGpuTraining.create(model),
      WebGpuDecoder.create(model),
    ]);
    return new WebGpuLanguageEngine(memory, model, training, decoder);
  } catch (error) {
    memory.dispose();
    throw error;
  }
}

class WebGpuLanguageEngine implements LanguageEngine {
  readonly engine = "webgpu";
  readonly adapter: string;
  readonly variant: LinearVariant;
  readonly shape: TransformerShape;
  readonly lost: Promise<string>;
  readonly #gpu: GpuDevice;
  readonly #memory: TakenMemory;
  readonly #model: WebGpuModel;
  readonly #training: WebGpuTraining;
  readonly #decoder: WebGpuDecoder;
  readonly #queue: GenerationQueue;
  #state: ReadbackRing | null = null;
  #saving: Promise<unknown> = Promise.resolve();
  #optimizerStep = 0;
  #disposed = false;

  constructor(memory: TakenMemory, model: WebGpuModel, training: WebGpuTraining, decoder: WebGpuDecoder) {
    this.#gpu = model.gpu;
    this.#memory = memory;
    this.#model = model;
    this.#training = training;
    this.#decoder = decoder;
    this.shape = model.shape;
    this.adapter = model.gpu.adapter;
    this.variant = model.sizes.kernels;
    this.lost = model.gpu.lost;
    this.#queue = new GenerationQueue({
      decoder: {
        hasRoom: (active) => decoder.hasRoom(active),
        round: (sequences) => {
          this.#checkAlive();
          return this.#guard(decoder.round(sequences));
        },
        release: (sequence) => {
          decoder.release(sequence);
        },
        invalidate: () => {
          decoder.invalidate();
        },
      },
      maxLength: this.shape.maxLength,
      policyVersion: () => this.#optimizerStep,
      join: () => ({ next: () => Promise.resolve(), close: model.gpu.turns.join() }),
    });
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
    return this.#inTurn(() => this.#training.score(rows, options.adapter ?? true));
  }

  async step(rows: TokenRows, config: TokenLossConfig): Promise<TokenStepMetrics> {
    checkStep(rows, this.shape, config);
    return this.#inTurn(() => {
      this.#decoder.invalidate();
      return this.#training.step(rows, config, ++this.#optimizerStep);
    });
  }

  save(): Promise<LanguageState> {
    const { length } = this.#model.layout;
    const saved = this.#saving.then(async () => {
      this.#checkAlive();
      this.#state ??= createStateReadback(this.#model);
      const encoder = this.#gpu.device.createCommandEncoder();
      const { parameters, learning, moments } = this.#model;
      const frozen = length - (learning.buffer === parameters ? 0 : learning.length);
      const read = this.#state.copy(encoder, [
        { buffer: parameters, length: frozen },
        ...(frozen < length ? [{ buffer: learning.buffer, length: learning.length }] : []),
        { buffer: moments, length: 2 * learning.length },
      ]);
      this.#gpu.submit(encoder);
      const optimizerStep = this.#optimizerStep;
      const data = await this.#guard(read());
      return {
        version: 1 as const,
        parameters: data.slice(0, length),
        firstMoment: data.slice(length, length + learning.length),
        secondMoment: data.slice(length + learning.length),
        optimizerStep,
      };
    });
    this.#saving = saved.catch(() => undefined);
    return saved;
  }

  /** Completions in flight go on with the new weights. */
  load(state: LanguageState): void {
    this.#checkAlive();
    const { learning } = this.#model;
    checkState(state, this.#model.layout);
    const { queue } = this.#gpu.device;
    this.#model.write(state.parameters);
    queue.writeBuffer(this.#model.moments, 0, state.firstMoment as Float32Array<ArrayBuffer>);
    queue.writeBuffer(
      this.#model.moments,
      4 * learning.length,
      state.secondMoment as Float32Array<ArrayBuffer>,
    );
    this.#optimizerStep = state.optimizerStep;
    this.#decoder.invalidate();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#queue.dispose();
    this.#training.dispose();
    this.#decoder.dispose();
    this.#model.dispose();
    this.#memory.dispose();
  }

  #checkAlive(): void {
    if (this.#disposed) throw disposedError();
    this.#gpu.check();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#checkAlive();
    return this.#queue.exclusively(() => {
      this.#checkAlive();
      return this.#guard(work());
    });
  }

  /** Names the reason where a readback fails: the device went away, or the engine did. */
  async #guard<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (cause) {
      if (cause instanceof FulguriteError) throw cause;
      if (this.#disposed) throw disposedError();
      throw new FulguriteError(
        "gpu/lost",
        "The GPU device was lost.",
        "Create a new engine and load the last checkpoint.",
        { cause },
      );
    }
  }
}

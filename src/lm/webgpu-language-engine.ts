import type { GpuDevice } from "../gpu/device.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { ReadbackRing } from "../gpu/readback.ts";
import type { LinearVariant } from "../kernels/linear-probe.ts";
import type { TransformerShape } from "../nn/transformer-layout.ts";
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
import { WebGpuDecoder, type SampledTokens } from "./webgpu-decoder.ts";
import { createStateReadback, WebGpuModel, type WebGpuModelOptions } from "./webgpu-model.ts";
import { WebGpuTraining } from "./webgpu-training.ts";

export interface WebGpuLanguageEngineOptions extends WebGpuModelOptions {
  /** Unsigned 32-bit: the start weights. */
  readonly seed: number;
  readonly device: GpuDevice;
}

/**
 * A decoder transformer on the GPU. Same requests, rows, adapter and browser: the same bits, whatever else is in
 * flight. Rejects with "lm/unsupported-shape", and with "gpu/shader" where a kernel does not compile.
 */
export async function createWebGpuLanguageEngine(
  shape: TransformerShape,
  options: WebGpuLanguageEngineOptions,
): Promise<LanguageEngine> {
  checkShape(shape);
  const model = new WebGpuModel(options.device, shape, options);
  model.initialize(options.seed);
  const [training, decoder] = await Promise.all([WebGpuTraining.create(model), WebGpuDecoder.create(model)]);
  return new WebGpuLanguageEngine(model, training, decoder);
}

/** One request on its way. */
interface Pending {
  readonly request: GenerateRequest;
  readonly tokens: number[];
  /** Most tokens that it may still emit. */
  remaining: number;
  readonly logProbabilities: number[];
  readonly samplerLogProbabilities: number[];
  readonly resolve: (generation: Generation) => void;
  readonly reject: (error: unknown) => void;
}

class WebGpuLanguageEngine implements LanguageEngine {
  readonly engine = "webgpu";
  readonly adapter: string;
  readonly variant: LinearVariant;
  readonly shape: TransformerShape;
  readonly lost: Promise<string>;
  readonly #gpu: GpuDevice;
  readonly #model: WebGpuModel;
  readonly #training: WebGpuTraining;
  readonly #decoder: WebGpuDecoder;
  #state: ReadbackRing | null = null;
  #saving: Promise<unknown> = Promise.resolve();
  #optimizerStep = 0;
  /** In order of arrival. A function is work that waits for the completions before it and goes before those after. */
  #queue: (Pending | (() => Promise<void>))[] = [];
  readonly #active = new Set<Pending>();
  #running = false;
  #disposed = false;

  constructor(model: WebGpuModel, training: WebGpuTraining, decoder: WebGpuDecoder) {
    this.#gpu = model.gpu;
    this.#model = model;
    this.#training = training;
    this.#decoder = decoder;
    this.shape = model.shape;
    this.adapter = model.gpu.adapter;
    this.variant = model.sizes.kernels;
    this.lost = model.gpu.lost;
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
            remaining: Math.min(request.maxTokens, this.shape.maxLength - request.prompt.length),
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
      this.#state ??= createStateReadback(this.#model, this.#gpu);
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
    const error = disposedError();
    for (const next of [...this.#active, ...this.#queue]) {
      if (typeof next === "function") void next();
      else next.reject(error);
    }
    this.#queue = [];
    this.#active.clear();
    this.#state?.dispose();
    this.#training.dispose();
    this.#decoder.dispose();
    this.#model.dispose();
  }

  #checkAlive(): void {
    if (this.#disposed) throw disposedError();
    this.#gpu.check();
  }

  /** Runs after the completions in flight and before those asked for later. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#checkAlive();
    return new Promise<T>((resolve, reject) => {
      this.#queue.push(async () => {
        try {
          this.#checkAlive();
          resolve(await this.#guard(work()));
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

  /** Rounds until nothing is left. */
  async #run(): Promise<void> {
    // What is asked for in the same task joins the first round.
    await Promise.resolve();
    const leaveTurns = this.#gpu.turns.join();
    while (this.#queue.length + this.#active.size > 0) {
      this.#dropAborted();
      await this.#admit();
      if (this.#active.size === 0) continue;
      try {
        await this.#round();
      } catch (error) {
        for (const pending of [...this.#active]) {
          pending.reject(error);
          this.#leave(pending);
        }
        if (!this.#disposed) this.#decoder.invalidate();
      }
    }
    leaveTurns();
    this.#running = false;
  }

  /** Starts what may start: completions as far as there is room, up to the first work that waits for them. */
  async #admit(): Promise<void> {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      if (typeof next === "function") {
        if (this.#active.size > 0) return;
        this.#queue.shift();
        await next();
      } else {
        if (!this.#decoder.hasRoom(this.#active)) return;
        this.#queue.shift();
        if (next.remaining > 0) this.#active.add(next);
        else this.#finish(next, "length");
      }
    }
  }

  async #round(): Promise<void> {
    this.#checkAlive();
    const pending = [...this.#active];
    const sampled = await this.#guard(this.#decoder.round(pending));
    pending.forEach((each, i) => {
      if (this.#active.has(each)) this.#take(each, sampled[i]!);
    });
  }

  #take(pending: Pending, sampled: SampledTokens): void {
    const { request } = pending;
    for (const [i, id] of sampled.ids.entries()) {
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
    const aborted = (next: Pending | (() => Promise<void>)): boolean =>
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

function disposedError(): FulguriteError {
  return new FulguriteError("lm/disposed", "This language engine has been disposed of.", "Create a new one.");
}

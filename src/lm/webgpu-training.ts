import { StaticPlan, type Dispatch } from "../gpu/plan.ts";
import type { ReadbackRing } from "../gpu/readback.ts";
import { expectedRate } from "../gpu/dispatch-limit.ts";
import type { WorkUnit } from "../gpu/submit-turns.ts";
import { inputIds } from "../kernels/transformer-places.ts";
import { METRICS_LENGTH, metricWord } from "../kernels/metrics.ts";
import { bindNamedKernel } from "../kernels/named-kernel.ts";
import { ScalarSlots } from "../kernels/scalars.ts";
import { TokenBatchSlots, type BatchField } from "../kernels/token-batch.ts";
import { defaultGate, estimatorNumbers, objectiveNumbers } from "../kernels/token-objective.ts";
import { allowedMask } from "./allowed-mask.ts";
import type { TokenLossConfig, TokenRows, TokenStepMetrics } from "./language-engine.ts";
import { TokenForest } from "./token-forest.ts";
import type { LayerAdapters, WebGpuModel } from "./webgpu-model.ts";
import {
  createTrainingArenas,
  createTrainingBuffers,
  microBatch,
  trainingSlots,
  type MicroBatch,
  type TrainingArenas,
} from "./webgpu-training-buffers.ts";
import { compileTrainingKernels, type TrainingKernels, type Work } from "./webgpu-training-kernels.ts";

interface Step {
  readonly dispatch: Dispatch;
  readonly work: Work;
  /** Uniform slot: the layer, or behind the layers the head's chunk. */
  readonly slot: number;
}

interface Unit extends Step, WorkUnit {}

/** Buffers and dispatches of a micro-batch. */
interface Workspace {
  readonly plan: StaticPlan;
  readonly batch: GPUBuffer;
  readonly table: GPUBuffer;
  readonly runs: GPUBuffer;
  readonly predictionTable: GPUBuffer;
  readonly occurrences: GPUBuffer;
  readonly scores: GPUBuffer;
  readonly readScores: ReadbackRing;
  /** Up to the last layer's output. */
  readonly forward: readonly Step[];
  /** From there to log-probabilities and entropies, or to the loss and all gradients. */
  readonly score: readonly Step[];
  readonly learn: readonly Step[];
}

/** Forward, backward and AdamW over packed rows; one submit a micro-batch, nothing made in steady state. */
export class WebGpuTraining {
  readonly #model: WebGpuModel;
  readonly #kernels: TrainingKernels;
  readonly #forest = new TokenForest();
  /** What does not depend on the number of tokens. */
  readonly #plan: StaticPlan;
  readonly #arenas: TrainingArenas;
  /** Most that a micro-batch holds. */
  readonly #most: MicroBatch;
  readonly #scalars = new ScalarSlots(1);
  readonly #adamw: Dispatch;
  readonly #batch: TokenBatchSlots;
  readonly #slots: number;
  #workspace: Workspace | null = null;

  /** Compiles all kernels in parallel. */
  static async create(model: WebGpuModel): Promise<WebGpuTraining> {
    return new WebGpuTraining(model, await compileTrainingKernels(model));
  }

  constructor(model: WebGpuModel, kernels: TrainingKernels) {
    const { gpu, sizes, shape } = model;
    this.#model = model;
    this.#kernels = kernels;
    this.#most = microBatch(model);
    this.#slots = trainingSlots(model);
    this.#batch = new TokenBatchSlots(this.#slots);
    for (let slot = shape.layers; slot < this.#slots; slot++) {
      this.#batch.set(slot, "chunk", (slot - shape.layers) * model.headChunk.outputs);
    }
    for (let l = 0; l < shape.layers; l++) {
      this.#batch.set(l, "layer", (l * model.layerLength) / 4);
      this.#batch.set(l, "adapter", (l * model.adapterLength) / 4);
    }
    this.#plan = new StaticPlan(gpu, model.maker);
    this.#arenas = createTrainingArenas(model, this.#plan);
    const { scalars, gradients, squares, metrics } = this.#arenas;
    this.#adamw = this.#plan.bind(
      kernels.adamw,
      [scalars, gradients, squares, model.learning.buffer, model.moments, metrics],
      Math.max(sizes.squares, METRICS_LENGTH),
      64,
    );
  }

  /** One optimizer step, the `optimizerStep`th (from 1 on). */
  async step(rows: TokenRows, config: TokenLossConfig, optimizerStep: number): Promise<TokenStepMetrics> {
    const { gpu } = this.#model;
    const { metrics, readMetrics } = this.#arenas;
    const forest = this.#forest;
    const set = this.#setBatch.bind(this);
    const gate = config.gate ?? defaultGate;
    set("objective", objectiveNumbers[config.kind]);
    set("estimator", estimatorNumbers[config.kl?.estimator ?? "k1"]);
    set("klCoefficient", config.kl?.coefficient ?? 0);
    const smoothing = config.kind === "likelihood" ? (config.labelSmoothing ?? 0) : 0;
    set("labelSmoothing", smoothing);
    set("smoothingShare", smoothing / (rows.allowed?.length ?? this.#model.shape.vocabularySize));
    set("gatePositive", gate.positive);
    set("gateNegative", gate.negative);
    set("clipLow", config.clipLow);
    set("clipHigh", config.clipHigh);
    set("dualClip", config.dualClip ?? 0);
    set("entropyCoefficient", config.entropyCoefficient);
    set("adapterScale", adapterScale(this.#model, true));
    this.#writeOptimizer(config, optimizerStep);
    this.#writeAllowed(rows);
    let weight = 0;
    let tokens = 0;
    for (const w of rows.weights) {
      if (!(w > 0)) continue;
      weight += w;
      tokens++;
    }
    forest.start(rows, false);
    let read: (() => Promise<Float32Array>) | null = null;
    for (let first = true; first || forest.more; first = false) {
      const workspace = this.#fill(first);
      const last = !forest.more;
      const units = this.#units([...workspace.forward, ...workspace.learn]);
      await gpu.submitUnits(units, (encoder, piece) => {
        const ends = last && piece.at(-1) === units.at(-1);
        if (ends) encoder.clearBuffer(metrics);
        const pass = encoder.beginComputePass();
        this.#encode(pass, workspace, piece);
        if (ends) this.#plan.encode(pass, this.#adamw, 0);
        pass.end();
        if (ends) read = readMetrics.copy(encoder, [{ buffer: metrics, length: METRICS_LENGTH }]);
      });
    }
    const data = await read!();
    const mean = (sum: number): number => (weight > 0 ? sum / weight : NaN);
    return {
      loss: data[metricWord.policyLoss]!,
      entropy: mean(data[metricWord.entropy]!),
      approximateKl: mean(data[metricWord.kl]!),
      clipFraction: mean(data[metricWord.clipped]!),
      gradientNorm: data[metricWord.gradientNorm]!,
      tokens,
    };
  }

  /** Entry by entry as in `rows`; what no token precedes is 0. */
  async score(
    rows: TokenRows,
    adapter: boolean,
  ): Promise<{ readonly logProbabilities: Float32Array; readonly entropies: Float32Array }> {
    const { gpu } = this.#model;
    const forest = this.#forest;
    const logProbabilities = new Float32Array(rows.rows * rows.length);
    const entropies = new Float32Array(rows.rows * rows.length);
    this.#setBatch("adapterScale", adapterScale(this.#model, adapter));
    this.#writeAllowed(rows);
    forest.start(rows, true);
    for (let first = true; forest.more; first = false) {
      const workspace = this.#fill(first);
      const length = 2 * forest.predictionCount;
      const entries = forest.entries.slice(0, forest.predictionCount);
      const units = this.#units([...workspace.forward, ...workspace.score]);
      let read: (() => Promise<Float32Array>) | null = null;
      await gpu.submitUnits(units, (encoder, piece) => {
        const pass = encoder.beginComputePass();
        this.#encode(pass, workspace, piece);
        pass.end();
        if (piece.at(-1) !== units.at(-1)) return;
        read = workspace.readScores.copy(encoder, [{ buffer: workspace.scores, length }]);
      });
      const data = await read!();
      entries.forEach((entry, i) => {
        // The shader has no infinity for ids that are not allowed.
        logProbabilities[entry] = data[2 * i]! < -3e38 ? -Infinity : data[2 * i]!;
        entropies[entry] = data[2 * i + 1]!;
      });
    }
    return { logProbabilities, entropies };
  }

  dispose(): void {
    this.#workspace?.readScores.dispose();
    this.#workspace?.plan.dispose();
    this.#workspace = null;
    this.#arenas.readMetrics.dispose();
    this.#plan.dispose();
  }

  /** Steps with the seconds that each is expected to take on the micro-batch. */
  #units(steps: readonly Step[]): readonly Unit[] {
    const rate = expectedRate(this.#model.gpu);
    return steps.map((step) => ({
      ...step,
      seconds: (step.work.operations * this.#count(step.work)) / rate,
    }));
  }

  #count({ count }: Work): number {
    return count === "tokens" ? this.#forest.tokenCount : this.#forest.predictionCount;
  }

  #encode(pass: GPUComputePassEncoder, workspace: Workspace, steps: readonly Step[]): void {
    this.#model.checkAlive();
    for (const { dispatch, work, slot } of steps) {
      const tiles = work.rows === 0 ? work.tiles : Math.ceil(this.#count(work) / work.rows) * work.tiles;
      workspace.plan.encodeSized(pass, dispatch, slot, tiles);
    }
  }

  /** The next micro-batch's tables on the device, in a workspace that holds them. */
  #fill(first: boolean): Workspace {
    const { shape, gpu } = this.#model;
    const forest = this.#forest;
    forest.next(this.#most.tokens, this.#most.predictions, inputIds(shape));
    const { tokenCount, predictionCount } = forest;
    const workspace = (this.#workspace ??= this.#createWorkspace());
    this.#setBatch("tokens", tokenCount);
    this.#setBatch("predictions", predictionCount);
    this.#setBatch("accumulate", first ? 0 : 1);
    const { queue } = gpu.device;
    queue.writeBuffer(workspace.batch, 0, this.#batch.bytes);
    queue.writeBuffer(workspace.table, 0, forest.tokens, 0, 4 * (tokenCount + 1));
    queue.writeBuffer(workspace.runs, 0, forest.runs, 0, 2 * tokenCount);
    queue.writeBuffer(workspace.predictionTable, 0, forest.predictions, 0, 8 * predictionCount);
    queue.writeBuffer(workspace.occurrences, 0, forest.occurrences, 0, inputIds(shape) + 1 + tokenCount);
    return workspace;
  }

  #setBatch(field: BatchField, value: number): void {
    for (let slot = 0; slot < this.#slots; slot++) this.#batch.set(slot, field, value);
  }

  #writeAllowed(rows: TokenRows): void {
    const { shape, gpu } = this.#model;
    gpu.device.queue.writeBuffer(this.#arenas.allowed, 0, allowedMask(rows.allowed, shape.vocabularySize));
  }

  #writeOptimizer(config: TokenLossConfig, step: number): void {
    const [beta1, beta2] = config.betas;
    const set = this.#scalars.set.bind(this.#scalars, 0);
    set("learningRate", config.learningRate);
    set("maxGradientNorm", config.maxGradientNorm);
    set("beta1", beta1);
    set("beta2", beta2);
    set("beta1Complement", 1 - beta1);
    set("beta2Complement", 1 - beta2);
    set("epsilon", config.adamEpsilon);
    set("weightDecay", config.weightDecay);
    set("correction1", 1 - beta1 ** step);
    set("correction2", 1 - beta2 ** step);
    this.#model.gpu.device.queue.writeBuffer(this.#arenas.scalars, 0, this.#scalars.bytes);
  }

  #createWorkspace(): Workspace {
    const { gpu, maker, shape, parameters, rotations, checkpointing } = this.#model;
    const kernels = this.#kernels;
    const k = kernels.layer;
    const plan = new StaticPlan(gpu, maker);
    const buffers = createTrainingBuffers(this.#model, plan);
    const { layers, output, logits, softmax, headInverses, headProjections, headGradient, terms } = buffers;
    const { residual, qkvGradient, attendedGradient, projections, projected, headProducts } = buffers;
    const { batch, table, runs, predictionTable, occurrences, scores, lowGradient, readScores } = buffers;
    const { partials, allowed, gradients, squares } = this.#arenas;
    const bind = (work: Work, own: Readonly<Record<string, GPUBuffer | undefined>>, slot = 0): Step => ({
      ...{ work, slot },
      dispatch: bindNamedKernel(plan, work.compiled, batch, {
        parameters,
        rotations,
        runs,
        tokens: table,
        predictions: predictionTable,
        ...{ partials, allowed, gradients, lowGradient },
        adapters: this.#model.learning.buffer,
        ...own,
      }),
    });
    const forward: Step[] = [bind(kernels.embed, { output: layers[0]!.input })];
    const forwardLayer = (steps: Step[], l: number, again: boolean): void => {
      const b = layers[l]!;
      const add = (
        work: Work | undefined,
        buffers: Readonly<Record<string, GPUBuffer | undefined>>,
      ): void => {
        if (work) steps.push(bind(work, buffers, l));
      };
      const { low } = b;
      add(k.adapters.qkv?.low, { input: b.input, low: low.qkv });
      const qkv = { input: b.input, inverses: b.inverses1, low: low.qkv };
      if (b.raw && b.headInverses) {
        add(k.qkv, { ...qkv, output: b.raw });
        add(k.heads?.forward, { raw: b.raw, output: b.qkv, inverses: b.headInverses });
      } else {
        add(k.qkv, { ...qkv, output: b.qkv });
      }
      add(k.attention, { keys: b.qkv, output: b.attended, statistics: b.statistics });
      add(k.adapters.wo?.low, { input: b.attended, low: low.wo });
      add(k.wo, { input: b.attended, residual: b.input, output: b.middle, low: low.wo });
      add(k.adapters.gateUp?.low, { input: b.middle, low: low.gateUp });
      const gateUp = { input: b.middle, gate: b.gate, inverses: b.inverses2, low: low.gateUp };
      add(k.gateUp, { ...gateUp, output: b.activated });
      add(k.adapters.down?.low, { input: b.activated, low: low.down });
      if (again) return;
      const next = layers[l + 1]?.input ?? output;
      add(k.down, { input: b.activated, residual: b.middle, output: next, low: low.down });
    };
    for (let l = 0; l < layers.length; l++) forwardLayer(forward, l, false);
    const learnsAll = shape.adapter === undefined;
    const chunks = Array.from({ length: this.#slots - shape.layers }, (_, c) => shape.layers + c);
    const head = (slot: number): Step =>
      bind(kernels.head, { input: output, output: logits, inverses: headInverses }, slot);
    const score: Step[] = [];
    const learn: Step[] = [];
    for (const slot of chunks) {
      score.push(head(slot), bind(kernels.score, { logits, softmax, scores }, slot));
      learn.push(head(slot), bind(kernels.softmax, { logits, softmax }, slot));
    }
    // The last chunk's logits are still there, the others are computed again.
    for (const slot of chunks.toReversed()) {
      if (slot !== chunks.at(-1)) learn.push(head(slot));
      learn.push(bind(kernels.loss, { logits, softmax, terms, projections: headProjections }, slot));
      const gradient = { gradient: logits, input: output, inverses: headInverses };
      if (learnsAll) learn.push(bind(kernels.headWeights, gradient, slot));
      const inputs = { ...gradient, projections: headProjections, output: headGradient };
      learn.push(bind(kernels.headGradient, inputs, slot));
    }
    learn.push(bind(kernels.predictionGradient, { gradient: headGradient, output: residual }));
    for (let l = layers.length - 1; l >= 0; l--) {
      const b = layers[l]!;
      const add = (
        work: Work | undefined,
        buffers: Readonly<Record<string, GPUBuffer | undefined>>,
      ): void => {
        if (work) learn.push(bind(work, buffers, l));
      };
      if (checkpointing && l < layers.length - 1) forwardLayer(learn, l, true);
      // Of one matrix's weights, or of its adapters.
      const weights = (
        name: keyof LayerAdapters,
        work: Work,
        buffers: { readonly gradient: GPUBuffer; readonly input: GPUBuffer; readonly inverses?: GPUBuffer },
      ): void => {
        if (learnsAll) add(work, buffers);
        add(k.adapters[name]?.gradient, buffers);
        add(k.adapters[name]?.weights, { ...buffers, low: b.low[name] });
      };
      weights("down", k.downWeights, { gradient: residual, input: b.activated });
      add(k.downGradient, { gradient: residual, gate: b.gate, projections });
      const gateUp = { gradient: b.gate, input: b.middle, inverses: b.inverses2 };
      weights("gateUp", k.gateUpWeights, gateUp);
      add(k.gateUpGradient, { ...gateUp, projections, output: residual });
      weights("wo", k.woWeights, { gradient: residual, input: b.attended });
      add(k.woGradient, { gradient: residual, output: attendedGradient });
      const attention = { keys: b.qkv, gradient: attendedGradient, statistics: b.statistics };
      add(k.queryGradient, { ...attention, attended: b.attended, output: qkvGradient });
      add(k.keyGradient, { ...attention, output: qkvGradient });
      if (b.raw && b.headInverses && headProducts) {
        const heads = { raw: b.raw, gradient: qkvGradient, inverses: b.headInverses };
        add(k.heads?.gradient, { ...heads, output: projected, projections: headProducts });
        if (learnsAll) add(k.heads?.weights, { ...heads, projected });
      }
      const qkv = { gradient: projected, input: b.input, inverses: b.inverses1 };
      weights("qkv", k.qkvWeights, qkv);
      add(k.qkvGradient, { ...qkv, projections: headProducts ?? b.statistics, output: residual });
    }
    learn.push(
      bind(kernels.reduce, {
        residual,
        occurrences,
        terms,
        squares,
      }),
    );
    return {
      ...{ plan, batch, table, runs, predictionTable, occurrences, scores, readScores },
      ...{ forward, score, learn },
    };
  }
}

/** alpha / rank; 0 where the adapter is left out or there is none. */
export function adapterScale({ shape }: WebGpuModel, on: boolean): number {
  return on && shape.adapter ? shape.adapter.alpha / shape.adapter.rank : 0;
}

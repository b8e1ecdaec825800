import { StaticPlan, type Dispatch } from "../gpu/plan.ts";
import { ReadbackRing } from "../gpu/readback.ts";
import { expectedRate } from "../gpu/dispatch-limit.ts";
import type { WorkUnit } from "../gpu/submit-turns.ts";
import { statisticsWidth } from "../kernels/attention.ts";
import { hasHeads, headUnits, rawWidth } from "../kernels/heads.ts";
import { paddedOutputs } from "../kernels/linear.ts";
import { lowWidth, type LowRankGroup } from "../kernels/low-rank.ts";
import { inputIds } from "../kernels/transformer-places.ts";
import { METRICS_LENGTH, metricWord } from "../kernels/metrics.ts";
import { bindNamedKernel } from "../kernels/named-kernel.ts";
import { TERM_RANGES } from "../kernels/reduce-transformer-gradient.ts";
import { maskWords } from "../kernels/sample-token.ts";
import { ScalarSlots } from "../kernels/scalars.ts";
import { TokenBatchSlots, type BatchField } from "../kernels/token-batch.ts";
import { defaultGate, estimatorNumbers, objectiveNumbers } from "../kernels/token-objective.ts";
import { allowedMask } from "./allowed-mask.ts";
import type { TokenLossConfig, TokenRows, TokenStepMetrics } from "./language-engine.ts";
import { TokenForest } from "./token-forest.ts";
import { capacityFor, type LayerAdapters, type WebGpuModel } from "./webgpu-model.ts";
import {
  compileTrainingKernels,
  partialLength,
  type TrainingKernels,
  type Work,
} from "./webgpu-training-kernels.ts";

interface Step {
  readonly dispatch: Dispatch;
  readonly work: Work;
  /** Uniform slot: the layer. */
  readonly slot: number;
}

interface Unit extends Step, WorkUnit {}

/** Buffers and dispatches for up to `tokens` tokens and `predictions` predictions. */
interface Workspace {
  readonly plan: StaticPlan;
  readonly tokens: number;
  readonly predictions: number;
  readonly batch: GPUBuffer;
  readonly table: GPUBuffer;
  readonly runs: GPUBuffer;
  readonly predictionTable: GPUBuffer;
  readonly occurrences: GPUBuffer;
  readonly scores: GPUBuffer;
  readonly readScores: ReadbackRing;
  readonly forward: readonly Step[];
  readonly loss: Step;
  readonly score: Step;
  readonly backward: readonly Step[];
}

/** What one layer's forward pass leaves for its backward pass, but for its input. */
interface LayerActivations {
  readonly inverses1: GPUBuffer;
  readonly raw: GPUBuffer | null;
  readonly headInverses: GPUBuffer | null;
  readonly low: Readonly<Partial<Record<keyof LayerAdapters, GPUBuffer>>>;
  readonly qkv: GPUBuffer;
  readonly statistics: GPUBuffer;
  readonly attended: GPUBuffer;
  readonly middle: GPUBuffer;
  readonly inverses2: GPUBuffer;
  readonly gate: GPUBuffer;
  readonly activated: GPUBuffer;
}

/** Forward, backward and AdamW over packed rows; one submit a micro-batch, nothing made in steady state. */
export class WebGpuTraining {
  readonly #model: WebGpuModel;
  readonly #kernels: TrainingKernels;
  readonly #forest = new TokenForest();
  /** What does not depend on the number of tokens. */
  readonly #plan: StaticPlan;
  readonly #partials: GPUBuffer;
  readonly #gradients: GPUBuffer;
  readonly #squares: GPUBuffer;
  readonly #metrics: GPUBuffer;
  readonly #allowed: GPUBuffer;
  readonly #scalars = new ScalarSlots(1);
  readonly #scalarsBuffer: GPUBuffer;
  readonly #adamw: Dispatch;
  readonly #readMetrics: ReadbackRing;
  /** One slot a layer. */
  readonly #batch: TokenBatchSlots;
  #workspace: Workspace | null = null;

  /** Compiles all kernels in parallel. */
  static async create(model: WebGpuModel): Promise<WebGpuTraining> {
    return new WebGpuTraining(model, await compileTrainingKernels(model));
  }

  constructor(model: WebGpuModel, kernels: TrainingKernels) {
    const { gpu, sizes, shape } = model;
    this.#model = model;
    this.#kernels = kernels;
    this.#batch = new TokenBatchSlots(shape.layers);
    for (let l = 0; l < shape.layers; l++) {
      this.#batch.set(l, "layer", (l * model.layerLength) / 4);
      this.#batch.set(l, "adapter", (l * model.adapterLength) / 4);
    }
    this.#plan = new StaticPlan(gpu);
    this.#scalarsBuffer = this.#plan.slots(1);
    // Frozen weights have no gradients.
    const partials = shape.adapter ? 4 : sizes.splits * partialLength(model);
    this.#partials = this.#plan.storage("partial gradients", partials);
    this.#gradients = this.#plan.storage("gradients", model.learning.length);
    this.#squares = this.#plan.storage("squares", sizes.squares + TERM_RANGES * 5);
    this.#metrics = this.#plan.storage("metrics", METRICS_LENGTH);
    this.#allowed = this.#plan.storage("allowed", maskWords(shape.vocabularySize));
    this.#adamw = this.#plan.bind(
      kernels.adamw,
      [
        this.#scalarsBuffer,
        this.#gradients,
        this.#squares,
        model.learning.buffer,
        model.moments,
        this.#metrics,
      ],
      Math.max(sizes.squares, METRICS_LENGTH),
      64,
    );
    this.#readMetrics = new ReadbackRing(gpu, "metrics readback", METRICS_LENGTH, 2);
  }

  /** One optimizer step, the `optimizerStep`th (from 1 on). */
  async step(rows: TokenRows, config: TokenLossConfig, optimizerStep: number): Promise<TokenStepMetrics> {
    const { gpu } = this.#model;
    const forest = this.#forest;
    const set = this.#setBatch.bind(this);
    const gate = config.gate ?? defaultGate;
    set("objective", objectiveNumbers[config.kind]);
    set("estimator", estimatorNumbers[config.kl?.estimator ?? "k1"]);
    set("klCoefficient", config.kl?.coefficient ?? 0);
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
      const units = this.#units([...workspace.forward, workspace.loss, ...workspace.backward]);
      await gpu.submitUnits(units, (encoder, piece) => {
        const ends = last && piece.at(-1) === units.at(-1);
        if (ends) encoder.clearBuffer(this.#metrics);
        const pass = encoder.beginComputePass();
        this.#encode(pass, workspace, piece);
        if (ends) this.#plan.encode(pass, this.#adamw, 0);
        pass.end();
        if (ends) read = this.#readMetrics.copy(encoder, [{ buffer: this.#metrics, length: METRICS_LENGTH }]);
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
      const units = this.#units([...workspace.forward, workspace.score]);
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
    this.#disposeWorkspace();
    this.#readMetrics.dispose();
    this.#plan.dispose();
  }

  #disposeWorkspace(): void {
    this.#workspace?.readScores.dispose();
    this.#workspace?.plan.dispose();
    this.#workspace = null;
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
    const { shape, sizes, gpu } = this.#model;
    const forest = this.#forest;
    const maxTokens = Math.max(64, Math.floor(sizes.activationBytes / bytesPerToken(this.#model)));
    const maxPredictions = Math.max(64, Math.floor(sizes.activationBytes / bytesPerPrediction(this.#model)));
    forest.next(maxTokens, maxPredictions, inputIds(shape));
    const { tokenCount, predictionCount } = forest;
    let workspace = this.#workspace;
    if (!workspace || workspace.tokens < tokenCount || workspace.predictions < predictionCount) {
      const tokens = capacityFor(Math.max(tokenCount, workspace?.tokens ?? 0), 64);
      const predictions = capacityFor(Math.max(predictionCount, workspace?.predictions ?? 0), 64);
      this.#disposeWorkspace();
      workspace = this.#workspace = this.#createWorkspace(tokens, predictions);
    }
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
    for (let l = 0; l < this.#model.shape.layers; l++) this.#batch.set(l, field, value);
  }

  #writeAllowed(rows: TokenRows): void {
    const { shape, gpu } = this.#model;
    gpu.device.queue.writeBuffer(this.#allowed, 0, allowedMask(rows.allowed, shape.vocabularySize));
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
    this.#model.gpu.device.queue.writeBuffer(this.#scalarsBuffer, 0, this.#scalars.bytes);
  }

  #createWorkspace(tokens: number, predictions: number): Workspace {
    const { gpu, shape, parameters, rotations, checkpointing } = this.#model;
    const { width, feedForward, heads, keyValueHeads, headSize, vocabularySize } = shape;
    const queries = heads * headSize;
    const qkvWidth = queries + 2 * keyValueHeads * headSize;
    const kernels = this.#kernels;
    const plan = new StaticPlan(gpu);
    // Tiles reach beyond the last row.
    const rows = (name: string, count: number, length: number): GPUBuffer =>
      plan.storage(name, Math.ceil(count / 16) * 16 * length);
    const batch = plan.slots(shape.layers);
    const table = rows("tokens", tokens + 1, 4);
    const runs = rows("runs", tokens, 2);
    const predictionTable = rows("predictions", predictions, 8);
    const occurrences = plan.storage("occurrences", inputIds(shape) + 1 + tokens);
    const logits = rows("logits", predictions, paddedOutputs(vocabularySize));
    const headInverses = rows("head inverses", predictions, 1);
    const terms = rows("terms", predictions, 4);
    const headProjections = rows("head projections", predictions, 1);
    const scores = rows("scores", predictions, 2);
    const headGradient = rows("head gradient", predictions, width);
    const residual = rows("residual gradient", tokens, width);
    const qkvGradient = rows("qkv gradient", tokens, qkvWidth);
    const attendedGradient = rows("attended gradient", tokens, queries);
    const projectionTiles = kernels.layer.downGradient.partialSums;
    const projections = rows("projections", tokens, projectionTiles);
    const k = kernels.layer;
    const projected = k.heads ? rows("projected gradient", tokens, qkvWidth) : qkvGradient;
    const headProducts = k.heads ? rows("head products", tokens, headUnits(shape)) : null;
    const adapted = Object.entries(this.#model.adapters).filter(
      (entry): entry is [string, LowRankGroup] => entry[1] !== null,
    );
    const lowest = Math.max(0, ...adapted.map(([, group]) => lowWidth(group)));
    const lowGradient = lowest > 0 ? rows("low-rank gradient", tokens, lowest) : undefined;
    const activations = (l: number): LayerActivations => ({
      inverses1: rows(`inverses ${l}.1`, tokens, 1),
      raw: k.heads ? rows(`raw ${l}`, tokens, rawWidth(shape)) : null,
      headInverses: k.heads ? rows(`head inverses ${l}`, tokens, heads + keyValueHeads) : null,
      low: Object.fromEntries(
        adapted.map(([name, group]) => [name, rows(`low ${l}.${name}`, tokens, lowWidth(group))]),
      ),
      qkv: rows(`qkv ${l}`, tokens, qkvWidth),
      statistics: rows(`statistics ${l}`, tokens, statisticsWidth(shape)),
      attended: rows(`attended ${l}`, tokens, queries),
      middle: rows(`middle ${l}`, tokens, width),
      inverses2: rows(`inverses ${l}.2`, tokens, 1),
      gate: rows(`gate ${l}`, tokens, 2 * feedForward),
      activated: rows(`activated ${l}`, tokens, feedForward),
    });
    // With checkpointing a layer keeps its input alone, and the rest is computed again on the way back.
    const shared = checkpointing ? activations(0) : null;
    const layers = Array.from({ length: shape.layers }, (_, l) => ({
      input: rows(`input ${l}`, tokens, width),
      ...(shared ?? activations(l)),
    }));
    const output = rows("output", tokens, width);

    const bind = (work: Work, buffers: Readonly<Record<string, GPUBuffer | undefined>>, slot = 0): Step => ({
      ...{ work, slot },
      dispatch: bindNamedKernel(plan, work.compiled, batch, {
        parameters,
        rotations,
        runs,
        tokens: table,
        predictions: predictionTable,
        partials: this.#partials,
        allowed: this.#allowed,
        adapters: this.#model.learning.buffer,
        gradients: this.#gradients,
        lowGradient,
        ...buffers,
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
    forward.push(bind(kernels.head, { input: output, output: logits, inverses: headInverses }));
    const learnsAll = shape.adapter === undefined;
    const backward: Step[] = [];
    if (learnsAll) {
      backward.push(bind(kernels.headWeights, { gradient: logits, input: output, inverses: headInverses }));
    }
    backward.push(
      bind(kernels.headGradient, {
        gradient: logits,
        input: output,
        inverses: headInverses,
        projections: headProjections,
        output: headGradient,
      }),
      bind(kernels.predictionGradient, { gradient: headGradient, output: residual }),
    );
    for (let l = layers.length - 1; l >= 0; l--) {
      const b = layers[l]!;
      const add = (
        work: Work | undefined,
        buffers: Readonly<Record<string, GPUBuffer | undefined>>,
      ): void => {
        if (work) backward.push(bind(work, buffers, l));
      };
      if (checkpointing && l < layers.length - 1) forwardLayer(backward, l, true);
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
    backward.push(
      bind(kernels.reduce, {
        residual,
        occurrences,
        terms,
        squares: this.#squares,
      }),
    );
    return {
      ...{ plan, tokens, predictions, batch, table, runs, predictionTable, occurrences, scores },
      readScores: new ReadbackRing(gpu, "scores readback", 2 * predictions, 1),
      forward,
      loss: bind(kernels.loss, { logits, terms, projections: headProjections }),
      score: bind(kernels.score, { logits, scores }),
      backward,
    };
  }
}

/** alpha / rank; 0 where the adapter is left out or there is none. */
export function adapterScale({ shape }: WebGpuModel, on: boolean): number {
  return on && shape.adapter ? shape.adapter.alpha / shape.adapter.rank : 0;
}

function bytesPerToken({ shape, adapters, checkpointing }: WebGpuModel): number {
  const { width, layers, heads, keyValueHeads, headSize, feedForward } = shape;
  const queries = heads * headSize;
  const qkv = queries + 2 * keyValueHeads * headSize;
  const raw = hasHeads(shape) ? rawWidth(shape) + heads + keyValueHeads : 0;
  const groups = Object.values(adapters).map((group) => (group ? lowWidth(group) : 0));
  const low = groups.reduce((sum, floats) => sum + floats, 0);
  const layer = width + qkv + queries + 3 * feedForward + statisticsWidth(shape) + 2 + raw + low;
  const kept = layers * width + (checkpointing ? 1 : layers) * layer;
  return 4 * (kept + 2 * width + qkv + queries + feedForward / 8 + 8 + 2 * raw + Math.max(...groups));
}

function bytesPerPrediction({ shape }: WebGpuModel): number {
  return 4 * (paddedOutputs(shape.vocabularySize) + shape.width + 16);
}

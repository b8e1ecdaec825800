import { expectedRate } from "../gpu/dispatch-limit.ts";
import { StaticPlan, type Dispatch } from "../gpu/plan.ts";
import type { ReadbackRing } from "../gpu/readback.ts";
import type { WorkUnit } from "../gpu/submit-turns.ts";
import { attentionDecodeKernel } from "../kernels/attention.ts";
import { hasHeads, headsKernel, headUnits, rawWidth } from "../kernels/heads.ts";
import { lowRankKernel, lowWidth, type LowRankGroup } from "../kernels/low-rank.ts";
import { linearKernel, type LinearEnd, type LinearPlace } from "../kernels/linear.ts";
import {
  bindNamedKernel,
  compileNamedKernel,
  type CompiledNamedKernel,
  type NamedKernel,
} from "../kernels/named-kernel.ts";
import { maskWords, sampleTokenKernel } from "../kernels/sample-token.ts";
import { TokenBatchSlots } from "../kernels/token-batch.ts";
import { embedKernel } from "../kernels/token-rows.ts";
import { allowedMask } from "./allowed-mask.ts";
import { adapterScale } from "./webgpu-training.ts";
import { createDecodingBuffers, decodingSlots } from "./webgpu-decoding-buffers.ts";
import { CacheRegions } from "./cache-regions.ts";
import { ConstraintProgress } from "./constraint-progress.ts";
import type { DecodingSequence, SampledTokens } from "./generation-queue.ts";
import { filters } from "./token-filter.ts";
import type { LayerAdapters, WebGpuModel } from "./webgpu-model.ts";

/** A kernel with its threads for every `rows` rows. */
interface Work {
  readonly compiled: CompiledNamedKernel;
  readonly tiles: number;
  readonly rows: number;
  /** Arithmetic operations a row. */
  readonly operations: number;
}

/** A x of the adapters behind one input. */
type LowWork = Readonly<Record<keyof LayerAdapters, Work | null>>;

interface Kernels {
  readonly low: LowWork;
  /** Biases and norms of the heads, where there are such. */
  readonly heads: Work | null;
  readonly embed: Work;
  readonly qkv: Work;
  readonly attention: Work;
  readonly wo: Work;
  readonly gateUp: Work;
  readonly down: Work;
  readonly head: Work;
  readonly sample: Work;
}

interface Step {
  readonly dispatch: Dispatch;
  readonly work: Work;
  readonly layer: number;
}

/** A step on `count` rows, with its uniform slot. */
interface Unit extends WorkUnit {
  readonly step: Step;
  readonly count: number;
  readonly slot: number;
}

interface Workspace {
  readonly plan: StaticPlan;
  /** Sequences at once, and rows of a prefill. */
  readonly slots: number;
  readonly rows: number;
  readonly regions: CacheRegions<DecodingSequence>;
  readonly batch: GPUBuffer;
  readonly slotsData: TokenBatchSlots;
  readonly tokens: GPUBuffer;
  readonly runs: GPUBuffer;
  readonly requests: GPUBuffer;
  readonly allowed: GPUBuffer;
  readonly biases: GPUBuffer;
  readonly samples: GPUBuffer;
  readonly read: ReadbackRing;
  readonly embed: Step;
  readonly layers: readonly Step[];
  readonly head: readonly Step[];
}

/**
 * Decodes many sequences at once with keys and values cached on the device: several tokens a submit, sampled there.
 * Prompts that several sequences have in common are computed once. What a sequence gets does not depend on the others.
 */
export class WebGpuDecoder {
  /** Most sequences at once. */
  readonly capacity: number;
  readonly #model: WebGpuModel;
  readonly #kernels: Kernels;
  #workspace: Workspace | null = null;
  readonly #constraints = new ConstraintProgress();
  /** Counts what made the cache worthless. */
  #epoch = 0;

  static async create(model: WebGpuModel): Promise<WebGpuDecoder> {
    return new WebGpuDecoder(model, await compileKernels(model));
  }

  constructor(model: WebGpuModel, kernels: Kernels) {
    this.#model = model;
    this.#kernels = kernels;
    this.capacity = decodingSlots(model);
  }

  /** Gives up what is cached: after the weights have changed. Sequences go on, their paths are computed again. */
  invalidate(): void {
    this.#epoch++;
    this.#workspace?.regions.forgetAll();
  }

  release(sequence: DecodingSequence): void {
    this.#workspace?.regions.release(sequence);
  }

  /** Whether one more sequence fits beside the `active` ones; regions of prompts that are still shared count. */
  hasRoom(active: ReadonlySet<DecodingSequence>): boolean {
    const needed = this.#workspace?.regions.needed(active) ?? active.size;
    return needed < this.capacity;
  }

  /** Samples up to `decodingSteps` tokens of every sequence. */
  async round(sequences: readonly DecodingSequence[]): Promise<SampledTokens[]> {
    const { gpu, sizes } = this.#model;
    const workspace = (this.#workspace ??= this.#createWorkspace());
    const { regions, slotsData: data } = workspace;
    const { queue } = gpu.device;
    // Other weights may be loaded while this round waits for its turns.
    const epoch = this.#epoch;
    for (const sequence of sequences) regions.admit(sequence, sequence.tokens, sequence.request.prompt);
    if (regions.dirty) {
      queue.writeBuffer(workspace.runs, 0, regions.runs);
      regions.dirty = false;
    }
    await this.#prefill(workspace, sequences);
    const count = sequences.length;
    const steps = sequences.reduce((most, sequence) => Math.max(most, inOneSubmit(sequence)), 1);
    const taken = Math.min(sizes.decodingSteps, steps);
    this.#writeSequences(workspace, sequences);
    const { layers } = this.#model.shape;
    for (let slot = 0; slot < layers; slot++) data.set(slot, "tokens", count);
    for (let step = 0; step < taken; step++) data.set(2 * layers + step, "tokens", count);
    queue.writeBuffer(workspace.batch, 0, data.bytes);

    const units = this.#units([workspace.embed], count, 0);
    for (let step = 0; step < taken; step++) {
      units.push(...this.#units(workspace.layers, count, 0));
      units.push(...this.#units(workspace.head, count, 2 * layers + step));
    }
    let read: (() => Promise<Float32Array<ArrayBuffer>>) | null = null;
    await gpu.submitUnits(units, (encoder, piece) => {
      this.#encode(encoder, workspace, piece);
      if (piece.at(-1) !== units.at(-1)) return;
      read = workspace.read.copy(encoder, [{ buffer: workspace.samples, length: 4 * taken * count }]);
    });
    const floats = await read!();
    const words = new Uint32Array(floats.buffer);
    return sequences.map((sequence, row) => {
      const emitted = Math.min(taken, inOneSubmit(sequence));
      const take = (word: number): number[] =>
        Array.from({ length: emitted }, (_, step) => 4 * (step * count + row) + word);
      if (epoch === this.#epoch) regions.advance(sequence, sequence.tokens.length - 1 + emitted);
      return {
        ids: Uint32Array.from(take(0), (at) => words[at]!),
        logProbabilities: Float32Array.from(take(1), (at) => floats[at]!),
        samplerLogProbabilities: Float32Array.from(take(2), (at) => floats[at]!),
      };
    });
  }

  dispose(): void {
    this.#workspace?.read.dispose();
    this.#workspace?.plan.dispose();
    this.#workspace = null;
  }

  /** Keys and values of all tokens but each sequence's last, which the first step computes. */
  async #prefill(workspace: Workspace, sequences: readonly DecodingSequence[]): Promise<void> {
    const { gpu, shape } = this.#model;
    const { regions, slotsData: data, rows, slots } = workspace;
    const table = new Uint32Array(4 * rows);
    let count = 0;
    const submit = async (): Promise<void> => {
      if (count === 0) return;
      this.#model.checkAlive();
      const { queue } = gpu.device;
      for (let l = 0; l < shape.layers; l++) data.set(shape.layers + l, "tokens", count);
      queue.writeBuffer(workspace.batch, 0, data.bytes);
      queue.writeBuffer(workspace.tokens, 16 * slots, table, 0, 4 * count);
      const units = this.#units([workspace.embed, ...workspace.layers], count, shape.layers);
      await gpu.submitUnits(units, (encoder, piece) => {
        this.#encode(encoder, workspace, piece);
      });
      count = 0;
    };
    for (const sequence of sequences) {
      const end = sequence.tokens.length - 1;
      for (let position = regions.known(sequence); position < end; position++) {
        table[4 * count] = sequence.tokens[position]!;
        table[4 * count + 1] = position;
        table[4 * count + 2] = regions.node(sequence, position);
        if (++count === rows) await submit();
      }
    }
    await submit();
    this.#model.checkAlive();
  }

  #writeSequences(workspace: Workspace, sequences: readonly DecodingSequence[]): void {
    const { gpu, shape } = this.#model;
    const count = sequences.length;
    const words = maskWords(shape.vocabularySize);
    const tokens = new Uint32Array(4 * count);
    const requests = new Uint32Array(8 * count);
    const floats = new Float32Array(requests.buffer);
    const allowed = new Uint32Array(2 * words * count);
    const masks = new Map<Int32Array | null, Uint32Array>();
    sequences.forEach((sequence, row) => {
      const { request } = sequence;
      const position = sequence.tokens.length - 1;
      tokens[4 * row] = sequence.tokens[position]!;
      tokens[4 * row + 1] = position;
      tokens[4 * row + 2] = workspace.regions.node(sequence, position);
      tokens[4 * row + 3] = inOneSubmit(sequence);
      requests[8 * row] = request.seed;
      floats[8 * row + 1] = request.temperature;
      requests[8 * row + 2] = Math.min(request.topK ?? 0, shape.vocabularySize);
      floats[8 * row + 3] = request.topP ?? 1;
      floats[8 * row + 4] = request.minP ?? 0;
      requests[8 * row + 5] = filters(request) ? 1 : 0;
      requests[8 * row + 6] = request.logitBias ? 1 : 0;
      const mask = masks.get(request.allowed) ?? allowedMask(request.allowed, shape.vocabularySize);
      masks.set(request.allowed, mask);
      allowed.set(mask, 2 * row * words);
      const next = this.#constraints.mask(sequence);
      allowed.set(next ? next.map((word, i) => word & mask[i]!) : mask, (2 * row + 1) * words);
    });
    const { queue } = gpu.device;
    sequences.forEach(({ request: { logitBias } }, row) => {
      if (!logitBias) return;
      const biases = new Float32Array(shape.vocabularySize);
      for (const [id, bias] of logitBias) biases[id] = bias;
      queue.writeBuffer(workspace.biases, 4 * row * shape.vocabularySize, biases);
    });
    queue.writeBuffer(workspace.tokens, 0, tokens);
    queue.writeBuffer(workspace.requests, 0, requests);
    queue.writeBuffer(workspace.allowed, 0, allowed);
  }

  #units(steps: readonly Step[], count: number, slot: number): Unit[] {
    const rate = expectedRate(this.#model.gpu);
    return steps.map((step) => {
      const seconds = (step.work.operations * count) / rate;
      return { step, count, slot: slot + step.layer, seconds };
    });
  }

  #encode(encoder: GPUCommandEncoder, workspace: Workspace, units: readonly Unit[]): void {
    this.#model.checkAlive();
    const pass = encoder.beginComputePass();
    for (const { step, count, slot } of units) {
      const { dispatch, work } = step;
      workspace.plan.encodeSized(pass, dispatch, slot, Math.ceil(count / work.rows) * work.tiles);
    }
    pass.end();
  }

  #createWorkspace(): Workspace {
    const { gpu, maker, shape, sizes, parameters, rotations, learning } = this.#model;
    const { layers, maxLength } = shape;
    const k = this.#kernels;
    const plan = new StaticPlan(gpu, maker);
    const buffers = createDecodingBuffers(this.#model, plan);
    const { slots, rows, batch, tokens, runs, requests, allowed, biases, samples, read } = buffers;
    const { residual, queries, attended, raw, low, activated, logits, caches } = buffers;
    const bind = (work: Work, own: Readonly<Record<string, GPUBuffer | undefined>>, layer = 0): Step => ({
      ...{ work, layer },
      dispatch: bindNamedKernel(plan, work.compiled, batch, {
        ...{ parameters, rotations, runs, tokens, requests, allowed, biases, samples, logits, low },
        adapters: learning.buffer,
        ...own,
      }),
    });
    const steps: Step[] = [];
    for (let l = 0; l < layers; l++) {
      const cache = caches[l]!;
      const add = (work: Work | null, buffers: Readonly<Record<string, GPUBuffer | undefined>>): void => {
        if (work) steps.push(bind(work, buffers, l));
      };
      add(k.low.qkv, { input: residual });
      add(k.qkv, { input: residual, output: raw, cache });
      add(k.heads, { raw, output: queries, cache });
      add(k.attention, { queries, keys: cache, output: attended });
      add(k.low.wo, { input: attended });
      add(k.wo, { input: attended, output: residual });
      add(k.low.gateUp, { input: residual });
      add(k.gateUp, { input: residual, output: activated });
      add(k.low.down, { input: activated });
      add(k.down, { input: activated, output: residual });
    }
    const slotsData = new TokenBatchSlots(2 * layers + sizes.decodingSteps);
    for (let l = 0; l < layers; l++) {
      slotsData.set(l, "layer", (l * this.#model.layerLength) / 4);
      slotsData.set(layers + l, "layer", (l * this.#model.layerLength) / 4);
      for (const slot of [l, layers + l]) {
        slotsData.set(slot, "adapter", (l * this.#model.adapterLength) / 4);
        slotsData.set(slot, "adapterScale", adapterScale(this.#model, true));
      }
      slotsData.set(layers + l, "first", slots);
    }
    for (let step = 0; step < sizes.decodingSteps; step++) slotsData.set(2 * layers + step, "step", step);
    return {
      ...{ plan, slots, rows, batch, slotsData, tokens, runs, requests, allowed, biases, samples, read },
      regions: new CacheRegions(slots, maxLength),
      embed: bind(k.embed, { output: residual }),
      layers: steps,
      head: [bind(k.head, { input: residual, output: logits }), bind(k.sample, { output: residual })],
    };
  }
}

/** Tokens that a sequence may emit before the host looks at them: one where they decide what may follow. */
const inOneSubmit = ({ request, remaining }: DecodingSequence): number =>
  request.constraint ? Math.min(1, remaining) : remaining;

async function compileKernels(model: WebGpuModel): Promise<Kernels> {
  const { gpu, shape, places, sizes, linears } = model;
  const { heads, keyValueHeads, headSize, width, vocabularySize, normEpsilon: epsilon } = shape;
  const tile = sizes.decodingTile;
  const compile = async (
    kernel: NamedKernel,
    tiles: number,
    rows: number,
    operations: number,
  ): Promise<Work> => ({
    ...{ tiles, rows, operations },
    compiled: await compileNamedKernel(gpu, kernel, sizes.workgroup),
  });
  const linear = (place: LinearPlace, end: LinearEnd, adapter: LowRankGroup | null = null): Promise<Work> => {
    const options = { tile, epsilon, save: false, gather: false, adapter };
    const { kernel, tiles, rows } = linearKernel(place, end, options);
    return compile(kernel, tiles, rows, 2 * place.inputs * place.outputs);
  };
  const inPlace: LinearEnd = { kind: "residual", inPlace: true };
  const rope: LinearEnd = {
    kind: "rope",
    headSize,
    rotated: (heads + keyValueHeads) * headSize,
    queryWidth: heads * headSize,
    cache: true,
  };
  const { adapters } = model;
  const low = async (group: LowRankGroup | null): Promise<Work | null> =>
    group
      ? compile(lowRankKernel(group, epsilon), lowWidth(group) / 4, 1, 2 * lowWidth(group) * width)
      : null;
  const headsWork = hasHeads(shape)
    ? compile(
        headsKernel(shape, places, { save: false, cache: true }),
        headUnits(shape),
        1,
        8 * rawWidth(shape),
      )
    : null;
  const lows = Promise.all([adapters.qkv, adapters.wo, adapters.gateUp, adapters.down].map(low));
  const [embed, qkv, attention, wo, gateUp, down, head, sample] = await Promise.all([
    compile(embedKernel(shape, places.emb, model.promptAt), width / 4, 1, width),
    linear(linears.qkv, headsWork ? { kind: "store" } : rope, adapters.qkv),
    compile(attentionDecodeKernel(shape), heads, 1, 2 * heads * headSize * shape.maxLength),
    linear(linears.wo, inPlace, adapters.wo),
    linear(linears.gateUp, { kind: "swiglu" }, adapters.gateUp),
    linear(linears.down, inPlace, adapters.down),
    linear(model.head, { kind: "store" }),
    compile(sampleTokenKernel({ vocabularySize, width, embedding: places.emb }), 1, 1, 10 * vocabularySize),
  ]);
  const [lowQkv = null, lowWo = null, lowGateUp = null, lowDown = null] = await lows;
  return {
    ...{ embed, qkv, attention, wo, gateUp, down, head, sample },
    heads: await headsWork,
    low: { qkv: lowQkv, wo: lowWo, gateUp: lowGateUp, down: lowDown },
  };
}

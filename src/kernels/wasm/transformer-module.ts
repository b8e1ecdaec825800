import { projectionSize, type Projection, type TransformerDimensions } from "../transformer-places.ts";
import { WasmModule } from "./module.ts";
import { defineAttention, defineRope } from "./transformer-attention.ts";
import { defineMatmul, rowsInCache, type MatmulSpec } from "./transformer-matmul.ts";
import type { Slicing, Threads } from "./threads.ts";
import { defineBias, defineGumbel, defineNorm, defineSoftmax, defineSwiGlu } from "./transformer-rows.ts";

type Address = number;
type Rows = number;

/** Most pages of a memory that threads share, 4 GiB: it has to be said beforehand, and costs addresses alone. */
export const mostSharedPages = 65_536;

/** A memory and, where it is a shared one of `mostSharedPages`, the threads that kernels share their rows with. */
export interface KernelHome {
  readonly memory: WebAssembly.Memory;
  readonly threads: Threads | null;
}

/** y = x W^T (packed W), dx = dy W (W as it lies), dW += dy^T x (rows of W, then rows of x). */
type Forward = (x: Address, packed: Address, y: Address, rows: Rows) => void;
type BackwardInput = (dy: Address, weight: Address, dx: Address, rows: Rows) => void;
type BackwardWeight = (
  dy: Address,
  x: Address,
  dWeight: Address,
  weightRows: number,
  reduction: Rows,
) => void;

/** A linear layer's three matmuls; how its results land is in the names of `TransformerKernels`. */
export interface LinearKernels {
  readonly forward: Forward;
  readonly input: BackwardInput;
  readonly weight: BackwardWeight;
}

/** A of an adapter, whose `input` adds to dx, and B, whose `forward` adds to y. */
export interface LowRankKernels {
  readonly a: LinearKernels;
  readonly b: LinearKernels;
}

type NormForward = (x: Address, scale: Address, y: Address, inverse: Address, rows: Rows) => void;
type NormBackward = (
  dy: Address,
  x: Address,
  scale: Address,
  inverse: Address,
  dx: Address,
  dScale: Address,
  rows: Rows,
) => void;

/** Kernels of one decoder's sizes on one memory. Addresses are bytes, row counts multiples of 4. */
export interface TransformerKernels {
  readonly q: LinearKernels;
  /** Keys and values side by side; `input` adds to dx. */
  readonly kv: LinearKernels;
  /** `forward` adds to y: the residual stream. */
  readonly o: LinearKernels;
  /** Gate and up side by side. */
  readonly up: LinearKernels;
  /** `forward` adds to y: the residual stream. */
  readonly down: LinearKernels;
  readonly adapters: Partial<Readonly<Record<Projection, LowRankKernels>>>;
  readonly normForward: NormForward;
  readonly normBackward: NormBackward;
  /** Over heads. */
  readonly headNormForward: NormForward;
  readonly headNormBackward: NormBackward;
  biasForward(x: Address, bias: Address, rows: Rows, stride: number, vectors: number): void;
  biasBackward(dy: Address, dBias: Address, rows: Rows, stride: number, vectors: number): void;
  swiGluForward(h: Address, y: Address, rows: Rows): void;
  swiGluBackward(h: Address, dy: Address, dh: Address, rows: Rows): void;
  softmaxForward(
    logits: Address,
    exponentials: Address,
    statistics: Address,
    rows: Rows,
    columns: number,
    stride: number,
  ): void;
  softmaxBackward(
    shifted: Address,
    exponentials: Address,
    coefficients: Address,
    rows: Rows,
    stride: number,
  ): void;
  gumbel(words: Address, vectors: number): void;
  rope(
    x: Address,
    rows: Rows,
    stride: number,
    heads: number,
    positions: Address,
    cosines: Address,
    sines: Address,
  ): void;
  attentionForward(
    q: Address,
    output: Address,
    probabilities: Address,
    keyValues: Address,
    stride: number,
    paths: Address,
    lengths: Address,
    rows: Rows,
    pitch: number,
  ): void;
  attentionBackward(
    q: Address,
    dOutput: Address,
    probabilities: Address,
    keyValues: Address,
    stride: number,
    paths: Address,
    lengths: Address,
    rows: Rows,
    pitch: number,
    dq: Address,
    dKeyValues: Address,
    scratch: Address,
    groups: number,
  ): void;
}

interface LinearSpec {
  readonly inputs: number;
  /** Multiple of 4. */
  readonly outputs: number;
  /** Floats from one row of y to the next; default `outputs`. */
  readonly stride?: number;
  readonly accumulateForward?: boolean;
  readonly accumulateInput?: boolean;
}

type Slicings = Record<string, Slicing>;

function defineLinear(module: WasmModule, sliced: Slicings, name: string, spec: LinearSpec): void {
  const { inputs, outputs, accumulateForward = false, accumulateInput = false } = spec;
  const row = 4 * (spec.stride ?? outputs);
  const forward: MatmulSpec = {
    aRow: 4 * inputs,
    aStep: 4,
    bStep: 32,
    bPanel: 32 * inputs,
    cRow: row,
    columns: outputs,
    reduction: inputs,
    accumulate: accumulateForward,
  };
  const asItLies = { bStep: 4 * inputs, bPanel: 32, cRow: 4 * inputs, columns: inputs };
  defineMatmul(module, `${name}.forward`, forward);
  defineMatmul(module, `${name}.input`, {
    ...asItLies,
    aRow: row,
    aStep: 4,
    reduction: outputs,
    accumulate: accumulateInput,
  });
  defineMatmul(module, `${name}.weight`, {
    ...asItLies,
    aRow: 4,
    aStep: row,
    reduction: null,
    accumulate: true,
  });
  const x = 4 * inputs;
  const rows = { count: 3, work: () => inputs * outputs, grain: rowsInCache };
  sliced[`${name}.forward`] = { ...rows, steps: () => [x, 0, row] };
  sliced[`${name}.input`] = { ...rows, steps: () => [row, 0, x] };
  // Rows of W are taken four at a time, each over all rows of x.
  sliced[`${name}.weight`] = { ...rows, work: (v) => inputs * v[4]!, grain: 4, steps: () => [4, 0, x] };
}

/** What the kernels that compute row by row move on by, a row. */
function sliceRows(dimensions: TransformerDimensions): Slicings {
  const { width, heads, keyValueHeads, headSize, feedForward } = dimensions;
  const grain = 4;
  const query = 4 * heads * headSize;
  const shared = heads / keyValueHeads;
  const head = 4 * shared * headSize;
  // Rows attend to a few dozen others, on average; an exponential takes as long as some twenty multiply-adds.
  const attention = 64 * headSize;
  const hidden = 8 * feedForward;
  return {
    normForward: { count: 4, grain, work: () => 2 * width, steps: () => [4 * width, 0, 4 * width, 4] },
    swiGluForward: { count: 2, grain, work: () => 20 * feedForward, steps: () => [hidden, hidden / 2] },
    swiGluBackward: {
      ...{ count: 3, grain, work: () => 20 * feedForward },
      steps: () => [hidden, hidden / 2, hidden],
    },
    softmaxForward: {
      ...{ count: 3, grain, work: (v) => 20 * v[5]! },
      steps: (v) => [4 * v[5]!, 4 * v[5]!, 12],
    },
    softmaxBackward: {
      ...{ count: 3, grain, work: (v) => 2 * v[4]! },
      steps: (v) => [4 * v[4]!, 4 * v[4]!, 16],
    },
    rope: { count: 1, grain, work: (v) => 2 * v[3]! * headSize, steps: (v) => [v[2]!, 0, 0, 0, 4] },
    attentionForward: {
      ...{ count: 7, grain, work: () => heads * attention },
      steps: (v) => [query, query, heads * v[8]!, 0, 0, 4, 4],
    },
    attentionBackward: {
      ...{ count: 12, grain: 1, work: (v) => 2 * shared * v[7]! * attention },
      steps: (v) => [head, head, shared * v[8]!, head / shared, 0, 0, 0, 0, 0, head, head / shared, v[8]!],
    },
  };
}

function instantiate(
  module: WasmModule,
  { memory, threads }: KernelHome,
  sliced: Slicings,
): Record<string, unknown> {
  module.importMemory("host", "memory", 1, threads && mostSharedPages);
  // A few kilobytes: compiling at once takes about a millisecond.
  const compiled = new WebAssembly.Module(module.encode());
  const { exports } = new WebAssembly.Instance(compiled, { host: { memory } });
  return threads?.share(compiled, exports, sliced) ?? exports;
}

function linearKernels(exports: Record<string, unknown>, name: string): LinearKernels {
  return {
    forward: exports[`${name}.forward`] as Forward,
    input: exports[`${name}.input`] as BackwardInput,
    weight: exports[`${name}.weight`] as BackwardWeight,
  };
}

/** Floats from one row of a projection's results to the next: keys and values lie side by side, and so do gate and up. */
function projectionStride(dimensions: TransformerDimensions, projection: Projection): number {
  const { outputs } = projectionSize(dimensions, projection);
  return ["k", "v", "gate", "up"].includes(projection) ? 2 * outputs : outputs;
}

/** Width, head size, feed-forward width and an adapter's rank must be multiples of 4. */
export function transformerKernels(dimensions: TransformerDimensions, home: KernelHome): TransformerKernels {
  const { width, heads, keyValueHeads, headSize, feedForward, normEpsilon } = dimensions;
  const module = new WasmModule();
  const sliced = sliceRows(dimensions);
  defineLinear(module, sliced, "q", { inputs: width, outputs: heads * headSize });
  defineLinear(module, sliced, "kv", {
    inputs: width,
    outputs: 2 * keyValueHeads * headSize,
    accumulateInput: true,
  });
  defineLinear(module, sliced, "o", { inputs: heads * headSize, outputs: width, accumulateForward: true });
  defineLinear(module, sliced, "up", { inputs: width, outputs: 2 * feedForward });
  defineLinear(module, sliced, "down", { inputs: feedForward, outputs: width, accumulateForward: true });
  const rank = dimensions.adapter?.rank ?? 0;
  const adapted = dimensions.adapter?.projections ?? [];
  for (const name of adapted) {
    const { inputs, outputs } = projectionSize(dimensions, name);
    const stride = projectionStride(dimensions, name);
    defineLinear(module, sliced, `${name}.a`, { inputs, outputs: rank, accumulateInput: true });
    defineLinear(module, sliced, `${name}.b`, { inputs: rank, outputs, stride, accumulateForward: true });
  }
  defineNorm(module, "norm", width, normEpsilon);
  defineNorm(module, "headNorm", headSize, normEpsilon);
  defineBias(module);
  defineSwiGlu(module, feedForward);
  defineSoftmax(module);
  defineGumbel(module);
  defineRope(module, headSize);
  defineAttention(module, dimensions);
  const exports = instantiate(module, home, sliced);
  return {
    ...(exports as unknown as TransformerKernels),
    q: linearKernels(exports, "q"),
    kv: linearKernels(exports, "kv"),
    o: linearKernels(exports, "o"),
    up: linearKernels(exports, "up"),
    down: linearKernels(exports, "down"),
    adapters: Object.fromEntries(
      adapted.map((name) => [
        name,
        { a: linearKernels(exports, `${name}.a`), b: linearKernels(exports, `${name}.b`) },
      ]),
    ),
  };
}

/** The output head over `columns` ids, a multiple of 8; `input` adds to dx. */
export function headKernels(width: number, columns: number, home: KernelHome): LinearKernels {
  const module = new WasmModule();
  const sliced: Slicings = {};
  defineLinear(module, sliced, "head", { inputs: width, outputs: columns, accumulateInput: true });
  return linearKernels(instantiate(module, home, sliced), "head");
}

/** Elements of `packWeight`'s result. */
export function packedLength(inputs: number, outputs: number): number {
  return Math.ceil(outputs / 8) * 8 * inputs;
}

/**
 * Lays W [outputs x inputs] out for `forward`: panels of eight outputs, within a panel input by input. Outputs that
 * a last panel lacks are left as they are.
 */
export function packWeight(
  floats: Float32Array,
  weight: number,
  packed: number,
  inputs: number,
  outputs: number,
): void {
  for (let o = 0; o < outputs; o++) {
    const from = weight + o * inputs;
    const to = packed + (o >> 3) * 8 * inputs + (o & 7);
    for (let i = 0; i < inputs; i++) floats[to + 8 * i] = floats[from + i]!;
  }
}

import { exp, log } from "../kernels/math.ts";
import { tokenTerm, type TokenObjective } from "../kernels/token-objective.ts";
import {
  linearGradient,
  type CpuTransformer,
  type LayerBuffers,
  type PackedHead,
  type TokenSet,
} from "./cpu-transformer.ts";
import type { TokenRows } from "./language-engine.ts";
import { tokenTree, type TokenTree } from "./token-tree.ts";

/** Bytes of activations a micro-batch may need. */
const activationBytes = 96 << 20;

/** Sums over the tokens with weight; the caller divides by `weight`. */
export interface TokenSums {
  readonly loss: number;
  readonly weight: number;
  readonly entropy: number;
  readonly kl: number;
  readonly clipped: number;
  readonly tokens: number;
}

/** One token whose probability is asked for. */
interface Prediction {
  /** Element of the rows' per-token arrays. */
  readonly at: number;
  /** Column of its id in the logits, -1 where it is not allowed. */
  readonly column: number;
  /** Row of the logits. */
  readonly row: number;
}

interface Forward {
  readonly tree: TokenTree;
  readonly all: TokenSet;
  readonly out: TokenSet;
  /** Nodes that reach the head; null: the same as all. */
  readonly narrowed: Int32Array | null;
  readonly layers: readonly LayerBuffers[];
  readonly finalNormed: number;
  readonly finalInverse: number;
  readonly logits: number;
  readonly exponentials: number;
  readonly statistics: number;
  readonly predictions: readonly Prediction[];
}

/** Runs `each` over the log-probabilities and entropies of all tokens that `wanted` selects. */
export function scoreRows(
  model: CpuTransformer,
  rows: TokenRows,
  each: (at: number, logProbability: number, entropy: number) => void,
): void {
  forEachBatch(
    model,
    rows,
    () => true,
    (head, forward) => {
      const distributions = readDistributions(model, forward);
      for (const { at, column, row } of forward.predictions) {
        each(
          at,
          logProbabilityOf(model, forward, head, distributions, row, column),
          distributions.entropies[row]!,
        );
      }
    },
  );
}

/** Loss of all tokens with weight, and its gradient in the model's gradient arena, which is cleared first. */
export function trainRows(model: CpuTransformer, rows: TokenRows, objective: TokenObjective): TokenSums {
  const { memory } = model;
  memory.floats.fill(0, model.gradient >> 2, (model.gradient >> 2) + model.layout.length);
  const sums = { loss: 0, weight: 0, entropy: 0, kl: 0, clipped: 0, tokens: 0 };
  const bonus = objective.kind === "policy" ? objective.entropyCoefficient : 0;
  forEachBatch(
    model,
    rows,
    (at) => rows.weights[at]! > 0,
    (head, forward) => {
      const { entropies, logSums } = readDistributions(model, forward);
      const count = forward.out.count;
      const coefficients = memory.reserve(4 * count);
      const slopes = new Float32Array(forward.predictions.length);
      const c = memory.floats.subarray(coefficients >> 2, (coefficients >> 2) + 4 * count).fill(0);
      const statistics = memory.floats.subarray(forward.statistics >> 2);
      for (let row = 0; row < count; row++) {
        c[4 * row + 2] = entropies[row]! - logSums[row]!;
        c[4 * row + 3] = 1 / statistics[3 * row + 1]!;
      }
      forward.predictions.forEach(({ at, column, row }, i) => {
        const logProbability = logProbabilityOf(model, forward, head, { entropies, logSums }, row, column);
        const weight = rows.weights[at]!;
        const term = tokenTerm(
          objective,
          logProbability,
          rows.oldLogProbabilities[at]!,
          rows.advantages[at]!,
          rows.importance[at]!,
          exp,
        );
        sums.loss += weight * (term.loss - bonus * entropies[row]!);
        sums.weight += weight;
        sums.entropy += weight * entropies[row]!;
        sums.kl += weight * term.kl;
        sums.clipped += term.clipped ? weight : 0;
        sums.tokens++;
        slopes[i] = weight * term.slope;
        c[4 * row]! -= slopes[i]!;
        c[4 * row + 1]! += weight * bonus;
      });
      model.kernels.softmaxBackward(forward.logits, forward.exponentials, coefficients, count, head.columns);
      const logits = memory.floats.subarray(forward.logits >> 2);
      forward.predictions.forEach(({ column, row }, i) => {
        logits[row * head.columns + column]! += slopes[i]!;
      });
      backward(model, head, forward);
    },
  );
  return sums;
}

function forEachBatch(
  model: CpuTransformer,
  rows: TokenRows,
  wanted: (at: number) => boolean,
  run: (head: PackedHead, forward: Forward) => void,
): void {
  const { memory, shape } = model;
  memory.release(model.workspace);
  const head = model.packHead(
    rows.allowed ?? Int32Array.from({ length: shape.vocabularySize }, (_, id) => id),
  );
  const columns = new Int32Array(shape.vocabularySize).fill(-1);
  head.ids.forEach((id, column) => {
    columns[id] = column;
  });
  // Tokens after the last one whose probability is asked for are never read.
  const used = Int32Array.from({ length: rows.rows }, (_, row) => {
    let last = rows.lengths[row]! - 1;
    while (last > 0 && !wanted(row * rows.length + last)) last--;
    return last;
  });
  const maxNodes = Math.max(64, Math.floor(activationBytes / bytesPerNode(model)));
  const start = memory.end;
  for (let first = 0; first < rows.rows;) {
    const tree = tokenTree(rows.tokens, rows.length, used, first, maxNodes, shape.vocabularySize);
    const predictions: { at: number; column: number; node: number }[] = [];
    for (let row = 0; row < tree.rows; row++) {
      for (let t = 1; t <= used[first + row]!; t++) {
        const at = (first + row) * rows.length + t;
        if (!wanted(at)) continue;
        predictions.push({
          at,
          column: columns[rows.tokens[at]!]!,
          node: tree.paths[row * rows.length + t - 1]!,
        });
      }
    }
    if (predictions.length > 0) run(head, forwardTree(model, head, tree, rows.length, predictions));
    memory.release(start);
    first += tree.rows;
  }
}

function bytesPerNode(model: CpuTransformer): number {
  const { width, feedForward, layers, heads } = model.shape;
  const layer =
    5 * width + 2 * model.queryWidth + model.keyValueWidth + 3 * feedForward + (heads * model.pitch) / 4;
  return 4 * (layers + 1) * layer;
}

function padded(count: number): number {
  return Math.ceil(count / 4) * 4;
}

function forwardTree(
  model: CpuTransformer,
  head: PackedHead,
  tree: TokenTree,
  length: number,
  wanted: readonly { at: number; column: number; node: number }[],
): Forward {
  const { memory, shape } = model;
  const nodes = padded(tree.tokens.length);
  const all = placeTree(model, tree, length, nodes);

  const rowOf = new Int32Array(tree.tokens.length).fill(-1);
  const reached: number[] = [];
  const predictions = wanted.map(({ at, column, node }) => {
    if (rowOf[node] === -1) rowOf[node] = reached.push(node) - 1;
    return { at, column, row: rowOf[node]! };
  });
  const narrowed = padded(reached.length) < nodes ? Int32Array.from(reached) : null;
  if (narrowed === null) predictions.forEach((p, i) => (predictions[i] = { ...p, row: wanted[i]!.node }));
  const out = narrowed === null ? all : narrowSet(model, all, narrowed);

  const layers: LayerBuffers[] = [];
  for (let l = 0, input = memory.reserve(nodes * shape.width); l < shape.layers; l++) {
    const last = l === shape.layers - 1;
    const buffers = reserveLayer(model, input, nodes, last ? out.count : nodes, last && narrowed !== null);
    layers.push(buffers);
    input = buffers.output;
  }
  const finalNormed = memory.reserve(out.count * shape.width);
  const finalInverse = memory.reserve(out.count);
  const logits = memory.reserve(out.count * head.columns);
  const exponentials = memory.reserve(out.count * head.columns);
  const statistics = memory.reserve(out.count * 3);

  const tokens = Array.from({ length: nodes }, (_, node) => tree.tokens[node] ?? 0);
  model.embed(tokens, layers[0]!.input);
  layers.forEach((buffers, l) => {
    const last = l === shape.layers - 1;
    model.keyValues(l, buffers, all);
    if (last && narrowed !== null) {
      model.gather(buffers.input, buffers.inputOut, narrowed, out.count);
      model.gather(buffers.normed, buffers.normedOut, narrowed, out.count);
    }
    model.attendAndFeed(l, buffers, last ? out : all, buffers.keyValues, 4 * model.keyValueWidth);
  });
  model.finalNorm(layers.at(-1)!.output, finalNormed, finalInverse, out.count);
  head.kernels.forward(finalNormed, head.packed, logits, out.count);
  model.kernels.softmaxForward(logits, exponentials, statistics, out.count, head.ids.length, head.columns);
  return {
    ...{ tree, all, out, narrowed, layers, finalNormed, finalInverse, logits, exponentials, statistics },
    predictions,
  };
}

/** Positions, paths and lengths of all nodes; what pads them to `nodes` has itself as its past. */
function placeTree(model: CpuTransformer, tree: TokenTree, length: number, nodes: number): TokenSet {
  const { memory } = model;
  const table = memory.reserve(tree.paths.length + nodes);
  const positions = memory.reserve(nodes);
  const paths = memory.reserve(nodes);
  const lengths = memory.reserve(nodes);
  const { integers } = memory;
  integers.set(tree.paths, table >> 2);
  const spare = table + 4 * tree.paths.length;
  for (let node = 0; node < nodes; node++) {
    const real = node < tree.tokens.length;
    const position = real ? tree.positions[node]! : 0;
    integers[(spare >> 2) + node] = node;
    integers[(positions >> 2) + node] = position;
    integers[(paths >> 2) + node] = real ? table + 4 * length * tree.owners[node]! : spare + 4 * node;
    integers[(lengths >> 2) + node] = position + 1;
  }
  return { count: nodes, positions, paths, lengths };
}

/** The set of the rows `index`, padded by rows like the first. */
function narrowSet(model: CpuTransformer, all: TokenSet, index: Int32Array): TokenSet {
  const { memory } = model;
  const count = padded(index.length);
  const [positions, paths, lengths] = [memory.reserve(count), memory.reserve(count), memory.reserve(count)];
  const { integers } = memory;
  for (let row = 0; row < count; row++) {
    const from = index[row] ?? index[0]!;
    integers[(positions >> 2) + row] = integers[(all.positions >> 2) + from]!;
    integers[(paths >> 2) + row] = integers[(all.paths >> 2) + from]!;
    integers[(lengths >> 2) + row] = integers[(all.lengths >> 2) + from]!;
  }
  return { count, positions, paths, lengths };
}

/** Buffers of a layer whose `input` is there already; `rows` of `nodes` go on. */
export function reserveLayer(
  model: CpuTransformer,
  input: number,
  nodes: number,
  rows: number,
  narrows: boolean,
): LayerBuffers {
  const { memory, shape } = model;
  const { width, feedForward, heads } = shape;
  const normed = memory.reserve(nodes * width);
  return {
    input,
    normed,
    inverse: memory.reserve(nodes),
    keyValues: memory.reserve(nodes * model.keyValueWidth),
    inputOut: narrows ? memory.reserve(rows * width) : input,
    normedOut: narrows ? memory.reserve(rows * width) : normed,
    q: memory.reserve(rows * model.queryWidth),
    probabilities: memory.reserve((rows * heads * model.pitch) / 4),
    attended: memory.reserve(rows * model.queryWidth),
    middle: memory.reserve(rows * width),
    middleNormed: memory.reserve(rows * width),
    middleInverse: memory.reserve(rows),
    hidden: memory.reserve(rows * 2 * feedForward),
    activated: memory.reserve(rows * feedForward),
    output: memory.reserve(rows * width),
  };
}

interface Distributions {
  /** Per row of the logits. */
  readonly entropies: Float32Array;
  readonly logSums: Float32Array;
}

function readDistributions(model: CpuTransformer, forward: Forward): Distributions {
  const statistics = model.memory.floats.subarray(forward.statistics >> 2);
  const entropies = new Float32Array(forward.out.count);
  const logSums = new Float32Array(forward.out.count);
  for (let row = 0; row < forward.out.count; row++) {
    const sum = statistics[3 * row + 1]!;
    logSums[row] = log(sum);
    entropies[row] = logSums[row]! - statistics[3 * row + 2]! / sum;
  }
  return { entropies, logSums };
}

/** In f32; -Infinity for an id that is not allowed. */
function logProbabilityOf(
  model: CpuTransformer,
  forward: Forward,
  head: PackedHead,
  { logSums }: Distributions,
  row: number,
  column: number,
): number {
  if (column < 0) return -Infinity;
  const shifted = model.memory.floats[(forward.logits >> 2) + row * head.columns + column]!;
  return Math.fround(shifted - logSums[row]!);
}

/** From d loss / d logits, in place of the logits, to the gradient arena. */
function backward(model: CpuTransformer, head: PackedHead, forward: Forward): void {
  const { memory, shape, places } = model;
  const { width, feedForward } = shape;
  const { all, out, narrowed, layers } = forward;
  const dHead = memory.reserve(head.columns * width);
  const dFinal = memory.reserve(out.count * width);
  const dOut = memory.reserve(out.count * width);
  const dAll = narrowed === null ? dOut : memory.reserve(all.count * width);
  const scratch = {
    activated: memory.reserve(all.count * feedForward),
    hidden: memory.reserve(all.count * 2 * feedForward),
    normed: memory.reserve(all.count * width),
    attended: memory.reserve(all.count * model.queryWidth),
    q: memory.reserve(all.count * model.queryWidth),
    keyValues: memory.reserve(all.count * model.keyValueWidth),
    normedOut: memory.reserve(all.count * width),
    scores: memory.reserve(model.pitch / 4),
  };
  const { floats } = memory;
  head.kernels.input(forward.logits, head.rows, dFinal, out.count);
  floats.fill(0, dHead >> 2, (dHead >> 2) + head.columns * width);
  linearGradient(head.kernels, forward.logits, head.columns, forward.finalNormed, width, dHead, out.count);
  const gradient = model.gradient >> 2;
  head.ids.forEach((id, i) => {
    addRow(floats, (dHead >> 2) + i * width, gradient + places.head + id * width, width);
  });
  floats.fill(0, dOut >> 2, (dOut >> 2) + out.count * width);
  model.finalNormBackward(dFinal, layers.at(-1)!.output, forward.finalInverse, dOut, out.count);
  for (let l = layers.length - 1; l >= 0; l--) {
    const narrows = l === layers.length - 1 && narrowed !== null;
    if (narrows) model.backward(l, layers[l]!, scratch, all, out, dOut, dAll, narrowed);
    else model.backward(l, layers[l]!, scratch, all, all, dAll, dAll, null);
  }
  forward.tree.tokens.forEach((id, node) => {
    addRow(floats, (dAll >> 2) + node * width, gradient + places.emb + id * width, width);
  });
}

function addRow(floats: Float32Array, from: number, to: number, width: number): void {
  for (let i = 0; i < width; i++) floats[to + i]! += floats[from + i]!;
}

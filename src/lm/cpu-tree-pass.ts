import { addRow, type CpuHead, type HeadSlopes } from "./cpu-head.ts";
import type { CpuTransformer } from "./cpu-transformer.ts";
import { reserveBackward, reserveLayer, type LayerBuffers, type TokenSet } from "./cpu-activations.ts";
import type { TokenTree } from "./token-tree.ts";

/** One token whose probability is asked for. */
export interface Prediction {
  /** Element of the rows' per-token arrays. */
  readonly at: number;
  /** Column of its id in the logits, -1 where it is not allowed. */
  readonly column: number;
  /** Row of the logits. */
  readonly row: number;
}

/** A tree of tokens after its forward pass: what the loss reads and the backward pass needs. */
export interface TreePass {
  readonly tree: TokenTree;
  readonly all: TokenSet;
  readonly out: TokenSet;
  /** Nodes that reach the head; null: the same as all. */
  readonly narrowed: Int32Array | null;
  readonly layers: readonly LayerBuffers[];
  readonly finalNormed: number;
  readonly finalInverse: number;
  readonly predictions: readonly Prediction[];
}

/** Bytes of activations and gradients that one node needs; layers share them where they are computed again. */
export function bytesPerNode(
  model: Pick<
    CpuTransformer,
    "shape" | "queryWidth" | "keyValueWidth" | "pitch" | "headIds" | "checkpointing"
  >,
): number {
  const { width, feedForward, layers, heads, queryKeyNorm = false, adapter, vocabularySize } = model.shape;
  const raw = queryKeyNorm ? model.queryWidth + model.keyValueWidth : 0;
  const layer =
    5 * width +
    2 * model.queryWidth +
    model.keyValueWidth +
    3 * feedForward +
    (heads * model.pitch) / 4 +
    raw +
    2 * (adapter?.rank ?? 0);
  const head = 2 * Math.min(vocabularySize, model.headIds);
  return 4 * (head + (model.checkpointing ? 3 * layer + layers * width : (layers + 1) * layer));
}

function padded(count: number): number {
  return Math.ceil(count / 4) * 4;
}

/** Forward pass of all nodes; `wanted` names the node after which each asked-for token stands. */
export function forwardTree(
  model: CpuTransformer,
  tree: TokenTree,
  length: number,
  wanted: readonly { at: number; column: number; node: number }[],
): TreePass {
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
    const first = layers[0];
    // With checkpointing a layer keeps its input alone; the last one is not computed again.
    const buffers =
      model.checkpointing && first && !last
        ? { ...first, input, inputOut: input, output: memory.reserve(nodes * shape.width) }
        : reserveLayer(model, input, nodes, last ? out.count : nodes, last && narrowed !== null);
    layers.push(buffers);
    input = buffers.output;
  }
  const finalNormed = memory.reserve(out.count * shape.width);
  const finalInverse = memory.reserve(out.count);

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
  return { tree, all, out, narrowed, layers, finalNormed, finalInverse, predictions };
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

/** To the gradient arena. */
export function backwardTree(
  model: CpuTransformer,
  head: CpuHead,
  forward: TreePass,
  slopes: HeadSlopes,
): void {
  const { memory, shape, places } = model;
  const { width, vocabularySize } = shape;
  const { all, out, narrowed, layers } = forward;
  const dFinal = memory.reserve(out.count * width);
  const dOut = memory.reserve(out.count * width);
  const dAll = narrowed === null ? dOut : memory.reserve(all.count * width);
  const scratch = reserveBackward(model, all.count);
  head.backward(slopes, dFinal);
  const { floats } = memory;
  floats.fill(0, dOut >> 2, (dOut >> 2) + out.count * width);
  model.finalNormBackward(dFinal, layers.at(-1)!.output, forward.finalInverse, dOut, out.count);
  for (let l = layers.length - 1; l >= 0; l--) {
    const narrows = l === layers.length - 1 && narrowed !== null;
    if (model.checkpointing && l < layers.length - 2) {
      model.keyValues(l, layers[l]!, all);
      model.attendAndFeed(l, layers[l]!, all, layers[l]!.keyValues, 4 * model.keyValueWidth);
    }
    if (narrows) model.backward(l, layers[l]!, scratch, all, out, dOut, dAll, narrowed);
    else model.backward(l, layers[l]!, scratch, all, all, dAll, dAll, null);
  }
  forward.tree.tokens.forEach((id, node) => {
    const prompt = id >= vocabularySize;
    const table = prompt ? places.prompt! : places.emb;
    if (!model.learns(table)) return;
    const row = (model.gradientOf(table) >> 2) + (prompt ? id - vocabularySize : id) * width;
    addRow(floats, (dAll >> 2) + node * width, row, width);
  });
}

import { exp } from "../kernels/math.ts";
import { inputIds } from "../kernels/transformer-places.ts";
import { smoothingSlope, tokenTerm, type TokenObjective } from "../kernels/token-objective.ts";
import { CpuHead } from "./cpu-head.ts";
import type { CpuTransformer } from "./cpu-transformer.ts";
import { backwardTree, bytesPerNode, forwardTree, type TreePass } from "./cpu-tree-pass.ts";
import type { TokenRows } from "./language-engine.ts";
import { tokenTree } from "./token-tree.ts";

/** Bytes of activations a micro-batch may need. */
export const defaultActivationBytes = 96 << 20;

/** Sums over the tokens with weight; the caller divides by `weight`. */
export interface TokenSums {
  readonly loss: number;
  readonly weight: number;
  readonly entropy: number;
  readonly kl: number;
  readonly clipped: number;
  readonly tokens: number;
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
    defaultActivationBytes,
    false,
    (head, forward) => {
      forward.predictions.forEach(({ at, row }, i) => {
        each(at, head.logProbabilities[i]!, head.entropies[row]!);
      });
    },
  );
}

/**
 * Loss of all tokens with weight, and its gradient in the model's gradient arena, which is cleared first. Rows are taken
 * in as many micro-batches as `activationBytes` ask for, one row at least.
 */
export function trainRows(
  model: CpuTransformer,
  rows: TokenRows,
  objective: TokenObjective,
  activationBytes = defaultActivationBytes,
): TokenSums {
  const { memory } = model;
  memory.floats.fill(
    0,
    model.gradient >> 2,
    (model.gradient >> 2) + model.layout.length - model.layout.trainable,
  );
  const sums = { loss: 0, weight: 0, entropy: 0, kl: 0, clipped: 0, tokens: 0 };
  const bonus = objective.entropyCoefficient;
  forEachBatch(
    model,
    rows,
    (at) => rows.weights[at]! > 0,
    activationBytes,
    (objective.labelSmoothing ?? 0) > 0,
    (head, forward) => {
      const slopes = new Float32Array(forward.predictions.length);
      const entropySlopes = new Float32Array(forward.out.count);
      const smoothing = new Float32Array(forward.predictions.length);
      const { means } = head;
      forward.predictions.forEach(({ at, row }, i) => {
        const entropy = head.entropies[row]!;
        const weight = rows.weights[at]!;
        const term = tokenTerm(
          objective,
          head.logProbabilities[i]!,
          rows.oldLogProbabilities[at]!,
          rows.advantages[at]!,
          rows.importance[at]!,
          exp,
          rows.referenceLogProbabilities?.[at],
        );
        let { loss } = term;
        if (means) {
          const smoothed = smoothingSlope(objective, rows.advantages[at]!, rows.importance[at]!);
          smoothing[i] = weight * smoothed;
          loss += smoothed * (means[row]! - head.logProbabilities[i]!);
        }
        sums.loss += weight * (loss - bonus * entropy);
        sums.weight += weight;
        sums.entropy += weight * entropy;
        sums.kl += weight * term.kl;
        sums.clipped += term.clipped ? weight : 0;
        sums.tokens++;
        slopes[i] = weight * term.slope;
        entropySlopes[row]! -= weight * bonus;
      });
      backwardTree(model, head, forward, { slopes, entropySlopes, smoothing: means && smoothing });
    },
  );
  return sums;
}

function forEachBatch(
  model: CpuTransformer,
  rows: TokenRows,
  wanted: (at: number) => boolean,
  activationBytes: number,
  means: boolean,
  run: (head: CpuHead, forward: TreePass) => void,
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
  const maxNodes = Math.floor(activationBytes / bytesPerNode(model));
  const start = memory.end;
  for (let first = 0; first < rows.rows;) {
    const tree = tokenTree(rows.tokens, rows.length, used, first, maxNodes, inputIds(shape));
    const predictions: { at: number; column: number; node: number }[] = [];
    for (let row = 0; row < tree.rows; row++) {
      for (let t = 1; t <= used[first + row]!; t++) {
        const at = (first + row) * rows.length + t;
        if (!wanted(at)) continue;
        predictions.push({
          at,
          column: columns[rows.tokens[at]!] ?? -1,
          node: tree.paths[row * rows.length + t - 1]!,
        });
      }
    }
    if (predictions.length > 0) {
      const forward = forwardTree(model, tree, rows.length, predictions);
      run(new CpuHead(model, head, forward, means), forward);
    }
    memory.release(start);
    first += tree.rows;
  }
}

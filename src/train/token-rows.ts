import type { TrainingRow } from "../adapter/training-rows.ts";
import type { TokenRows } from "../lm/language-engine.ts";
import type { Aggregation } from "../rl/grpo.ts";
import { aggregationWeights, type TokenAggregation } from "../rl/token-losses.ts";

/** One row to train on, with the advantage of each of its response tokens (entries at observed tokens are ignored). */
export interface WeightedRow {
  readonly row: TrainingRow;
  readonly advantages: ArrayLike<number>;
}

/**
 * Packs rows for the engine: prompt and response side by side, padded right to the longest; the aggregation becomes
 * each token's weight. `allowed` are the ids that could be sampled. Rows must have log-probabilities.
 */
export function packTokenRows(
  rows: readonly WeightedRow[],
  aggregation: Aggregation,
  responseLength: number,
  allowed: Int32Array | null,
): TokenRows {
  const lengths = Int32Array.from(rows, ({ row }) => row.prompt.length + row.response.length);
  const length = Math.max(...lengths);
  const size = rows.length * length;
  const tokens = new Int32Array(size);
  const mask = new Float32Array(size);
  const advantages = new Float32Array(size);
  const oldLogProbabilities = new Float32Array(size);
  rows.forEach(({ row, advantages: ofRow }, i) => {
    tokens.set(row.prompt, i * length);
    const at = i * length + row.prompt.length;
    tokens.set(row.response, at);
    for (let t = 0; t < row.response.length; t++) {
      if (row.lossMask[t] === 0) continue;
      mask[at + t] = 1;
      advantages[at + t] = ofRow[t]!;
      oldLogProbabilities[at + t] = row.logProbabilities?.[t] ?? 0;
    }
  });
  return {
    rows: rows.length,
    length,
    tokens,
    lengths,
    weights: Float32Array.from(
      aggregationWeights(named(aggregation, rows, responseLength), mask, rows.length, length),
    ),
    advantages,
    oldLogProbabilities,
    importance: new Float32Array(size).fill(1),
    allowed,
  };
}

function named(
  aggregation: Aggregation,
  rows: readonly WeightedRow[],
  responseLength: number,
): TokenAggregation {
  switch (aggregation) {
    case "constant-length":
      return { name: aggregation, length: responseLength };
    case "per-rollout-mean":
      return { name: aggregation, rollouts: rows.map(({ row }) => row.rolloutId) };
    case "token-mean":
    case "sequence-mean-token-mean":
    case "sequence-mean-token-sum":
      return { name: aggregation };
  }
}

import type { TokenLossConfig, TokenRows } from "../lm/language-engine.ts";
import { tokenLosses } from "../rl/token-losses.ts";

export interface SequenceRatioRows {
  /** To be trained as "likelihood": each token's advantage is minus its slope. */
  readonly rows: TokenRows;
  /** Of the surrogate, without entropy bonus and KL term. */
  readonly loss: number;
  /** Weighted means over tokens: share of sequences at their clip, and k3 of KL(old || new) by tokens. */
  readonly clipFraction: number;
  readonly approximateKl: number;
}

/**
 * Rows whose surrogate has the ratio of the whole sequence, exp(mean log r), for each of its tokens (GSPO, 2507.18071,
 * stop-gradient form). `logProbabilities` are the present policy's, from `score`. A row is a sequence.
 */
export function sequenceRatioRows(
  rows: TokenRows,
  logProbabilities: ArrayLike<number>,
  { clipLow, clipHigh }: Pick<TokenLossConfig, "clipLow" | "clipHigh">,
): SequenceRatioRows {
  const mask = rows.weights.map((weight) => (weight > 0 ? 1 : 0));
  const { oldLogProbabilities: old, advantages, weights, importance } = rows;
  const { values, slopes } = tokenLosses(
    { name: "gspo", low: clipLow, high: clipHigh },
    { rows: rows.rows, length: rows.length, logProbabilities, oldLogProbabilities: old, mask, advantages },
  );
  let [total, loss, clipped, kl] = [0, 0, 0, 0];
  weights.forEach((weight, at) => {
    if (!(weight > 0)) return;
    const logRatio = logProbabilities[at]! - old[at]!;
    total += weight;
    loss += weight * importance[at]! * values[at]!;
    clipped += slopes[at] === 0 && advantages[at] !== 0 ? weight : 0;
    kl += weight * (Math.exp(logRatio) - 1 - logRatio);
  });
  return {
    rows: { ...rows, advantages: Float32Array.from(slopes, (slope) => -slope) },
    loss,
    clipFraction: clipped / total,
    approximateKl: kl / total,
  };
}

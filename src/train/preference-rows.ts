import type { TokenRows } from "../lm/language-engine.ts";
import { preferenceTerm, type PreferenceLoss } from "../rl/preference-losses.ts";

export interface PreferenceRows {
  /** To be trained as "likelihood". */
  readonly rows: TokenRows;
  /** Means over the pairs. */
  readonly loss: number;
  readonly chosenReward: number;
  readonly rejectedReward: number;
  /** Share of pairs whose chosen answer has the higher implicit reward. */
  readonly accuracy: number;
  /** Of each pair. */
  readonly losses: readonly number[];
}

/**
 * Rows 2 i (chosen) and 2 i + 1 (rejected) of pair i, with what each token's log-probability is worth: the loss of a pair
 * depends on the sums over its answers, so every token of an answer gets the same advantage. Weights mark the answers'
 * tokens. `logProbabilities` are the present policy's and `reference` the reference's, both from `score`.
 */
export function preferenceRows(
  kind: PreferenceLoss,
  rows: TokenRows,
  logProbabilities: ArrayLike<number>,
  reference: ArrayLike<number>,
): PreferenceRows {
  const pairs = rows.rows / 2;
  const sum = (values: ArrayLike<number>, row: number): number => {
    let total = 0;
    for (let at = row * rows.length; at < (row + 1) * rows.length; at++) {
      if (rows.weights[at]! > 0) total += values[at]!;
    }
    return total;
  };
  const terms = Array.from({ length: pairs }, (_, pair) =>
    preferenceTerm(kind, {
      chosen: sum(logProbabilities, 2 * pair),
      rejected: sum(logProbabilities, 2 * pair + 1),
      referenceChosen: sum(reference, 2 * pair),
      referenceRejected: sum(reference, 2 * pair + 1),
    }),
  );
  const mean = (of: (term: (typeof terms)[number]) => number): number =>
    terms.reduce((total, term) => total + of(term), 0) / pairs;
  return {
    rows: {
      ...rows,
      weights: rows.weights.map((weight) => (weight > 0 ? 1 / pairs : 0)),
      advantages: rows.advantages.map((_, at) => {
        const row = Math.floor(at / rows.length);
        const { slope } = terms[Math.floor(row / 2)]!;
        return row % 2 === 0 ? -slope : slope;
      }),
    },
    loss: mean(({ loss }) => loss),
    chosenReward: mean(({ chosenReward }) => chosenReward),
    rejectedReward: mean(({ rejectedReward }) => rejectedReward),
    accuracy: mean(({ chosenReward, rejectedReward }) => Number(chosenReward > rejectedReward)),
    losses: terms.map(({ loss }) => loss),
  };
}

/** Losses of pairs of answers, one better than the other, by their sequences' log-probabilities. */
export type PreferenceLoss =
  /**
   * -(1 - s) log sigmoid(beta h) - s log sigmoid(-beta h), h = (log pi_c - log ref_c) - (log pi_r - log ref_r), s the
   * share of labels that are taken to be wrong (DPO, Rafailov et al. 2023, arXiv 2305.18290; s > 0: conservative DPO).
   */
  | { readonly name: "dpo"; readonly beta: number; readonly labelSmoothing?: number }
  /** (h - 1 / (2 beta))^2 (IPO, Azar et al. 2023, arXiv 2310.12036). */
  | { readonly name: "ipo"; readonly beta: number };

/** Sequence log-probabilities of a pair: sums over the answers' tokens. */
export interface PreferencePair {
  readonly chosen: number;
  readonly rejected: number;
  readonly referenceChosen: number;
  readonly referenceRejected: number;
}

export interface PreferenceTerm {
  readonly loss: number;
  /** d loss / d log pi(chosen), and by the rejected one its negative. */
  readonly slope: number;
  /** beta (log pi - log reference): what the policy's implicit reward says. */
  readonly chosenReward: number;
  readonly rejectedReward: number;
}

/** One pair's term; the loss of a batch is the mean over its pairs. */
export function preferenceTerm(kind: PreferenceLoss, pair: PreferencePair): PreferenceTerm {
  const chosen = pair.chosen - pair.referenceChosen;
  const rejected = pair.rejected - pair.referenceRejected;
  const h = chosen - rejected;
  const { beta } = kind;
  const rewards = { chosenReward: beta * chosen, rejectedReward: beta * rejected };
  if (kind.name === "ipo") {
    const error = h - 1 / (2 * beta);
    return { ...rewards, loss: error * error, slope: 2 * error };
  }
  const smoothing = kind.labelSmoothing ?? 0;
  const loss = (1 - smoothing) * softplus(-beta * h) + smoothing * softplus(beta * h);
  return { ...rewards, loss, slope: beta * (sigmoid(beta * h) - (1 - smoothing)) };
}

/** log(1 + exp x) = -log sigmoid(-x), without overflow. */
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

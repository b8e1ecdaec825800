/** Columns of a row, in order: what a loss may read of one transition. */
export const lossColumns = [
  /** log pi(a | s) under the policy being trained. */
  "logProbability",
  /** The same under the policy that acted. */
  "oldLogProbability",
  /** As the algorithm estimates it, normalised where it is told to. */
  "advantage",
  /** V(s) of the critic being trained. */
  "value",
  /** V(s) when the transition was collected. */
  "oldValue",
  /** Target of the value: advantage (before normalisation) + old value. */
  "return",
  /** Entropy of the policy being trained in this state. */
  "entropy",
  /** 1 for a row that counts, 0 for padding. */
  "mask",
] as const;

/** The columns that depend on the parameters; the loss is differentiated by them. */
export const trainedColumns = ["logProbability", "value", "entropy"] as const;

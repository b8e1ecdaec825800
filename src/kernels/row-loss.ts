/** One transition as a policy-gradient loss sees it. */
export interface LossRow {
  /** log pi(a|s) now, and when the action was taken. */
  readonly logProbability: number;
  readonly oldLogProbability: number;
  /** A, normalised where the run does that. */
  readonly advantage: number;
  /** H of pi(.|s), nats. */
  readonly entropy: number;
  /** V(s) now, and when the action was taken. */
  readonly value: number;
  readonly oldValue: number;
  /** R, what the value is to become. */
  readonly return: number;
  /** The same two of a cost; 0 where there is none. */
  readonly costValue: number;
  readonly costReturn: number;
}

/** A configuration's numbers as they are in one update. */
export interface LossSettings {
  /** epsilon of the probability ratio, below 1 and (default the same) above. */
  readonly clip: number;
  readonly clipHigh?: number | null;
  /** Bounds the loss of A < 0 by -c A; null or left out: does not. */
  readonly dualClip?: number | null;
  /** epsilon of the value's change; null: the plain squared error. */
  readonly valueClip: number | null;
  readonly entropyCoefficient: number;
  readonly valueCoefficient: number;
}

/** A row's loss and its derivatives. An update's loss is the mean over the rows that count. */
export interface RowLoss {
  readonly loss: number;
  /** Parts of it that are reported. */
  readonly policyLoss: number;
  readonly valueLoss: number;
  readonly byLogProbability: number;
  readonly byEntropy: number;
  readonly byValue: number;
  readonly byCostValue: number;
}

/** An algorithm's loss of one row. */
export type RowLossFunction = (row: LossRow, settings: LossSettings) => RowLoss;

/** A part of a row's loss, and its derivative by the one number that it depends on. */
export interface LossTerm {
  readonly loss: number;
  readonly slope: number;
}

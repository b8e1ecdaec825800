/** What an agent may do in one step. */
export type ActionSpace =
  /** One of `count` actions; the action is its number. */
  | { readonly kind: "discrete"; readonly count: number }
  /**
   * Several choices at once, each of its own count (multi-discrete); the action is one number,
   * a0 + counts[0] x (a1 + counts[1] x (a2 + ...)).
   */
  | { readonly kind: "factored"; readonly counts: readonly number[] }
  /** A real number, or a list of `dimensions` (default 1) of them; engines keep each within [low, high] before the step. */
  | {
      readonly kind: "continuous";
      readonly low: number;
      readonly high: number;
      readonly dimensions?: number;
    };

/** What is done in one step: a number; in a continuous space of several dimensions a list of numbers. */
export type Action = number | ArrayLike<number>;

/**
 * How a person's function gets its action: a number, or in a space of several continuous dimensions a list of numbers.
 * It is typed as both, so that either reads without a word.
 */
export type GivenAction = number & readonly number[];

/** Most numbers of one continuous action. */
export const MAX_DIMENSIONS = 16;

/** Anything that says what may be done in it. */
export interface HasActions {
  /** Number of discrete actions: of a factored space the product of its counts, of a continuous one 0. */
  readonly actionCount: number;
  /** Default: discrete, `actionCount` actions. */
  readonly actions?: ActionSpace;
}

/** What an environment lets its agent do. */
export const actionSpace = ({ actions, actionCount }: HasActions): ActionSpace =>
  actions ?? { kind: "discrete", count: actionCount };

/** Numbers of one action: 1 unless the space has several continuous dimensions. */
export const actionSize = (of: HasActions): number => {
  const space = actionSpace(of);
  return space.kind === "continuous" ? (space.dimensions ?? 1) : 1;
};

/** The distribution that a policy's last layer describes. */
export type PolicyHead =
  /** One categorical choice for each factor, their logits one after the other; `outputs` is their sum. */
  | { readonly kind: "categorical"; readonly factors: readonly number[]; readonly outputs: number }
  /**
   * Independent normal distributions, one a dimension: the outputs are their means, the logarithms of their deviations
   * parameters of their own, whatever the state. Log-probability and entropy are sums over the dimensions.
   */
  | { readonly kind: "gaussian"; readonly outputs: number; readonly low: number; readonly high: number };

export function policyHead(of: HasActions): PolicyHead {
  const space = actionSpace(of);
  if (space.kind === "continuous") {
    return { kind: "gaussian", outputs: actionSize(of), low: space.low, high: space.high };
  }
  const factors = space.kind === "discrete" ? [space.count] : space.counts;
  return { kind: "categorical", factors, outputs: factors.reduce((sum, count) => sum + count, 0) };
}

/** The choices that a factored action consists of, written to `out`. */
export function splitAction(action: number, factors: readonly number[], out: Uint32Array): void {
  let rest = action;
  factors.forEach((count, f) => {
    out[f] = rest % count;
    rest = Math.floor(rest / count);
  });
}

/** First output of each factor. */
export const factorOffsets = (factors: readonly number[]): readonly number[] =>
  factors.map((_, f) => factors.slice(0, f).reduce((sum, count) => sum + count, 0));

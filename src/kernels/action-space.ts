/** What an agent may do in one step. */
export type ActionSpace =
  /** One of `count` actions; the action is its number. */
  | { readonly kind: "discrete"; readonly count: number }
  /**
   * Several choices at once, each of its own count (multi-discrete); the action is one number,
   * a0 + counts[0] x (a1 + counts[1] x (a2 + ...)).
   */
  | { readonly kind: "factored"; readonly counts: readonly number[] }
  /** A real number; engines keep it within [low, high] before the step. */
  | { readonly kind: "continuous"; readonly low: number; readonly high: number };

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

/** The distribution that a policy's last layer describes. */
export type PolicyHead =
  /** One categorical choice for each factor, their logits one after the other; `outputs` is their sum. */
  | { readonly kind: "categorical"; readonly factors: readonly number[]; readonly outputs: number }
  /** A normal distribution: the output is its mean, the logarithm of its deviation a parameter of its own. */
  | { readonly kind: "gaussian"; readonly outputs: 1; readonly low: number; readonly high: number };

export function policyHead(of: HasActions): PolicyHead {
  const space = actionSpace(of);
  if (space.kind === "continuous") return { kind: "gaussian", outputs: 1, low: space.low, high: space.high };
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

/** Categorical policy and PPO loss on blocks of `columns` samples, [rows x columns] feature-major. Addresses are bytes. */
import {
  absolute,
  add,
  and,
  assign,
  choose,
  clamp,
  constant,
  divide,
  equal,
  forRange,
  greater,
  greaterOrEqual,
  keep,
  less,
  load,
  loadSplat,
  maximum,
  multiply,
  negate,
  read,
  store,
  subtract,
  type Expression,
} from "./expression.ts";
import { exponential, logarithm } from "./elementary.ts";
import type { FunctionBody } from "./function-body.ts";

interface Policy {
  readonly probabilities: readonly Expression[];
  readonly logProbabilities: readonly Expression[];
}

/** Softmax and its logarithm of four samples, the largest logit subtracted first. */
function softmax(body: FunctionBody, logits: readonly Expression[]): Policy {
  const largest = keep(body, logits.reduce(maximum));
  const shifted = logits.map((logit) => keep(body, subtract(logit, largest)));
  const exponentials = shifted.map((x) => exponential(body, x));
  const sum = keep(body, exponentials.reduce(add));
  const logSum = logarithm(body, sum);
  return {
    probabilities: exponentials.map((e) => keep(body, divide(e, sum))),
    logProbabilities: shifted.map((x) => keep(body, subtract(x, logSum))),
  };
}

export interface PolicyHead {
  readonly actions: number;
  readonly columns: number;
  /** [actions x columns] each. */
  readonly logits: number;
  readonly probabilities: number;
  readonly logProbabilities: number;
}

/** Writes probabilities and log-probabilities of a block. */
export function policyHead(body: FunctionBody, head: PolicyHead): void {
  const rowBytes = head.columns * 4;
  forRange(body, 0, rowBytes, 16, (local) => {
    const at = read(local);
    const rows = Array.from({ length: head.actions }, (_, k) => k * rowBytes);
    const policy = softmax(
      body,
      rows.map((row) => keep(body, load(at, head.logits + row))),
    );
    rows.forEach((row, k) => {
      store(body, at, head.probabilities + row, policy.probabilities[k]!);
      store(body, at, head.logProbabilities + row, policy.logProbabilities[k]!);
    });
  });
}

/** Scalars of the loss, consecutive f32 at `PpoRows.scalars`. */
export const ppoScalars = ["clip", "valueClip", "entropyCoefficient", "valueCoefficient"] as const;

/** Sums over the minibatch that the loss adds to, four lanes each, at `PpoRows.metrics`. */
export const ppoMetrics = ["policyLoss", "valueLoss", "entropy", "approximateKl", "clipFraction"] as const;

export interface PpoRows {
  readonly actions: number;
  readonly columns: number;
  readonly clipsValue: boolean;
  readonly scalars: number;
  readonly metrics: number;
  /** [actions x columns]; the value [columns]. */
  readonly logits: number;
  readonly value: number;
  readonly logitsGradient: number;
  readonly valueGradient: number;
  /** [columns] each: the action's number as f32, and what the rollout left. */
  readonly action: number;
  readonly oldLogProbability: number;
  readonly advantage: number;
  readonly return: number;
  readonly oldValue: number;
  /** [columns]: 1 / minibatch size, or 0 where a block is not full. */
  readonly weight: number;
}

/**
 * PPO's loss of one block: the gradients of logits and value, and the metrics added up. The formula is that of
 * `kernels/reference/ppo-loss.ts`.
 */
export function ppoRows(body: FunctionBody, rows: PpoRows): void {
  const rowBytes = rows.columns * 4;
  const nowhere: Expression = (b) => {
    b.i32(0);
  };
  const scalar = (name: (typeof ppoScalars)[number]): Expression =>
    keep(body, loadSplat(nowhere, rows.scalars + ppoScalars.indexOf(name) * 4));
  const clip = scalar("clip");
  const valueClip = scalar("valueClip");
  const entropyCoefficient = scalar("entropyCoefficient");
  const valueCoefficient = scalar("valueCoefficient");
  const low = keep(body, subtract(constant(1), clip));
  const high = keep(body, add(constant(1), clip));
  const totals = ppoMetrics.map((_, i) => {
    const total = body.local("v128");
    assign(body, total, load(nowhere, rows.metrics + i * 16));
    return total;
  });

  forRange(body, 0, rowBytes, 16, (local) => {
    const at = read(local);
    const column = (address: number): Expression => keep(body, load(at, address));
    const weight = column(rows.weight);
    const count = (metric: (typeof ppoMetrics)[number], value: Expression): void => {
      const total = totals[ppoMetrics.indexOf(metric)]!;
      assign(body, total, add(read(total), multiply(weight, value)));
    };
    const { probabilities, logProbabilities } = softmax(
      body,
      Array.from({ length: rows.actions }, (_, k) => column(rows.logits + k * rowBytes)),
    );
    const action = column(rows.action);
    const chosen = probabilities.map((_, k) => keep(body, equal(action, constant(k))));
    const entropy = keep(
      body,
      negate(probabilities.map((p, k) => multiply(p, logProbabilities[k]!)).reduce(add)),
    );
    const logProbability = keep(body, chosen.map((mask, k) => and(mask, logProbabilities[k]!)).reduce(add));

    const logRatio = keep(body, subtract(logProbability, column(rows.oldLogProbability)));
    const ratio = exponential(body, logRatio);
    const loss = keep(body, negate(column(rows.advantage)));
    const unclipped = keep(body, multiply(loss, ratio));
    const clipped = keep(body, multiply(loss, clamp(ratio, low, high)));
    count("policyLoss", maximum(unclipped, clipped));
    const towardsAction = keep(body, and(greaterOrEqual(unclipped, clipped), unclipped));
    count("entropy", entropy);
    count("approximateKl", subtract(subtract(ratio, constant(1)), logRatio));
    count("clipFraction", and(greater(absolute(subtract(ratio, constant(1))), clip), constant(1)));
    probabilities.forEach((p, k) => {
      const oneHot = and(chosen[k]!, constant(1));
      const towardsEntropy = multiply(p, add(logProbabilities[k]!, entropy));
      const gradient = add(
        multiply(towardsAction, subtract(oneHot, p)),
        multiply(entropyCoefficient, towardsEntropy),
      );
      store(body, at, rows.logitsGradient + k * rowBytes, multiply(weight, gradient));
    });

    const value = column(rows.value);
    const target = column(rows.return);
    const error = keep(body, subtract(value, target));
    let squared = keep(body, multiply(error, error));
    let gradient = error;
    if (rows.clipsValue) {
      const oldValue = column(rows.oldValue);
      const change = keep(body, subtract(value, oldValue));
      const moved = clamp(change, negate(valueClip), valueClip);
      const clippedError = keep(body, subtract(add(oldValue, moved), target));
      const clippedSquare = keep(body, multiply(clippedError, clippedError));
      const clips = keep(body, greater(clippedSquare, squared));
      const inside = less(absolute(change), valueClip);
      gradient = keep(body, choose(clips, and(inside, clippedError), error));
      squared = keep(body, choose(clips, clippedSquare, squared));
    }
    count("valueLoss", multiply(constant(0.5), squared));
    store(body, at, rows.valueGradient, multiply(weight, multiply(valueCoefficient, gradient)));
  });
  totals.forEach((total, i) => {
    store(body, nowhere, rows.metrics + i * 16, read(total));
  });
}

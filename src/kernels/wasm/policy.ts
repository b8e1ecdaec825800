/** Policy and its loss on blocks of `columns` samples, [rows x columns] feature-major. Addresses are bytes. */
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
  equalIntegers,
  forRange,
  greater,
  greaterOrEqual,
  integer,
  keep,
  laneSums,
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
import { factorOffsets } from "../action-space.ts";
import { exponential, logarithm } from "./elementary.ts";
import type { FunctionBody, Local } from "./function-body.ts";

interface Policy {
  readonly probabilities: readonly Expression[];
  readonly logProbabilities: readonly Expression[];
}

/** Logit of a forbidden action. */
const FORBIDDEN = -1e8;

/**
 * Softmax and its logarithm of four samples, the largest logit subtracted first. `allowed` are masks of lanes; a
 * forbidden action has probability 0.
 */
function softmax(
  body: FunctionBody,
  logits: readonly Expression[],
  allowed: readonly Expression[] | null,
): Policy {
  const open = allowed
    ? logits.map((logit, k) => keep(body, choose(allowed[k]!, logit, constant(FORBIDDEN))))
    : logits;
  const largest = keep(body, open.reduce(maximum));
  const shifted = open.map((logit) => keep(body, subtract(logit, largest)));
  const exponentials = shifted.map((x) => exponential(body, x));
  const sum = keep(body, exponentials.reduce(add));
  const logSum = logarithm(body, sum);
  return {
    probabilities: exponentials.map((e, k) => {
      const p = divide(e, sum);
      return keep(body, allowed ? and(allowed[k]!, p) : p);
    }),
    logProbabilities: shifted.map((x) => keep(body, subtract(x, logSum))),
  };
}

/** The lanes that allow output k, from four bit masks. */
const allows = (body: FunctionBody, mask: Expression, output: number): Expression =>
  keep(body, equalIntegers(and(mask, integer(1 << output)), integer(1 << output)));

/** What both kernels need to know of the distribution: outputs of each factor, none for normal distributions. */
export interface PolicyShape {
  /** Counts of the factors; their outputs lie one after the other. Empty: normal distributions. */
  readonly factors: readonly number[];
  readonly columns: number;
  /** [columns] u32, bit k allows output k; null allows everything. */
  readonly mask: number | null;
}

export interface PolicyHead extends PolicyShape {
  /** [outputs x columns] each. */
  readonly logits: number;
  readonly probabilities: number;
  readonly logProbabilities: number;
}

/** Writes probabilities and log-probabilities of a block, factor by factor. */
export function policyHead(body: FunctionBody, head: PolicyHead): void {
  const rowBytes = head.columns * 4;
  if (head.factors.length === 0) return;
  forRange(body, 0, rowBytes, 16, (local) => {
    const at = read(local);
    const mask = head.mask === null ? null : keep(body, load(at, head.mask));
    for (const outputs of outputsOf(head.factors)) {
      const logits = outputs.map((k) => keep(body, load(at, head.logits + k * rowBytes)));
      const policy = softmax(body, logits, mask && outputs.map((k) => allows(body, mask, k)));
      outputs.forEach((k, i) => {
        store(body, at, head.probabilities + k * rowBytes, policy.probabilities[i]!);
        store(body, at, head.logProbabilities + k * rowBytes, policy.logProbabilities[i]!);
      });
    }
  });
}

/** Numbers of the outputs of each factor. */
const outputsOf = (factors: readonly number[]): readonly (readonly number[])[] =>
  factorOffsets(factors).map((first, f) => Array.from({ length: factors[f]! }, (_, k) => first + k));

/** Scalars of the loss, consecutive f32 at `PpoRows.scalars`; a dual clip of 0 is none. */
export const ppoScalars = [
  "clip",
  "clipHigh",
  "dualClip",
  "valueClip",
  "entropyCoefficient",
  "valueCoefficient",
] as const;

const policyMetrics = ["policyLoss", "entropy", "approximateKl", "clipFraction"] as const;
const valueMetrics = ["valueLoss"] as const;
/** Sums over the minibatch that the loss adds to, four lanes each, at `PpoRows.metrics`: the actor's, then the critic's. */
export const ppoMetrics = [...policyMetrics, ...valueMetrics] as const;

/** Where a loss from outside leaves what it is for each of [columns] rows. */
export interface CustomLoss {
  /** Written by `policyTerms`. */
  readonly logProbability: number;
  readonly entropy: number;
  /** Read by `ppoRows`: the loss, and its derivatives. */
  readonly loss: number;
  readonly byLogProbability: number;
  readonly byValue: number;
  readonly byEntropy: number;
}

export interface PpoRows extends PolicyShape {
  /** A loss from outside stands for surrogate, entropy bonus and value loss. */
  readonly surrogate: "clip" | "score" | CustomLoss;
  readonly dualClip: boolean;
  readonly clipsValue: boolean;
  readonly scalars: number;
  readonly metrics: number;
  /** [outputs x columns]; the values [values x columns]. */
  readonly logits: number;
  readonly value: number;
  readonly logitsGradient: number;
  readonly valueGradient: number;
  /** Of normal distributions: how many; the logarithms of their deviations and their gradients, one f32 each. */
  readonly dimensions: number;
  readonly logStd: number;
  readonly logStdGradient: number;
  /** [factors x columns]: the choices' numbers as f32; of normal distributions [dimensions x columns], the action. */
  readonly action: number;
  /** [columns] each: what the rollout left. */
  readonly oldLogProbability: number;
  readonly advantage: number;
  readonly return: number;
  readonly oldValue: number;
  /** Targets of the second value [columns]; null where there is none. */
  readonly costReturn: number | null;
  /** [columns]: a sample's share of the mean, 0 where a block is not full. */
  readonly weight: number;
}

const nowhere: Expression = (body) => {
  body.i32(0);
};

/** Log-probability and entropy of four samples, and how to hand their gradients back. */
interface Distribution {
  readonly logProbability: Expression;
  readonly entropy: Expression;
  /** Stores the outputs' gradients, given d loss / d log-probability and -(d loss / d entropy). */
  readonly backward: (slope: Expression, bonus: Expression) => void;
}

/** The logarithm of one normal distribution's deviation, what follows from it, and the sum of its gradient. */
class LogStd {
  readonly value: Expression;
  readonly inverseStd: Expression;
  readonly gradient: Local;

  constructor(body: FunctionBody, rows: PpoRows, dimension: number) {
    this.value = keep(body, loadSplat(nowhere, rows.logStd + dimension * 4));
    this.inverseStd = exponential(body, negate(this.value));
    this.gradient = body.local("v128");
  }
}

/** One for each dimension; none where the policy makes choices. */
const logStdsOf = (body: FunctionBody, rows: PpoRows): readonly LogStd[] =>
  Array.from(
    { length: rows.factors.length === 0 ? rows.dimensions : 0 },
    (_, d) => new LogStd(body, rows, d),
  );

const columnAt =
  (body: FunctionBody, at: Expression) =>
  (address: number): Expression =>
    keep(body, load(at, address));

function normal(body: FunctionBody, rows: PpoRows, at: Expression, logStds: readonly LogStd[]): Distribution {
  const rowBytes = rows.columns * 4;
  const column = columnAt(body, at);
  const weight = column(rows.weight);
  const dimensions = logStds.map((logStd, d) => {
    const difference = subtract(column(rows.action + d * rowBytes), column(rows.logits + d * rowBytes));
    const deviation = keep(body, multiply(difference, logStd.inverseStd));
    return { logStd, deviation, squared: keep(body, multiply(deviation, deviation)) };
  });
  const sum = (terms: readonly Expression[]): Expression => keep(body, terms.reduce(add));
  return {
    logProbability: sum(
      dimensions.map(({ logStd, squared }) =>
        subtract(subtract(multiply(constant(-0.5), squared), logStd.value), constant(0.91893853)),
      ),
    ),
    entropy: sum(logStds.map(({ value }) => add(value, constant(1.4189385)))),
    backward: (slope, bonus) => {
      dimensions.forEach(({ logStd, deviation, squared }, d) => {
        const towards = multiply(slope, multiply(deviation, logStd.inverseStd));
        store(body, at, rows.logitsGradient + d * rowBytes, multiply(weight, towards));
        const change = subtract(multiply(slope, subtract(squared, constant(1))), bonus);
        assign(body, logStd.gradient, add(read(logStd.gradient), multiply(weight, change)));
      });
    },
  };
}

function choices(body: FunctionBody, rows: PpoRows, at: Expression): Distribution {
  const rowBytes = rows.columns * 4;
  const column = columnAt(body, at);
  const weight = column(rows.weight);
  const mask = rows.mask === null ? null : column(rows.mask);
  const factors = outputsOf(rows.factors).map((outputs, f) => {
    const allowed = mask && outputs.map((k) => allows(body, mask, k));
    const { probabilities, logProbabilities } = softmax(
      body,
      outputs.map((k) => column(rows.logits + k * rowBytes)),
      allowed,
    );
    const action = column(rows.action + f * rowBytes);
    const chosen = outputs.map((_, i) => keep(body, equal(action, constant(i))));
    const entropy = keep(
      body,
      negate(probabilities.map((p, i) => multiply(p, logProbabilities[i]!)).reduce(add)),
    );
    const logProbability = keep(body, chosen.map((is, i) => and(is, logProbabilities[i]!)).reduce(add));
    return { outputs, allowed, probabilities, logProbabilities, chosen, entropy, logProbability };
  });
  return {
    logProbability: keep(body, factors.map((factor) => factor.logProbability).reduce(add)),
    entropy: keep(body, factors.map((factor) => factor.entropy).reduce(add)),
    backward: (slope, bonus) => {
      for (const factor of factors) {
        factor.outputs.forEach((k, i) => {
          const p = factor.probabilities[i]!;
          const oneHot = and(factor.chosen[i]!, constant(1));
          const towardsEntropy = multiply(p, add(factor.logProbabilities[i]!, factor.entropy));
          const gradient = add(multiply(slope, subtract(oneHot, p)), multiply(bonus, towardsEntropy));
          const open = factor.allowed ? and(factor.allowed[i]!, gradient) : gradient;
          store(body, at, rows.logitsGradient + k * rowBytes, multiply(weight, open));
        });
      }
    },
  };
}

/** Log-probability and entropy of a block, for a loss from outside. */
export function policyTerms(body: FunctionBody, rows: PpoRows, custom: CustomLoss): void {
  const logStds = logStdsOf(body, rows);
  forRange(body, 0, rows.columns * 4, 16, (local) => {
    const at = read(local);
    const policy = logStds.length > 0 ? normal(body, rows, at, logStds) : choices(body, rows, at);
    store(body, at, custom.logProbability, policy.logProbability);
    store(body, at, custom.entropy, policy.entropy);
  });
}

/** Goes through a block's rows, and adds to the sums of `metrics`. */
function rowsOf<Metric extends (typeof ppoMetrics)[number]>(
  body: FunctionBody,
  rows: PpoRows,
  metrics: readonly Metric[],
  inside: (at: Expression, weight: Expression, count: (metric: Metric, value: Expression) => void) => void,
): void {
  const sums = metrics.map((metric) => {
    const address = rows.metrics + ppoMetrics.indexOf(metric) * 16;
    const total = body.local("v128");
    assign(body, total, load(nowhere, address));
    return { address, total };
  });
  forRange(body, 0, rows.columns * 4, 16, (local) => {
    const at = read(local);
    const weight = columnAt(body, at)(rows.weight);
    inside(at, weight, (metric, value) => {
      const { total } = sums[metrics.indexOf(metric)]!;
      assign(body, total, add(read(total), multiply(weight, value)));
    });
  });
  for (const { address, total } of sums) store(body, nowhere, address, read(total));
}

/**
 * The policy-gradient loss of one block: the gradients of outputs and values, and the metrics added up. The formulas are
 * those of the algorithms' own files, `rl/ppo.ts` and its siblings. What it writes for the actor and for the critic has
 * nothing in common.
 */
export function ppoRows(body: FunctionBody, rows: PpoRows, wanted: "both" | "actor" | "critic"): void {
  if (wanted !== "critic") policyRows(body, rows);
  if (wanted !== "actor") valueRows(body, rows);
}

const scalarOf =
  (body: FunctionBody, rows: PpoRows) =>
  (name: (typeof ppoScalars)[number]): Expression =>
    keep(body, loadSplat(nowhere, rows.scalars + ppoScalars.indexOf(name) * 4));

function policyRows(body: FunctionBody, rows: PpoRows): void {
  const scalar = scalarOf(body, rows);
  const clip = scalar("clip");
  const clipHigh = scalar("clipHigh");
  const entropyCoefficient = scalar("entropyCoefficient");
  const dualClip = scalar("dualClip");
  const low = keep(body, subtract(constant(1), clip));
  const high = keep(body, add(constant(1), clipHigh));
  const logStds = logStdsOf(body, rows);
  const { surrogate } = rows;
  const custom = typeof surrogate === "object" ? surrogate : null;

  rowsOf(body, rows, policyMetrics, (at, weight, count) => {
    const column = columnAt(body, at);
    const policy = logStds.length > 0 ? normal(body, rows, at, logStds) : choices(body, rows, at);
    const logRatio = keep(body, subtract(policy.logProbability, column(rows.oldLogProbability)));
    const ratio = exponential(body, logRatio);
    const loss = keep(body, negate(column(rows.advantage)));
    if (custom) {
      count("policyLoss", column(custom.loss));
      policy.backward(column(custom.byLogProbability), keep(body, negate(column(custom.byEntropy))));
    } else if (surrogate === "score") {
      count("policyLoss", multiply(loss, policy.logProbability));
      policy.backward(loss, entropyCoefficient);
    } else {
      const unclipped = keep(body, multiply(loss, ratio));
      const clipped = keep(body, multiply(loss, clamp(ratio, low, high)));
      let term = keep(body, maximum(unclipped, clipped));
      let slope = keep(body, and(greaterOrEqual(unclipped, clipped), unclipped));
      if (rows.dualClip) {
        // -A > 0, and more is lost than its `dualClip`-fold.
        const bound = keep(body, multiply(loss, dualClip));
        const bounded = keep(body, and(greater(loss, constant(0)), greater(term, bound)));
        term = choose(bounded, bound, term);
        slope = keep(body, choose(bounded, constant(0), slope));
      }
      count("policyLoss", term);
      policy.backward(slope, entropyCoefficient);
    }
    count("entropy", policy.entropy);
    count("approximateKl", subtract(subtract(ratio, constant(1)), logRatio));
    const above = and(greater(subtract(ratio, constant(1)), clipHigh), constant(1));
    const below = and(greater(subtract(constant(1), ratio), clip), constant(1));
    count("clipFraction", add(above, below));
  });
  const zero = constant(0);
  logStds.forEach(({ gradient }, d) => {
    const address = rows.logStdGradient + d * 4;
    const sum = laneSums(body, [read(gradient), zero, zero, zero]);
    body.i32(0).i32(0).memory("f32.load", address);
    sum(body);
    body.extractLane(0).op("f32.add").memory("f32.store", address);
  });
}

function valueRows(body: FunctionBody, rows: PpoRows): void {
  const rowBytes = rows.columns * 4;
  const scalar = scalarOf(body, rows);
  const valueClip = scalar("valueClip");
  const valueCoefficient = scalar("valueCoefficient");
  const custom = typeof rows.surrogate === "object" ? rows.surrogate : null;

  rowsOf(body, rows, valueMetrics, (at, weight, count) => {
    const column = columnAt(body, at);
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
    const valueGradient = custom ? column(custom.byValue) : multiply(valueCoefficient, gradient);
    store(body, at, rows.valueGradient, multiply(weight, valueGradient));
    if (rows.costReturn !== null) {
      const costError = keep(body, subtract(column(rows.value + rowBytes), column(rows.costReturn)));
      count("valueLoss", multiply(constant(0.5), multiply(costError, costError)));
      store(body, at, rows.valueGradient + rowBytes, multiply(weight, multiply(valueCoefficient, costError)));
    }
  });
}

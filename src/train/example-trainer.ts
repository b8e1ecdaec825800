import type { TrainingRow } from "../adapter/training-rows.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { TokenRows, TokenStepMetrics } from "../lm/language-engine.ts";
import type { SupervisedPlan } from "../rl/sft.ts";
import { scheduleValue } from "../rl/schedule.ts";
import type { TokenLossConfig } from "../rl/token-loss-config.ts";
import { packTokenRows } from "./token-rows.ts";

/** One optimizer step over examples. */
export interface ExampleStep extends TokenStepMetrics {
  readonly learningRate: number;
  /** Passes over the examples begun before it. */
  readonly epoch: number;
  readonly examples: number;
  /** Share of the step's pairs whose chosen answer the policy prefers more than its reference does; NaN without pairs. */
  readonly accuracy: number;
}

export interface HeldOutLoss {
  /** Mean loss, as trained: nats a learned token, or a pair's. */
  readonly loss: number;
  /** Its 95 % interval over examples (normal approximation). */
  readonly low: number;
  readonly high: number;
  readonly examples: number;
  readonly tokens: number;
  /** As in `ExampleStep`, over the held-out pairs. */
  readonly accuracy: number;
}

/** Learns from examples, update by update: a function of engine, data, settings and seed. */
export interface ExampleTrainer {
  /** Optimizer step number `update`, from 0. */
  step(update: number): Promise<ExampleStep>;
  /** Loss of the first held-out examples; NaN where there are none. */
  evaluate(): Promise<HeldOutLoss>;
}

/** Learning rate of optimizer step `update`, from 0. */
export function learningRateOf(
  {
    loss,
    finalLearningRate: end,
    warmup,
    schedule: shape,
    updates,
  }: SupervisedPlan & { readonly loss: TokenLossConfig },
  update: number,
): number {
  return scheduleValue({ start: loss.learningRate, end, warmup, shape }, update, updates);
}

/** Examples side by side, to be scored or trained as "likelihood" with a mean over tokens. */
export const packExamples = (rows: readonly TrainingRow[], allowed: Int32Array | null): TokenRows =>
  packTokenRows(
    rows.map((row) => ({ row, advantages: row.lossMask })),
    "token-mean",
    1,
    allowed,
  );

/** Half the 95 % interval of sum / count, where `spread` sums the squared residuals of `samples` samples. */
export const halfInterval = (spread: number, samples: number, count: number): number =>
  samples < 2 ? 0 : (1.96 * Math.sqrt((spread * samples) / (samples - 1))) / count;

export const noExamples = (): FulguriteError =>
  new FulguriteError(
    "train/no-examples",
    "There is no example to learn from.",
    "Pass examples that fit into the policy's maxLength.",
  );

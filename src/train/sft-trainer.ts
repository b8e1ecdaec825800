import type { TrainingRow } from "../adapter/training-rows.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { LanguageEngine, TokenStepMetrics } from "../lm/language-engine.ts";
import { scheduleValue } from "../rl/schedule.ts";
import type { SftConfig } from "../rl/sft.ts";
import { ExampleOrder } from "./example-order.ts";
import { packTokenRows } from "./token-rows.ts";

export interface SftTrainerOptions {
  readonly engine: Pick<LanguageEngine, "step" | "score">;
  readonly config: SftConfig;
  /** As `supervisedRows` makes them; at least one. */
  readonly train: readonly TrainingRow[];
  /** Never trained on. */
  readonly heldOut: readonly TrainingRow[];
  /** Ids that the policy may emit, or null for all: likelihoods are over them. */
  readonly allowed: Int32Array | null;
  /** Unsigned 32-bit. */
  readonly seed: number;
}

export interface SftStep extends TokenStepMetrics {
  readonly learningRate: number;
  readonly epoch: number;
  readonly examples: number;
}

export interface HeldOutLoss {
  /** Nats a learned token, mean over all of them. */
  readonly loss: number;
  /** 95 % interval of that mean over examples (normal approximation of the ratio). */
  readonly low: number;
  readonly high: number;
  readonly examples: number;
  readonly tokens: number;
}

/** Supervised fine-tuning on an engine, update by update: a function of engine, data, settings and seed. */
export class SftTrainer {
  readonly #options: SftTrainerOptions;
  readonly #order: ExampleOrder;

  constructor(options: SftTrainerOptions) {
    if (options.train.length === 0) {
      throw new FulguriteError(
        "train/no-examples",
        "There is no example to learn from.",
        "Pass examples that fit into the policy's maxLength.",
      );
    }
    this.#options = options;
    const lengths = options.train.map(({ prompt, response }) => prompt.length + response.length);
    const { batchSize, batchTokens } = options.config;
    this.#order = new ExampleOrder({ lengths, seed: options.seed, batchSize, batchTokens });
  }

  /** Optimizer step number `update`, from 0. */
  async step(update: number): Promise<SftStep> {
    const { engine, config, train, allowed } = this.#options;
    const { loss, finalLearningRate: end, warmup, schedule: shape, updates } = config;
    const rows = this.#order.batch(update).map((index) => train[index]!);
    const start = loss.learningRate;
    const learningRate = scheduleValue({ start, end, warmup, shape }, update, updates);
    const metrics = await engine.step(pack(rows, allowed), { ...loss, learningRate });
    return { ...metrics, learningRate, epoch: this.#order.epoch(update), examples: rows.length };
  }

  /** Cross-entropy of the first held-out examples. */
  async evaluate(): Promise<HeldOutLoss> {
    const { engine, config, heldOut, allowed } = this.#options;
    const rows = heldOut.slice(0, config.evaluationExamples);
    if (rows.length === 0) return { loss: NaN, low: NaN, high: NaN, examples: 0, tokens: 0 };
    const packed = pack(rows, allowed);
    const { logProbabilities } = await engine.score(packed);
    const sums = rows.map(() => ({ loss: 0, tokens: 0 }));
    packed.weights.forEach((weight, at) => {
      if (!(weight > 0)) return;
      const sum = sums[Math.floor(at / packed.length)]!;
      sum.loss -= logProbabilities[at]!;
      sum.tokens++;
    });
    const tokens = sums.reduce((sum, it) => sum + it.tokens, 0);
    const loss = sums.reduce((sum, it) => sum + it.loss, 0) / tokens;
    const spread = sums.reduce((sum, it) => sum + (it.loss - loss * it.tokens) ** 2, 0);
    const half =
      rows.length < 2 ? 0 : (1.96 * Math.sqrt((spread * rows.length) / (rows.length - 1))) / tokens;
    return { loss, low: loss - half, high: loss + half, examples: rows.length, tokens };
  }
}

const pack = (rows: readonly TrainingRow[], allowed: Int32Array | null): ReturnType<typeof packTokenRows> =>
  packTokenRows(
    rows.map((row) => ({ row, advantages: row.lossMask })),
    "token-mean",
    1,
    allowed,
  );

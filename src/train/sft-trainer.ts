import type { TrainingRow } from "../adapter/training-rows.ts";
import type { LanguageEngine } from "../lm/language-engine.ts";
import type { SftConfig } from "../rl/sft.ts";
import { ExampleOrder } from "./example-order.ts";
import {
  halfInterval,
  learningRateOf,
  noExamples,
  packExamples,
  type ExampleStep,
  type ExampleTrainer,
  type HeldOutLoss,
} from "./example-trainer.ts";

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

/** Supervised fine-tuning on an engine; held-out losses are nats a learned token. */
export class SftTrainer implements ExampleTrainer {
  readonly #options: SftTrainerOptions;
  readonly #order: ExampleOrder;

  constructor(options: SftTrainerOptions) {
    if (options.train.length === 0) throw noExamples();
    this.#options = options;
    const lengths = options.train.map(({ prompt, response }) => prompt.length + response.length);
    const { batchSize, batchTokens } = options.config;
    this.#order = new ExampleOrder({ lengths, seed: options.seed, batchSize, batchTokens });
  }

  async step(update: number): Promise<ExampleStep> {
    const { engine, config, train, allowed } = this.#options;
    const rows = this.#order.batch(update).map((index) => train[index]!);
    const learningRate = learningRateOf(config, update);
    const metrics = await engine.step(packExamples(rows, allowed), { ...config.loss, learningRate });
    const epoch = this.#order.epoch(update);
    return { ...metrics, learningRate, epoch, examples: rows.length, accuracy: Number.NaN };
  }

  async evaluate(): Promise<HeldOutLoss> {
    const { engine, config, heldOut, allowed } = this.#options;
    const rows = heldOut.slice(0, config.evaluationExamples);
    const accuracy = Number.NaN;
    if (rows.length === 0) return { loss: NaN, low: NaN, high: NaN, examples: 0, tokens: 0, accuracy };
    const packed = packExamples(rows, allowed);
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
    const half = halfInterval(spread, rows.length, tokens);
    return { loss, low: loss - half, high: loss + half, examples: rows.length, tokens, accuracy };
  }
}

import type { TrainingRow } from "../adapter/training-rows.ts";
import type { LanguageEngine, TokenRows } from "../lm/language-engine.ts";
import type { DpoConfig } from "../rl/dpo.ts";
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
import { preferenceRows, type PreferenceRows } from "./preference-rows.ts";

type Pair = readonly [chosen: TrainingRow, rejected: TrainingRow];

export interface DpoTrainerOptions {
  readonly engine: Pick<LanguageEngine, "step" | "score">;
  /** The policy that preferences are measured against; it must not change. Asked for with the first step. */
  readonly reference: () => Promise<Pick<LanguageEngine, "score">>;
  readonly config: DpoConfig;
  /** As `preferencePairs` makes them; at least one. */
  readonly train: readonly Pair[];
  /** Never trained on. */
  readonly heldOut: readonly Pair[];
  /** Ids that the policy may emit, or null for all: likelihoods are over them. */
  readonly allowed: Int32Array | null;
  /** Unsigned 32-bit. */
  readonly seed: number;
}

/** Direct preference optimization on an engine. A step is a forward pass for the pairs' losses, and one that learns. */
export class DpoTrainer implements ExampleTrainer {
  readonly #options: DpoTrainerOptions;
  readonly #order: ExampleOrder;
  /** By answer: the reference's log-probabilities from the answer's first token on. */
  readonly #references = new Map<TrainingRow, Float32Array>();

  constructor(options: DpoTrainerOptions) {
    if (options.train.length === 0) throw noExamples();
    this.#options = options;
    const lengths = options.train.map((pair) =>
      pair.reduce((sum, { prompt, response }) => sum + prompt.length + response.length, 0),
    );
    const { batchSize, batchTokens } = options.config;
    this.#order = new ExampleOrder({ lengths, seed: options.seed, batchSize, batchTokens });
  }

  async step(update: number): Promise<ExampleStep> {
    const { engine, config, train } = this.#options;
    const pairs = this.#order.batch(update).map((index) => train[index]!);
    const { made } = await this.#preferences(pairs);
    const learningRate = learningRateOf(config, update);
    const metrics = await engine.step(made.rows, { ...config.loss, learningRate });
    const epoch = this.#order.epoch(update);
    const { loss, accuracy } = made;
    return { ...metrics, loss, accuracy, learningRate, epoch, examples: pairs.length };
  }

  async evaluate(): Promise<HeldOutLoss> {
    const { heldOut, config } = this.#options;
    const pairs = heldOut.slice(0, config.evaluationExamples);
    if (pairs.length === 0) {
      return { loss: NaN, low: NaN, high: NaN, examples: 0, tokens: 0, accuracy: NaN };
    }
    const { made, tokens } = await this.#preferences(pairs);
    const { loss, losses, accuracy } = made;
    const spread = losses.reduce((sum, it) => sum + (it - loss) ** 2, 0);
    const half = halfInterval(spread, pairs.length, pairs.length);
    return { loss, low: loss - half, high: loss + half, examples: pairs.length, tokens, accuracy };
  }

  async #preferences(
    pairs: readonly Pair[],
  ): Promise<{ readonly made: PreferenceRows; readonly tokens: number }> {
    const { engine, config, allowed } = this.#options;
    const rows = pairs.flat();
    const packed = packExamples(rows, allowed);
    const reference = await this.#reference(rows, packed);
    const { logProbabilities } = await engine.score(packed);
    const tokens = packed.weights.reduce((count, weight) => count + Number(weight > 0), 0);
    return { made: preferenceRows(config.preference, packed, logProbabilities, reference), tokens };
  }

  /** Entry by entry as in `packed`; an answer is scored once. */
  async #reference(rows: readonly TrainingRow[], packed: TokenRows): Promise<Float32Array> {
    if (rows.some((row) => !this.#references.has(row))) {
      const { logProbabilities } = await (await this.#options.reference()).score(packed);
      rows.forEach((row, r) => {
        const begin = r * packed.length + row.prompt.length;
        this.#references.set(row, logProbabilities.slice(begin, begin + row.response.length));
      });
    }
    const values = new Float32Array(packed.rows * packed.length);
    rows.forEach((row, r) => {
      values.set(this.#references.get(row)!, r * packed.length + row.prompt.length);
    });
    return values;
  }
}

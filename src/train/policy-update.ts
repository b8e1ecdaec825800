import { trainingRows, type CallTokens, type RowCounts, type TrainingRow } from "../adapter/training-rows.ts";
import { permute } from "../kernels/permutation.ts";
import { random4, stream } from "../kernels/philox.ts";
import type { LanguageEngine, TokenLossConfig, TokenRows, TokenStepMetrics } from "../lm/language-engine.ts";
import { learningRateAt, type GrpoConfig, type LanguageAlgorithm } from "../rl/grpo.ts";
import { adaptedKl } from "../rl/adaptive-kl.ts";
import { overlongPenalty } from "../rl/reward-shaping.ts";
import { correctRollouts } from "../rl/rollout-correction.ts";
import { assignCredit, succeeds, totalReward, type Credit, type Scored } from "./credit.ts";
import type { MadeRollout } from "./rollout-batch.ts";
import { sequenceRatioRows } from "./sequence-ratio.ts";
import { packTokenRows, type WeightedRow } from "./token-rows.ts";

export interface PolicyUpdateOptions {
  readonly engine: LanguageEngine;
  readonly algorithm: LanguageAlgorithm;
  /** Ids that answers are made of. */
  readonly allowed: Int32Array;
  /** The policy that KL terms pull towards; asked for only where the algorithm has one. */
  readonly reference: () => Promise<Pick<LanguageEngine, "score">>;
  readonly seed: number;
  /** Of a run that goes on: `klFactor` as it was saved; default 1. */
  readonly klFactor?: number;
}

/** What an update did; figures of steps are means over its optimizer steps, NaN where nothing was measured. */
export interface PolicyUpdateResult {
  readonly credit: Credit;
  readonly counts: RowCounts;
  /** Null where no row taught anything. */
  readonly step: TokenStepMetrics | null;
  /** k3 estimate of KL(policy || reference) a token, before the update. */
  readonly referenceKl: number;
  /** Coefficient of the KL term that it used: of the loss, else of the reward; NaN without one. */
  readonly klCoefficient: number;
  /** Mean importance weight a token, and the effective sample size as a share of the sequences. */
  readonly importance: number;
  readonly effectiveSampleShare: number;
  readonly learningRate: number;
}

/** One update of a language policy: rollouts to credit, rows, log-probabilities, optimizer steps. */
export class PolicyUpdate {
  readonly #options: PolicyUpdateOptions;
  #klFactor: number;

  constructor(options: PolicyUpdateOptions) {
    this.#options = options;
    this.#klFactor = options.klFactor ?? 1;
  }

  /** What the controller of the KL made of its coefficients so far, as a factor; 1 without one. */
  get klFactor(): number {
    return this.#klFactor;
  }

  /** Advantages as far as rewards alone decide them: for dynamic sampling. */
  credit(rollouts: readonly MadeRollout[], shaping?: readonly number[]): Credit {
    const { algorithm } = this.#options;
    const scored = rollouts.map(({ score }): Scored | null => (score?.ok ? score : null));
    const groups = rollouts.map(({ group }) => group);
    const lengths = rollouts.map(({ final }) => responseTokens(final.calls));
    const longest = rollouts.map(({ final }) => longestAnswer(final.calls));
    const kind = algorithm.kind === "grpo" ? algorithm.advantage : ({ name: "mean" } as const);
    const overlong = algorithm.kind === "grpo" ? algorithm.overlong : null;
    const added = longest.map(
      (length, i) =>
        (shaping?.[i] ?? 0) +
        (overlong ? overlongPenalty(length, { ...overlong, most: algorithm.maxTokens }) : 0),
    );
    return assignCredit(kind, scored, groups, lengths, added);
  }

  /** Learns from `rollouts`; only groups that `taught` names become rows, all where it is null. */
  async run(
    rollouts: readonly MadeRollout[],
    taught: ReadonlySet<number> | null,
    update: number,
  ): Promise<PolicyUpdateResult> {
    const { algorithm } = this.#options;
    const grpo = algorithm.kind === "grpo" ? algorithm : null;
    const learningRate = learningRateAt(algorithm, update);
    const { rows, counts } = this.#rows(rollouts, taught);
    const index = new Map(rollouts.map(({ number }, i) => [String(number), i]));
    const rollout = (row: TrainingRow): number => index.get(row.rolloutId)!;
    const shaping = new Array<number>(rollouts.length).fill(0);
    let references: Float32Array[] | null = null;
    const factor = this.#klFactor;
    const { kl: inLoss } = algorithm.loss;
    const klCoefficient = factor * ((inLoss ?? grpo?.rewardKl)?.coefficient ?? Number.NaN);
    if (grpo && (grpo.rewardKl || grpo.loss.kl) && rows.length > 0) {
      references = await this.#score(await this.#options.reference(), rows);
      const { rewardKl } = grpo;
      if (rewardKl) {
        rows.forEach((row, r) => {
          shaping[rollout(row)]! -= factor * rewardKl.coefficient * sampledKl(row, references![r]!);
        });
      }
    }
    const credit = this.credit(rollouts, shaping);
    const clones = algorithm.kind === "filtered-cloning";
    const weighted = rows.flatMap((row, r): Prepared[] => {
      if (clones && !succeeds(row.reward!, algorithm)) return [];
      let part = row.emittedBefore ?? 0;
      const advantages = Float64Array.from(row.response, (_, t) => {
        if (row.lossMask[t] === 0) return 0;
        return clones ? 1 : credit.of(rollout(row), part++);
      });
      return [{ row, advantages, ...(references && { reference: references[r]! }) }];
    });
    const kl = inLoss && { kl: { ...inLoss, coefficient: factor * inLoss.coefficient } };
    const trained = await this.#train(weighted, { ...algorithm.loss, ...kl, learningRate }, update);
    const referenceKl = references ? meanKl(rows, references) : Number.NaN;
    if (grpo?.adaptiveKl && references) {
      this.#klFactor = adaptedKl(factor, referenceKl, grpo.adaptiveKl, rollouts.length);
    }
    return { credit, counts, learningRate, referenceKl, klCoefficient, ...trained };
  }

  /** Rows with a reward and log-probabilities; every row left out is counted. */
  #rows(
    rollouts: readonly MadeRollout[],
    taught: ReadonlySet<number> | null,
  ): { readonly rows: readonly TrainingRow[]; readonly counts: RowCounts } {
    const { algorithm, engine } = this.#options;
    const { rows, counts } = trainingRows(
      rollouts.map(({ number, group, final, score }) => ({
        rolloutId: String(number),
        groupId: String(group),
        reward: score?.ok ? totalReward(score) : null,
        calls: final.calls.map((call): CallTokens => ({
          prompt: call.promptTokens,
          response: call.responseTokens,
          logProbabilities: call.logProbabilities,
          samplerLogProbabilities: call.samplerLogProbabilities,
        })),
      })),
      {
        level: "trajectory",
        // A soft prompt is no part of what the limit is about.
        promptLength: algorithm.promptLength + (engine.shape.adapter?.promptTokens ?? 0),
        responseLength: algorithm.responseLength,
      },
    );
    const usable = rows.filter(
      ({ reward, dropped, logProbabilities, groupId }) =>
        reward !== null &&
        dropped === null &&
        logProbabilities !== null &&
        (taught === null || taught.has(Number(groupId))),
    );
    return { rows: usable, counts };
  }

  async #train(
    rows: readonly Prepared[],
    loss: TokenLossConfig,
    update: number,
  ): Promise<Pick<PolicyUpdateResult, "step" | "importance" | "effectiveSampleShare">> {
    const nothing = { step: null, importance: Number.NaN, effectiveSampleShare: Number.NaN };
    if (rows.length === 0) return nothing;
    const { algorithm, engine, seed } = this.#options;
    const grpo = algorithm.kind === "grpo" ? algorithm : null;
    const { epochs = 1, minibatches = 1 } = algorithm;
    const { oldPolicy = "sampled" } = grpo ?? {};
    const old =
      oldPolicy === "scored"
        ? await this.#score(
            engine,
            rows.map(({ row }) => row),
          )
        : null;
    const prepared = rows.map((row, r) => (old ? { ...row, old: old[r]! } : row));
    const steps: TokenStepMetrics[] = [];
    const words = new Uint32Array(4);
    let [importance, tokens, share, shares] = [0, 0, 0, 0];
    for (let epoch = 0; epoch < epochs; epoch++) {
      random4(seed, stream.shuffle, update * epochs + epoch, 0, words);
      const count = Math.min(minibatches, prepared.length);
      for (let m = 0; m < count; m++) {
        // One minibatch keeps the rows' own order, in which a run without minibatches sums them.
        const part = prepared.flatMap((row, r) => {
          const place = count === 1 ? 0 : permute(r, prepared.length, words);
          return Math.floor((place * count) / prepared.length) === m ? [row] : [];
        });
        const { packed, effectiveSampleShare } = this.#pack(part);
        steps.push(await this.#step(packed, loss));
        packed.weights.forEach((weight, at) => {
          if (!(weight > 0)) return;
          importance += packed.importance[at]!;
          tokens++;
        });
        share += effectiveSampleShare;
        shares++;
      }
    }
    return {
      step: meanStep(steps),
      importance: grpo?.correction ? importance / tokens : Number.NaN,
      effectiveSampleShare: share / shares,
    };
  }

  #pack(part: readonly Prepared[]): { readonly packed: TokenRows; readonly effectiveSampleShare: number } {
    const { algorithm, allowed } = this.#options;
    const { aggregation, responseLength } = algorithm;
    const base = packTokenRows(part, aggregation, responseLength, allowed);
    const column = (of: (row: Prepared) => ArrayLike<number> | null | undefined): Float32Array => {
      const values = new Float32Array(base.rows * base.length);
      part.forEach((row, r) => {
        const given = of(row);
        if (given) values.set(given, r * base.length + row.row.prompt.length);
      });
      return values;
    };
    let packed: TokenRows = base;
    if (part[0]?.old) packed = { ...packed, oldLogProbabilities: column(({ old }) => old) };
    if (part[0]?.reference)
      packed = { ...packed, referenceLogProbabilities: column(({ reference }) => reference) };
    const correction = (algorithm as Partial<GrpoConfig>).correction;
    if (!correction) return { packed, effectiveSampleShare: Number.NaN };
    const corrected = correctRollouts(correction, {
      ...{ rows: base.rows, length: base.length, oldLogProbabilities: packed.oldLogProbabilities },
      samplerLogProbabilities: column(({ row }) => row.samplerLogProbabilities),
      mask: base.weights.map((weight) => (weight > 0 ? 1 : 0)),
    });
    return {
      packed: { ...packed, importance: Float32Array.from(corrected.importance) },
      effectiveSampleShare: corrected.effectiveSampleShare,
    };
  }

  async #step(rows: TokenRows, loss: TokenLossConfig): Promise<TokenStepMetrics> {
    const { engine, algorithm } = this.#options;
    if (algorithm.kind !== "grpo" || algorithm.ratio !== "sequence") return engine.step(rows, loss);
    const { logProbabilities } = await engine.score(rows);
    const { rows: made, ...figures } = sequenceRatioRows(rows, logProbabilities, loss);
    return { ...(await engine.step(made, { ...loss, kind: "likelihood" })), ...figures };
  }

  /** log-probabilities of every row's response. */
  async #score(engine: Pick<LanguageEngine, "score">, rows: readonly TrainingRow[]): Promise<Float32Array[]> {
    const { algorithm, allowed } = this.#options;
    const packed = packTokenRows(
      rows.map((row) => ({ row, advantages: row.lossMask })),
      "token-mean",
      algorithm.responseLength,
      allowed,
    );
    const { logProbabilities } = await engine.score(packed);
    return rows.map(({ prompt, response }, r) => {
      const begin = r * packed.length + prompt.length;
      return logProbabilities.slice(begin, begin + response.length);
    });
  }
}

/** A row with the columns that its loss reads besides the sampled ones, one entry a response token. */
interface Prepared extends WeightedRow {
  readonly reference?: Float32Array;
  readonly old?: Float32Array;
}

/** Sum over the sampled tokens of log pi - log reference: k1 of the whole answer. */
function sampledKl(row: TrainingRow, reference: Float32Array): number {
  let sum = 0;
  row.lossMask.forEach((learned, t) => {
    if (learned !== 0) sum += row.logProbabilities![t]! - reference[t]!;
  });
  return sum;
}

function meanKl(rows: readonly TrainingRow[], references: readonly Float32Array[]): number {
  let [sum, tokens] = [0, 0];
  rows.forEach((row, r) => {
    row.lossMask.forEach((learned, t) => {
      if (learned === 0) return;
      const d = row.logProbabilities![t]! - references[r]![t]!;
      sum += Math.exp(-d) - 1 + d;
      tokens++;
    });
  });
  return sum / tokens;
}

/** Means over an update's steps; tokens are counted once an epoch's worth. */
function meanStep(steps: readonly TokenStepMetrics[]): TokenStepMetrics {
  const [first] = steps;
  if (steps.length === 1) return first!;
  const mean = (name: keyof TokenStepMetrics): number =>
    steps.reduce((sum, step) => sum + step[name], 0) / steps.length;
  return {
    loss: mean("loss"),
    entropy: mean("entropy"),
    approximateKl: mean("approximateKl"),
    clipFraction: mean("clipFraction"),
    gradientNorm: mean("gradientNorm"),
    tokens: steps.reduce((sum, { tokens }) => sum + tokens, 0),
  };
}

/** Tokens that the policy sampled in a rollout. */
export const responseTokens = (calls: MadeRollout["final"]["calls"]): number =>
  calls.reduce((sum, { responseTokens: { length } }) => sum + length, 0);

/** Tokens of a rollout's longest answer: what `maxTokens` bounds. */
const longestAnswer = (calls: MadeRollout["final"]["calls"]): number =>
  Math.max(0, ...calls.map(({ responseTokens: { length } }) => length));

import type { LanguageEngine, TokenLossConfig, TokenRows } from "../../src/lm/language-engine.ts";
import { transformerLayout, type TransformerShape } from "../../src/nn/transformer-layout.ts";
import { correctRollouts } from "../../src/rl/rollout-correction.ts";
import {
  aggregationWeights,
  objectiveOf,
  type TokenAggregation,
  type TokenSurrogate,
} from "../../src/rl/token-losses.ts";
import { preferenceRows } from "../../src/train/preference-rows.ts";
import { sequenceRatioRows } from "../../src/train/sequence-ratio.ts";
import { expectClose, golden, type GoldenCase } from "./goldens.ts";
import { checkLoraGolden } from "./lora-golden.ts";
import { checkSoftPromptGolden } from "./soft-prompt-golden.ts";

type CreateEngine = (shape: TransformerShape) => Promise<LanguageEngine>;

/** Leaves the weights as they are, and the gradient in the first moment. */
const still: TokenLossConfig = {
  ...{ kind: "likelihood", clipLow: 0, clipHigh: 0, dualClip: null, entropyCoefficient: 0, learningRate: 0 },
  ...{ betas: [0.5, 0.99], adamEpsilon: 1e-8, weightDecay: 0, maxGradientNorm: 1e9 },
};

/** Ids of every table: one shape, so that its kernels are compiled once. */
const SIZE = 36;

/** An engine whose logits after id i are `table[i]`: one-hot embeddings, layers that add nothing, the head as given. */
async function tableEngine(
  create: CreateEngine,
  table: readonly (readonly number[])[],
): Promise<{
  engine: LanguageEngine;
  gradient: (rows: TokenRows, config: TokenLossConfig) => Promise<TableStep>;
}> {
  const size = SIZE;
  const shape: TransformerShape = {
    ...{ vocabularySize: size, width: size, layers: 1, heads: 1, keyValueHeads: 1, headSize: 4 },
    ...{ feedForward: 4, maxLength: 16, ropeBase: 1e4, normEpsilon: 1e-5, tiedHead: false },
  };
  const engine = await create(shape);
  const layout = transformerLayout(shape);
  const start = await engine.save();
  const parameters = start.parameters.map((value) => (value === 1 ? 1 : 0));
  const place = (name: string): number => layout.tensors.find((tensor) => tensor.name === name)!.offset;
  const scale = Math.sqrt(size);
  for (let id = 0; id < table.length; id++) {
    parameters[place("emb") + id * size + id] = 1000;
    for (let k = 0; k < size; k++)
      parameters[place("head") + k * size + id] = (table[id]![k] ?? -1e4) / scale;
  }
  const zeros = new Float32Array(parameters.length);
  const state = {
    version: 1,
    parameters,
    firstMoment: zeros,
    secondMoment: zeros,
    optimizerStep: 0,
  } as const;
  engine.load(state);
  return {
    engine,
    gradient: async (rows, config) => {
      const metrics = await engine.step(rows, config);
      const { firstMoment } = await engine.save();
      engine.load(state);
      // d loss / d logits[k] after id, summed over the places where the id stands.
      const of = (id: number, k: number): number =>
        firstMoment[place("head") + k * size + id]! / (1 - still.betas[0]) / scale;
      return { metrics, of };
    },
  };
}

interface TableStep {
  readonly metrics: { readonly loss: number };
  readonly of: (id: number, k: number) => number;
}

/** Rows whose tokens have exactly the given log-probabilities: every place has an id of its own. */
function rowsOf(logProbabilities: readonly number[], rows: number, length: number) {
  const width = length + 1;
  const id = (row: number, t: number): number => row * width + t;
  const table = Array.from({ length: SIZE }, () => Array<number>(SIZE).fill(0));
  logProbabilities.forEach((logp, i) => {
    const [row, t] = [Math.floor(i / length), i % length];
    table[id(row, t)]!.fill(Math.log(-Math.expm1(logp) / (SIZE - 1)));
    table[id(row, t)]![id(row, t + 1)] = logp;
  });
  /** From [rows x length] to the rows' [rows x (length + 1)], whose first entries count for nothing. */
  const padded = (values: ArrayLike<number>): Float32Array =>
    Float32Array.from({ length: rows * width }, (_, at) =>
      at % width === 0 ? 0 : values[Math.floor(at / width) * length + (at % width) - 1]!,
    );
  const make = (
    weights: ArrayLike<number>,
    advantages: ArrayLike<number>,
    old: ArrayLike<number>,
  ): TokenRows => ({
    rows,
    length: width,
    tokens: Int32Array.from({ length: rows * width }, (_, at) => at),
    lengths: new Int32Array(rows).fill(width),
    weights: padded(weights),
    advantages: padded(advantages),
    oldLogProbabilities: padded(old),
    importance: new Float32Array(rows * width).fill(1),
    allowed: null,
  });
  /** d loss / d log pi of every token, read from the gradient of the token's own logit, (1 - p) times it. */
  const slopes = ({ of }: TableStep): number[] =>
    logProbabilities.map((logp, i) => {
      const [row, t] = [Math.floor(i / length), i % length];
      return of(id(row, t), id(row, t + 1)) / -Math.expm1(logp);
    });
  const unpadded = (values: ArrayLike<number>): number[] =>
    Array.from(
      { length: rows * length },
      (_, i) => values[Math.floor(i / length) * width + (i % length) + 1]!,
    );
  return { table, make, slopes, padded, unpadded };
}

const surrogates: readonly (readonly [string, TokenSurrogate])[] = [
  ["reinforce", { name: "reinforce" }],
  ["ppo", { name: "ppo", low: 0.2, high: 0.2 }],
  ["clip_higher", { name: "ppo", low: 0.2, high: 0.28 }],
  ["dual_clip", { name: "ppo", low: 0.2, high: 0.2, dual: 3 }],
  ["gspo", { name: "gspo", low: 0.03, high: 0.04 }],
  ["cispo_trl", { name: "cispo", low: 0, high: 5 }],
  ["cispo_verl", { name: "cispo", low: 0.8, high: 1.28 }],
  ["sapo", { name: "sapo", positive: 1, negative: 1.05 }],
];
const aggregations: readonly (readonly [string, TokenAggregation])[] = [
  ["token-mean", { name: "token-mean" }],
  ["seq-mean-token-mean", { name: "sequence-mean-token-mean" }],
  ["seq-mean-token-sum", { name: "sequence-mean-token-sum" }],
  ["sum-over-BL", { name: "constant-length", length: 8 }],
];
const perToken = (g: GoldenCase): number[] =>
  g.input("mask").map((_, i) => g.input("advantages")[Math.floor(i / 5)]!);

/** The token-level cases of the golden file through an engine: forward pass, loss kernel, backward pass. */
export const engineGoldens: readonly (readonly [string, (create: CreateEngine) => Promise<void>])[] = [
  [
    "token_policy_losses",
    async (create) => {
      const g = golden("token_policy_losses");
      const { table, make, slopes } = rowsOf(g.input("logp"), 6, 5);
      const { engine, gradient } = await tableEngine(create, table);
      for (const [name, surrogate] of surrogates) {
        for (const [key, aggregation] of aggregations) {
          const weights = aggregationWeights(aggregation, g.input("mask"), 6, 5);
          let rows = make(weights, perToken(g), g.input("old_logp"));
          let config: TokenLossConfig = { ...still, ...objectiveOf(surrogate) };
          let loss: number | null = null;
          if (surrogate.name === "gspo") {
            const { logProbabilities } = await engine.score(rows);
            ({ rows, loss } = sequenceRatioRows(rows, logProbabilities, config));
            config = still;
          }
          const step = await gradient(rows, config);
          const label = `${name}, ${key}`;
          expectClose(loss ?? step.metrics.loss, g.scalar(`${name}/${key}`), g.f32, label);
          expectClose(slopes(step), g.output(`${name}/grad_${key}`), g.f32, `gradient of ${label}`);
        }
      }
      engine.dispose();
    },
  ],
  [
    "grpo_with_k3",
    async (create) => {
      const g = golden("grpo_with_k3");
      const { table, make, slopes, padded } = rowsOf(g.input("logp"), 6, 5);
      const { engine, gradient } = await tableEngine(create, table);
      const weights = aggregationWeights({ name: "sequence-mean-token-mean" }, g.input("mask"), 6, 5);
      const step = await gradient(
        {
          ...make(weights, perToken(g), g.input("old_logp")),
          referenceLogProbabilities: padded(g.input("ref_logp")),
        },
        {
          ...still,
          ...objectiveOf({ name: "ppo", low: 0.2, high: 0.2 }),
          kl: { coefficient: 0.04, estimator: "k3" },
        },
      );
      expectClose(step.metrics.loss, g.scalar("loss"), g.f32);
      expectClose(slopes(step), g.output("grad"), g.f32, "gradient");
      engine.dispose();
    },
  ],
  [
    "rollout_correction",
    async (create) => {
      const g = golden("rollout_correction");
      const { table, make, slopes, padded } = rowsOf(g.input("logp"), 6, 5);
      const { engine, gradient } = await tableEngine(create, table);
      const mask = g.input("mask");
      const [old, sampler] = [g.input("old_logp"), g.input("sampler_logp")];
      const weights = aggregationWeights({ name: "token-mean" }, mask, 6, 5);
      for (const [name, key] of [
        ["token", "token_tis"],
        ["sequence", "seq_tis"],
      ] as const) {
        const { importance } = correctRollouts(
          { name, cap: 2 },
          { rows: 6, length: 5, mask, oldLogProbabilities: old, samplerLogProbabilities: sampler },
        );
        const step = await gradient(
          { ...make(weights, perToken(g), old), importance: padded(importance) },
          { ...still, ...objectiveOf({ name: "ppo", low: 0.2, high: 0.2 }) },
        );
        expectClose(step.metrics.loss, g.scalar(`loss_${key}`), g.f32);
        expectClose(slopes(step), g.output(`grad_${key}`), g.f32, `gradient of ${key}`);
      }
      engine.dispose();
    },
  ],
  [
    "kl_estimator_gradients",
    async (create) => {
      const g = golden("kl_estimator_gradients");
      // All seven actions after one id, each weighed by its probability: the expectation itself.
      const policy = g.input("logits_p");
      const sum = policy.reduce((total, logit) => total + Math.exp(logit), 0);
      const { engine, gradient } = await tableEngine(
        create,
        Array.from({ length: 8 }, () => policy),
      );
      const expected = { k1: "grad_k1", k2: "grad_k2", k3: "grad_k3", "k3+": "true_grad_kl_p_q" } as const;
      for (const estimator of ["k1", "k2", "k3", "k3+"] as const) {
        const entries = (values: (action: number) => number): Float32Array =>
          Float32Array.from({ length: 14 }, (_, at) => (at % 2 === 0 ? 0 : values(Math.floor(at / 2))));
        const step = await gradient(
          {
            ...{ rows: 7, length: 2, lengths: new Int32Array(7).fill(2), allowed: null },
            tokens: Int32Array.from({ length: 14 }, (_, at) => (at % 2 === 0 ? 7 : Math.floor(at / 2))),
            weights: entries((action) => Math.exp(policy[action]!) / sum),
            advantages: new Float32Array(14),
            oldLogProbabilities: new Float32Array(14),
            importance: new Float32Array(14).fill(1),
            referenceLogProbabilities: entries((action) => g.input("logq")[action]!),
          },
          { ...still, kl: { coefficient: 1, estimator } },
        );
        const found = Array.from({ length: 7 }, (_, k) => step.of(7, k));
        expectClose(found, g.output(expected[estimator]), g.f32, estimator);
      }
      engine.dispose();
    },
  ],
  [
    "dpo",
    async (create) => {
      const g = golden("dpo");
      const sums = [0, 1, 2, 3].flatMap((i) => [
        g.input("policy_chosen")[i]!,
        g.input("policy_rejected")[i]!,
      ]);
      const reference = [0, 1, 2, 3].flatMap((i) => [g.input("ref_chosen")[i]!, g.input("ref_rejected")[i]!]);
      // Answers of three tokens; what they sum to is the golden's.
      const parts = (values: readonly number[]): number[] =>
        values.flatMap((value) => [0.5 * value, 0.3 * value, 0.2 * value]);
      const { table, make, slopes, padded } = rowsOf(parts(sums), 8, 3);
      const { engine, gradient } = await tableEngine(create, table);
      const rows = make(Array(24).fill(1), Array(24).fill(0), Array(24).fill(0));
      const { logProbabilities } = await engine.score(rows);
      const made = preferenceRows(
        { name: "dpo", beta: 0.1 },
        rows,
        logProbabilities,
        padded(parts(reference)),
      );
      expectClose(made.loss, g.scalar("loss_dpo"), g.f32);
      expectClose(made.accuracy, g.scalar("accuracy"), g.f32);
      const found = slopes(await gradient(made.rows, still));
      const expected = [0, 1, 2, 3].flatMap((i) => [
        g.output("grad_chosen")[i]!,
        g.output("grad_rejected")[i]!,
      ]);
      expectClose(
        found,
        expected.flatMap((value) => [value, value, value]),
        g.f32,
        "gradient",
      );
      engine.dispose();
    },
  ],
  [
    "sft_cross_entropy",
    async (create) => {
      const g = golden("sft_cross_entropy");
      const targets = g.input("targets");
      const counted = targets.filter((target) => target >= 0).length;
      // Ids 0 to 6 are the golden's classes, 7 + i its places.
      const table = Array.from({ length: 19 }, (_, id) =>
        id < 7 ? Array<number>(7).fill(0) : g.input("logits").slice((id - 7) * 7, (id - 6) * 7),
      );
      const { engine, gradient } = await tableEngine(create, table);
      const at = (i: number): number => 2 * i + 1;
      const entries = (values: (i: number) => number): Float32Array =>
        Float32Array.from({ length: 24 }, (_, k) => (k % 2 === 0 ? 0 : values((k - 1) / 2)));
      const rows: TokenRows = {
        ...{ rows: 12, length: 2, lengths: new Int32Array(12).fill(2) },
        tokens: Int32Array.from({ length: 24 }, (_, k) =>
          k % 2 === 0 ? 7 + k / 2 : Math.max(0, targets[(k - 1) / 2]!),
        ),
        weights: entries((i) => (targets[i]! >= 0 ? 1 / counted : 0)),
        advantages: new Float32Array(24).fill(1),
        oldLogProbabilities: new Float32Array(24),
        importance: new Float32Array(24).fill(1),
        allowed: Int32Array.of(0, 1, 2, 3, 4, 5, 6),
      };
      const { logProbabilities } = await engine.score(rows);
      const step = await gradient(rows, still);
      expectClose(step.metrics.loss, g.scalar("loss"), g.f32);
      const known = targets.flatMap((target, i) => (target >= 0 ? [i] : []));
      expectClose(
        known.map((i) => logProbabilities[at(i)]!),
        known.map((i) => g.output("token_logp")[i]!),
        g.f32,
      );
      const found = targets.flatMap((_, i) => Array.from({ length: 7 }, (__, k) => step.of(7 + i, k)));
      expectClose(found, g.output("grad"), g.f32, "gradient");
      const smoothed = await gradient(rows, { ...still, labelSmoothing: 0.1 });
      expectClose(smoothed.metrics.loss, g.scalar("loss_label_smoothing"), g.f32);
      engine.dispose();
    },
  ],
  ["tiny_llama_lora", checkLoraGolden],
  ["soft_prompt", checkSoftPromptGolden],
];

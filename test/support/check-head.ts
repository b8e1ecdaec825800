import { expect } from "vitest";
import { tokenLoss } from "../../src/kernels/reference/token-loss.ts";
import { ReferenceTransformer } from "../../src/kernels/reference/transformer.ts";
import type { LanguageEngine, TokenLossConfig, TokenRows } from "../../src/lm/language-engine.ts";
import { transformerLayout, type TransformerShape } from "../../src/nn/transformer-layout.ts";
import { expectClose, worstDifference } from "./goldens.ts";
import { loadParameters } from "./hf-tiny.ts";
import { manyRequests, manyRows, noisyParameters, policyConfig, smallShape } from "./language-rows.ts";

/** A vocabulary of several thousand, which no chunk of 1,368 divides. */
export const largeVocabulary: TransformerShape = { ...smallShape, layers: 1, vocabularySize: 4099 };
/** Label smoothing over what is allowed, with an entropy bonus. */
export const smoothing = { kind: "likelihood", labelSmoothing: 0.3 } as const;
/** Leaves the weights as they are. */
const still = { ...policyConfig, learningRate: 0, maxGradientNorm: 1e9 };

/** Ids from all over the vocabulary; every other time only two of three are allowed. */
function spreadRows(shape: TransformerShape, masked: boolean): TokenRows {
  const rows = manyRows(shape);
  const { vocabularySize } = shape;
  const allowed = Int32Array.from({ length: vocabularySize }, (_, id) => id).filter((id) => id % 3 !== 1);
  return {
    ...rows,
    tokens: rows.tokens.map((id, i) => (id === 0 ? 0 : 3 * ((id * 613 + (i % rows.length) * 457) % 1366))),
    oldLogProbabilities: rows.oldLogProbabilities.map((x) => x - 6),
    allowed: masked ? allowed : null,
  };
}

/** What is wrong with an engine's scores, loss and gradient over some of its ids, held to f64; null where nothing is. */
export async function headDisagreement(
  engine: LanguageEngine,
  config: Partial<TokenLossConfig> = {},
): Promise<string | null> {
  const objective = { ...still, ...config };
  const { shape } = engine;
  const layout = transformerLayout(shape);
  await loadParameters(engine, noisyParameters(layout.length));
  const before = await engine.save();
  const rows = spreadRows(shape, true);
  const expected = tokenLoss(new ReferenceTransformer(shape, layout), before.parameters, rows, objective);
  const scored = await engine.score(rows);
  const metrics = await engine.step(rows, objective);
  const { firstMoment } = await engine.save();
  engine.load(before);
  const counted = [...rows.weights.keys()].filter((i) => rows.weights[i]! > 0);
  const of = (values: ArrayLike<number>): number[] => counted.map((i) => values[i]!);
  const tolerance = { absolute: 3e-5, relative: 3e-5 };
  const norm = Math.hypot(...expected.gradient);
  const gradient = firstMoment.map((m) => m / (1 - still.betas[0]));
  for (const [name, actual, wanted, slack] of [
    ["log-probability", of(scored.logProbabilities), of(expected.logProbabilities), tolerance],
    ["entropy", of(scored.entropies), of(expected.entropies), tolerance],
    ["loss", [metrics.loss], [expected.loss], tolerance],
    ["gradient", gradient, expected.gradient, { absolute: 1e-5 * norm, relative: 1e-4 }],
  ] as const) {
    const worst = worstDifference(actual, wanted, slack);
    if (worst) return `${name} ${worst.index} is ${worst.actual}, not ${worst.expected}`;
  }
  return null;
}

/** The loss moves along its gradient as far as the gradient says. */
export async function expectFiniteDifference(
  engine: LanguageEngine,
  config: Partial<TokenLossConfig> = {},
): Promise<void> {
  const objective = { ...still, ...config };
  const start = await engine.save();
  const rows = { ...spreadRows(engine.shape, true), importance: new Float32Array(84).fill(1) };
  await engine.step(rows, objective);
  const gradient = (await engine.save()).firstMoment.map((m) => m / (1 - still.betas[0]));
  const size = Math.hypot(...gradient);
  const lossAt = async (h: number): Promise<number> => {
    engine.load({ ...start, parameters: start.parameters.map((p, i) => p + (h * gradient[i]!) / size) });
    return (await engine.step(rows, objective)).loss;
  };
  const h = 4e-3;
  const difference = ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
  engine.load(start);
  expectClose(difference, size, { absolute: 2e-4, relative: 5e-3 });
}

/** Two engines that differ in their chunks learn the same, and then sample the same. */
export async function expectSameLearning(engines: readonly [LanguageEngine, LanguageEngine]): Promise<void> {
  const results = [];
  for (const engine of engines) {
    await loadParameters(engine, noisyParameters(transformerLayout(engine.shape).length));
    const losses: number[] = [];
    const rows = spreadRows(engine.shape, false);
    for (let step = 0; step < 3; step++) losses.push((await engine.step(rows, policyConfig)).loss);
    const generations = await engine.generate(manyRequests(8, { allowed: null }));
    results.push({ losses, tokens: generations.map(({ tokens }) => [...tokens]) });
  }
  const [a, b] = results as [(typeof results)[0], (typeof results)[0]];
  expectClose(a.losses, b.losses, { absolute: 1e-5, relative: 1e-5 });
  expect(new Set(a.losses).size).toBe(3);
  expect(a.tokens).toEqual(b.tokens);
}

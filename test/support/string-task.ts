import { groupAdvantages } from "../../src/rl/group-advantages.ts";
import type { GenerateRequest, LanguageEngine, TokenRows } from "../../src/lm/language-engine.ts";
import type { TransformerShape } from "../../src/nn/transformer-layout.ts";

/** Copy, reverse or sort four of ten symbols: learned from nothing by reinforcement alone. */
export type StringTaskName = "copy" | "reverse" | "sort";

/** Ids: 0 padding, 1 beginning, 2 end, 3 separator, then the ten symbols. */
export const stringVocabulary = 14;
const begin = 1;
const end = 2;
const separator = 3;
const firstSymbol = 4;
const symbols = 10;
const size = 4;
const promptLength = size + 2;

/** d 64, 2 layers, 4 heads, feed-forward 128: rl.md 3.1b. */
export const stringTaskShape: TransformerShape = {
  vocabularySize: stringVocabulary,
  width: 64,
  layers: 2,
  heads: 4,
  keyValueHeads: 4,
  headSize: 16,
  feedForward: 128,
  maxLength: 12,
  ropeBase: 1e4,
  normEpsilon: 1e-5,
  tiedHead: false,
};

/** What the policy may say: the symbols and the end. */
export const stringAllowed = Int32Array.from([
  end,
  ...Array.from({ length: symbols }, (_, i) => firstSymbol + i),
]);

export function stringPrompt(word: readonly number[]): Int32Array {
  return Int32Array.from([begin, ...word.map((symbol) => firstSymbol + symbol), separator]);
}

export function stringAnswer(task: StringTaskName, word: readonly number[]): number[] {
  const answer =
    task === "reverse" ? word.toReversed() : task === "sort" ? word.toSorted((a, b) => a - b) : word;
  return answer.map((symbol) => firstSymbol + symbol);
}

/** Share of positions that are right, halved where the length is wrong; the end token is not part of the answer. */
export function stringReward(task: StringTaskName, word: readonly number[], tokens: Int32Array): number {
  const expected = stringAnswer(task, word);
  const stop = tokens.indexOf(end);
  const said = stop < 0 ? tokens : tokens.subarray(0, stop);
  const right = expected.filter((id, i) => said[i] === id).length / size;
  return said.length === size && stop >= 0 ? right : right / 2;
}

/** A quarter of all words is held out: those whose hash says so. Deterministic in (seed, index). */
export function stringWord(seed: number, index: number, heldOut: boolean): number[] {
  for (let attempt = 0; ; attempt++) {
    const code = pcgHash(pcgHash(seed * 7919 + index) + attempt) % symbols ** size;
    if ((pcgHash(code) % 4 === 0) !== heldOut) continue;
    return Array.from({ length: size }, (_, i) => Math.floor(code / symbols ** i) % symbols);
  }
}

/** PCG's output permutation (Jarzynski and Olano 2020). */
export function pcgHash(value: number): number {
  const state = (Math.imul(value >>> 0, 747796405) + 2891336453) >>> 0;
  const word = Math.imul(((state >>> ((state >>> 28) + 4)) ^ state) >>> 0, 277803737) >>> 0;
  return ((word >>> 22) ^ word) >>> 0;
}

export interface StringTaskOptions {
  readonly task: StringTaskName;
  readonly seed: number;
  /** Default 32. */
  readonly groups?: number;
  /** Default 8. */
  readonly groupSize?: number;
  readonly maxRollouts: number;
  /** Stop at this held-out accuracy; default 0.95. */
  readonly until?: number;
  /** Default 0.02. */
  readonly entropyCoefficient?: number;
  /** Default 1e-3. */
  readonly learningRate?: number;
  /** Updates between evaluations; default 10. */
  readonly evaluateEvery?: number;
}

export interface StringTaskResult {
  readonly rollouts: number;
  /** Greedy exact match on 300 held-out words, before and after training. */
  readonly before: number;
  readonly accuracy: number;
  readonly entropy: number;
  /** [rollouts, mean reward, held-out accuracy] at each evaluation. */
  readonly curve: readonly (readonly [number, number, number])[];
}

/** Trains by group-relative policy gradient (rl.md 1.5): mean baseline, token mean, one update a batch. */
export async function learnStringTask(
  engine: LanguageEngine,
  options: StringTaskOptions,
): Promise<StringTaskResult> {
  const { task, seed, groups = 32, groupSize = 8, until = 0.95, evaluateEvery = 10 } = options;
  const before = await evaluateStringTask(engine, task);
  const curve: [number, number, number][] = [];
  let accuracy = before;
  let entropy = NaN;
  let rollouts = 0;
  for (let update = 0; rollouts < options.maxRollouts && accuracy < until; update++) {
    const words = Array.from({ length: groups * groupSize }, (_, i) =>
      stringWord(seed, update * groups + Math.floor(i / groupSize), false),
    );
    const generations = await engine.generate(
      words.map((word, i) => request(word, 1, pcgHash(seed) + rollouts + i)),
    );
    const rewards = generations.map((g, i) => stringReward(task, words[i]!, g.tokens));
    const { advantages } = groupAdvantages(
      { name: "mean" },
      rewards,
      words.map((_, i) => Math.floor(i / groupSize)),
    );
    const rows = trainingRows(
      words.map(stringPrompt),
      generations.map((g) => g.tokens),
      generations.map((g) => g.logProbabilities),
      advantages,
    );
    const metrics = await engine.step(rows, {
      kind: "policy",
      clipLow: 0.2,
      clipHigh: 0.28,
      dualClip: null,
      entropyCoefficient: options.entropyCoefficient ?? 0.02,
      learningRate: options.learningRate ?? 1e-3,
      betas: [0.9, 0.99],
      adamEpsilon: 1e-8,
      weightDecay: 0,
      maxGradientNorm: 1,
    });
    entropy = metrics.entropy;
    rollouts += words.length;
    if ((update + 1) % evaluateEvery === 0) {
      accuracy = await evaluateStringTask(engine, task);
      curve.push([rollouts, rewards.reduce((a, b) => a + b, 0) / rewards.length, accuracy]);
    }
  }
  return { rollouts, before, accuracy, entropy, curve };
}

/** Greedy exact match on `count` held-out words. */
export async function evaluateStringTask(
  engine: LanguageEngine,
  task: StringTaskName,
  count = 300,
): Promise<number> {
  const words = Array.from({ length: count }, (_, i) => stringWord(0, i, true));
  const generations = await engine.generate(words.map((word) => request(word, 0, 0)));
  return generations.filter((g, i) => stringReward(task, words[i]!, g.tokens) === 1).length / count;
}

function request(word: readonly number[], temperature: number, seed: number): GenerateRequest {
  return {
    prompt: stringPrompt(word),
    maxTokens: size + 1,
    temperature,
    stopTokens: [end],
    allowed: stringAllowed,
    seed: seed >>> 0,
  };
}

/** Rows of prompt and completion; every completion token weighs 1 / all of them. */
export function trainingRows(
  prompts: readonly Int32Array[],
  completions: readonly Int32Array[],
  logProbabilities: readonly Float32Array[],
  advantages: ArrayLike<number>,
): TokenRows {
  const rows = prompts.length;
  const length = promptLength + size + 1;
  const total = completions.reduce((sum, tokens) => sum + tokens.length, 0);
  const tokens = new Int32Array(rows * length);
  const lengths = new Int32Array(rows);
  const weights = new Float32Array(rows * length);
  const perToken = new Float32Array(rows * length);
  const old = new Float32Array(rows * length);
  prompts.forEach((prompt, row) => {
    const completion = completions[row]!;
    const start = row * length + prompt.length;
    tokens.set(prompt, row * length);
    tokens.set(completion, start);
    lengths[row] = prompt.length + completion.length;
    weights.fill(1 / total, start, start + completion.length);
    perToken.fill(advantages[row]!, start, start + completion.length);
    old.set(logProbabilities[row]!, start);
  });
  return {
    ...{ rows, length, tokens, lengths, weights, advantages: perToken, oldLogProbabilities: old },
    importance: new Float32Array(rows * length).fill(1),
    allowed: stringAllowed,
  };
}

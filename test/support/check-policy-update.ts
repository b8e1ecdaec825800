import type { LanguageEngine, TokenLossConfig, TokenRows } from "../../src/lm/language-engine.ts";
import { filteredCloning, grpo, type LanguageAlgorithm } from "../../src/rl/grpo.ts";
import type { PolicyUpdate, PolicyUpdateResult } from "../../src/train/policy-update.ts";
import type { MadeRollout } from "../../src/train/rollout-batch.ts";
import { worstDifference } from "./goldens.ts";

interface Answer {
  readonly group: number;
  readonly reward: number | null;
  readonly prompt: readonly number[];
  /** Behind the prompt, by turns what the policy sampled and what it observed. */
  readonly turns: readonly (readonly number[])[];
}

const answers: readonly Answer[] = [
  { group: 0, reward: 1, prompt: [3, 4], turns: [[5, 6], [7, 8], [9]] },
  { group: 0, reward: 0, prompt: [3, 4], turns: [[6, 6, 7]] },
  { group: 1, reward: 0.5, prompt: [4], turns: [[5]] },
  { group: 1, reward: 0.75, prompt: [4], turns: [[7, 8, 9, 5]] },
  { group: 1, reward: null, prompt: [4], turns: [[5, 5]] },
];
const sampled = (token: number): number => -(0.5 + 0.07 * token);
const sampler = (token: number): number => 0.97 * sampled(token);
const old = (token: number, t: number): number => -(0.45 + 0.07 * token + 0.01 * t);
const reference = (token: number, t: number): number => -(0.7 + 0.08 * token + 0.02 * t);

const rollouts = answers.map(({ group, reward, prompt, turns }, number) => {
  const calls = turns.flatMap((turn, i) =>
    i % 2 === 1
      ? []
      : [
          {
            promptTokens: Int32Array.from([...prompt, ...turns.slice(0, i).flat()]),
            responseTokens: Int32Array.from(turn),
            logProbabilities: Float32Array.from(turn, sampled),
            samplerLogProbabilities: Float32Array.from(turn, sampler),
          },
        ],
  );
  const score = reward === null ? null : { ok: true, components: { r: reward }, weights: { r: 1 } };
  return {
    number,
    group,
    sample: number,
    task: group,
    attempts: [],
    final: { calls },
    score,
  } as unknown as MadeRollout;
});

/** Token and place of everything that an answer's policy sampled. */
const learned = ({ prompt, turns }: Answer): { readonly token: number; readonly t: number }[] => {
  let t = prompt.length;
  return turns.flatMap((turn, i) =>
    turn.flatMap((token) => {
      const place = t++;
      return i % 2 === 0 ? [{ token, t: place }] : [];
    }),
  );
};
const answerOf = ({ tokens, length, lengths }: TokenRows, row: number): number =>
  answers.findIndex(({ prompt, turns }) => {
    const all = [...prompt, ...turns.flat()];
    return lengths[row] === all.length && all.every((token, t) => tokens[row * length + t] === token);
  });

/** An engine whose scores are formulas, and whose nth step says n. */
function formulas(score: (token: number, t: number) => number) {
  const steps: { readonly rows: TokenRows; readonly config: TokenLossConfig }[] = [];
  const engine = {
    shape: {},
    score: ({ tokens, length }: TokenRows) =>
      Promise.resolve({
        logProbabilities: Float32Array.from(tokens, (token, at) => score(token, at % length)),
      }),
    step: (rows: TokenRows, config: TokenLossConfig) => {
      const n = steps.push({ rows, config });
      return Promise.resolve({
        ...{ loss: n, entropy: 2 * n, approximateKl: 3 * n, clipFraction: 4 * n, gradientNorm: 5 * n },
        tokens: 10 + n,
      });
    },
  };
  return { engine: engine as unknown as LanguageEngine, steps };
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/**
 * Where updates of a language policy differ from their equations, written down again: KL and overlong answers in the reward,
 * advantages against the group's mean, who teaches, minibatches, the columns of the loss, figures. Null where they agree.
 */
export async function policyUpdateDifference(Update: typeof PolicyUpdate): Promise<string | null> {
  let wrong: string | null = null;
  const same = (what: string, actual: readonly number[], expected: readonly number[]): void => {
    const worst =
      actual.length === expected.length
        ? worstDifference(actual, expected, { absolute: 1e-6, relative: 1e-5 })
        : { index: -1, actual: actual.length, expected: expected.length };
    if (worst) wrong ??= `${what} ${worst.index}: ${worst.actual}, not ${worst.expected}`;
  };
  const run = async (
    algorithm: LanguageAlgorithm,
    taught: ReadonlySet<number> | null = null,
    updates = 1,
  ) => {
    const { engine, steps } = formulas(old);
    const update = new Update({
      ...{ engine, algorithm, allowed: Int32Array.of(5, 6, 7, 8, 9), seed: 5 },
      reference: () => Promise.resolve(formulas(reference).engine),
    });
    const results: PolicyUpdateResult[] = [];
    for (let at = 1; at <= updates; at++) results.push(await update.run(rollouts, taught, at));
    return { results, steps, factor: update.klFactor };
  };
  const size = { groups: 2, groupSize: 3, maxTokens: 6 } as const;
  const cap = 1.02;
  const shaped = await run(
    grpo({
      ...{ ...size, advantage: "mean", aggregation: "token-mean", rewardKl: { coefficient: 0.5 } },
      ...{ oldPolicy: "scored", epochs: 2, minibatches: 2, overlong: { buffer: 4, factor: 1 } },
      correction: { name: "token", cap },
    }),
  );
  const teaching = answers.filter(({ reward }) => reward !== null);
  const rewards = teaching.map((answer) => {
    const tokens = learned(answer);
    const kl = tokens.reduce((sum, { token, t }) => sum + sampled(token) - reference(token, t), 0);
    const longest = Math.max(...answer.turns.filter((_, i) => i % 2 === 0).map(({ length }) => length));
    return answer.reward! - 0.5 * kl - Math.min(1, Math.max(0, longest - 2) / 4);
  });
  const advantages = rewards.map(
    (reward, i) => reward - mean(rewards.filter((_, j) => teaching[j]!.group === teaching[i]!.group)),
  );
  const weight = ({ token, t }: { readonly token: number; readonly t: number }): number =>
    Math.min(cap, Math.exp(old(token, t) - sampler(token)));
  const parts = shaped.steps.map(({ rows }) => {
    const part = Array.from({ length: rows.rows }, (_, row) => answerOf(rows, row));
    part.forEach((answer, row) => {
      const tokens = answers[answer] ? learned(answers[answer]) : [];
      const column = (values: Float32Array | undefined): number[] =>
        tokens.map(({ t }) => values?.[row * rows.length + t] ?? Number.NaN);
      same(
        "advantage",
        column(rows.advantages),
        tokens.map(() => advantages[answer]!),
      );
      same(
        "old",
        column(rows.oldLogProbabilities),
        tokens.map(({ token, t }) => old(token, t)),
      );
      same(
        "reference",
        column(rows.referenceLogProbabilities),
        tokens.map(({ token, t }) => reference(token, t)),
      );
      same("importance", column(rows.importance), tokens.map(weight));
    });
    return part.toSorted();
  });
  same("rows of an epoch", parts.slice(0, 2).flat().toSorted(), [0, 1, 2, 3]);
  same("rows of an epoch", parts.slice(2).flat().toSorted(), [0, 1, 2, 3]);
  if (String(parts[0]) === String(parts[2])) wrong ??= "both epochs have one order";
  if ([parts[0], parts[2]].every((part) => String(part) === "0,1")) wrong ??= "rows are not shuffled";
  const [result] = shaped.results as [PolicyUpdateResult];
  const every = teaching.flatMap(learned);
  const d = every.map(({ token, t }) => sampled(token) - reference(token, t));
  same("KL", [result.referenceKl], [mean(d.map((it) => Math.exp(-it) - 1 + it))]);
  same("mean importance", [result.importance], [mean(every.map(weight))]);
  if (!(result.effectiveSampleShare > 0.5 && result.effectiveSampleShare <= 1))
    wrong ??= "share of the sample";
  const { loss, gradientNorm, tokens } = result.step!;
  same("figures", [loss, gradientNorm, tokens], [2.5, 12.5, 50]);

  const taught = await run(grpo({ ...size, advantage: "mean" }), new Set([1]));
  same(
    "taught",
    Array.from({ length: taught.steps[0]!.rows.rows }, (_, row) => answerOf(taught.steps[0]!.rows, row)),
    [2, 3],
  );
  const { rows: cloned } = (await run(filteredCloning({ ...size, successAt: 0.75 }))).steps[0]!;
  same(
    "clones",
    Array.from({ length: cloned.rows }, (_, row) => answerOf(cloned, row)),
    [0, 3],
  );
  same("clones' advantages", [...new Set(cloned.advantages.filter((it) => it !== 0))], [1]);

  // Far above its target the KL's weight grows by 0.2 x rollouts / horizon an update.
  const adaptiveKl = { target: 1e-6, horizon: 100 };
  const kl = { coefficient: 0.1, estimator: "k3" } as const;
  const adapted = await run(grpo({ ...size, kl, adaptiveKl }), null, 2);
  same(
    "KL's weight",
    adapted.steps.map(({ config }) => config.kl!.coefficient),
    [0.1, 0.101],
  );
  same("KL's factor", [adapted.factor], [1.01 ** 2]);
  return wrong;
}

import { describe, expect, test } from "vitest";
import { policyUpdateDifference } from "../../test/support/check-policy-update.ts";
import { expectClose } from "../../test/support/goldens.ts";
import { createCpuLanguageEngine } from "../lm/cpu-language-engine.ts";
import type { LanguageEngine, TokenLossConfig, TokenRows } from "../lm/language-engine.ts";
import { characterTokenizer } from "../lm/tokenizer.ts";
import { filteredCloning, grpo, type LanguageAlgorithm } from "../rl/grpo.ts";
import { dapo, drGrpo, gspo, rloo } from "../rl/grpo-family.ts";
import { characterPolicy, policyShape } from "./character-policy.ts";
import { PolicyUpdate, type PolicyUpdateResult } from "./policy-update.ts";
import type { MadeRollout } from "./rollout-batch.ts";
import { sequenceRatioRows } from "./sequence-ratio.ts";

const tokenizer = characterTokenizer("abcd");
const shape = policyShape(characterPolicy({ alphabet: "abcd", width: 16, maxLength: 16 }));

/** Four tasks, four answers each, sampled at a temperature of 1.3: the share of a's is the reward. */
async function sampled(engine: LanguageEngine): Promise<MadeRollout[]> {
  const tasks = ["ab", "cd", "a", "dd"];
  const requests = tasks.flatMap((task, group) =>
    [0, 1, 2, 3].map((sample) => ({
      prompt: tokenizer.renderChat([{ role: "user", content: task }]),
      ...{ maxTokens: 6, temperature: 1.3, stopTokens: [2], allowed: tokenizer.answerIds },
      seed: 10 * group + sample,
    })),
  );
  const generations = await engine.generate(requests);
  return generations.map((made, number) => {
    const reward = [...made.tokens].filter((id) => id === 4).length / made.tokens.length;
    const call = { promptTokens: requests[number]!.prompt, responseTokens: made.tokens, ...made };
    const group = Math.floor(number / 4);
    return {
      ...{ number, group, sample: number % 4, task: tasks[group], attempts: [] },
      final: { calls: [call] },
      // The third task teaches nothing.
      score: { ok: true, components: { share: group === 2 ? 1 : reward }, weights: { share: 1 } },
    } as unknown as MadeRollout;
  });
}

interface Seen {
  readonly result: PolicyUpdateResult;
  readonly steps: readonly { readonly rows: TokenRows; readonly config: TokenLossConfig }[];
}

/** One update on a fresh engine, and what the engine was asked for. */
async function update(
  algorithm: LanguageAlgorithm,
  taught: ReadonlySet<number> | null = null,
): Promise<Seen> {
  const { results, steps } = await updates(algorithm, 1, taught);
  return { result: results[0]!, steps };
}

/** Updates with the same rollouts each. */
async function updates(
  algorithm: LanguageAlgorithm,
  count: number,
  taught: ReadonlySet<number> | null = null,
): Promise<
  Pick<Seen, "steps"> & { readonly results: readonly PolicyUpdateResult[]; readonly factor: number }
> {
  const engine = await createCpuLanguageEngine(shape, { seed: 1 });
  const reference = await createCpuLanguageEngine(shape, { seed: 2 });
  const rollouts = await sampled(engine);
  const steps: { rows: TokenRows; config: TokenLossConfig }[] = [];
  const watched: LanguageEngine = Object.create(engine, {
    step: {
      value: (rows: TokenRows, config: TokenLossConfig) => {
        steps.push({ rows, config });
        return engine.step(rows, config);
      },
    },
    score: { value: (rows: TokenRows) => engine.score(rows) },
  }) as LanguageEngine;
  const policyUpdate = new PolicyUpdate({
    ...{ engine: watched, algorithm, allowed: tokenizer.answerIds, seed: 1 },
    reference: () => Promise.resolve(reference),
  });
  const results: PolicyUpdateResult[] = [];
  for (let at = 1; at <= count; at++) results.push(await policyUpdate.run(rollouts, taught, at));
  return { results, steps, factor: policyUpdate.klFactor };
}
const learned = ({ rows }: Seen["steps"][number]): number => rows.weights.filter((w) => w > 0).length;

describe("an update of a language policy", () => {
  test("is what its equations say: rewards, rows, minibatches, columns, figures", async () => {
    expect(await policyUpdateDifference(PolicyUpdate)).toBe(null);
  });

  test("on its own samples every clipped surrogate begins as REINFORCE", async () => {
    const plain = {
      maxTokens: 6,
      entropyCoefficient: 0,
      advantage: "mean",
      aggregation: "token-mean",
    } as const;
    const norms: number[] = [];
    for (const algorithm of [
      grpo(plain),
      grpo({ ...plain, surrogate: "likelihood" }),
      grpo({ ...plain, surrogate: "cispo" }),
      gspo({ ...plain, minibatches: 1 }),
    ]) {
      norms.push((await update(algorithm)).result.step!.gradientNorm);
    }
    for (const norm of norms) expectClose(norm, norms[0]!, { absolute: 0, relative: 1e-4 });
  });

  test("epochs and minibatches see every row once a pass; later ones leave the old policy", async () => {
    const once = await update(grpo({ maxTokens: 6 }));
    const { steps, result } = await update(
      grpo({ maxTokens: 6, epochs: 2, minibatches: 3, learningRate: 0.02 }),
    );
    expect(steps.length).toBe(6);
    const tokens = steps.map(learned);
    const all = learned(once.steps[0]!);
    expect(tokens.slice(0, 3).reduce((a, b) => a + b)).toBe(all);
    expect(tokens.slice(3).reduce((a, b) => a + b)).toBe(all);
    expect(once.result.step!.approximateKl).toBeLessThan(1e-9);
    expect(result.step!.approximateKl).toBeGreaterThan(1e-4);
    const cloned = await update(filteredCloning({ maxTokens: 6, successAt: 0, epochs: 2, minibatches: 3 }));
    expect(cloned.steps.map(learned)).toEqual(tokens);
  });

  test("the sampler's temperature is corrected: weights are pi_old / pi_sampler, capped", async () => {
    const { steps, result } = await update(grpo({ maxTokens: 6, correction: { name: "token", cap: 1.05 } }));
    const { importance, weights } = steps[0]!.rows;
    const used = [...importance].filter((_, at) => weights[at]! > 0);
    expect(Math.max(...used)).toBeCloseTo(1.05, 6);
    expect(Math.min(...used)).toBeLessThan(1);
    expectClose(result.importance, used.reduce((a, b) => a + b) / used.length, {
      absolute: 1e-6,
      relative: 0,
    });
    expect(result.effectiveSampleShare).toBeLessThan(1);
    const uncorrected = await update(grpo({ maxTokens: 6 }));
    expect([...new Set(uncorrected.steps[0]!.rows.importance)]).toEqual([1]);
  });

  test("a sequence's ratio is weighed and counted: loss, clipped share", async () => {
    const { steps } = await update(gspo({ maxTokens: 6, minibatches: 1 }));
    const { rows } = steps[0]!;
    const plain = { clipLow: 0.2, clipHigh: 0.2 };
    // Every answer half as likely again as it was: A > 0 is clipped.
    const now = rows.oldLogProbabilities.map((old) => old + Math.log(1.5));
    const once = sequenceRatioRows({ ...rows, advantages: rows.advantages.map(() => 2) }, now, plain);
    expect([once.loss, once.clipFraction]).toEqual([expect.closeTo(-2 * 1.2, 5), 1]);
    const half = { ...rows, advantages: rows.advantages.map(() => -2) };
    const weighed = { ...half, importance: half.importance.map(() => 0.5) };
    expect(sequenceRatioRows(weighed, now, plain).loss).toBeCloseTo(2 * 1.5 * 0.5, 5);
    // What teaches nothing is not clipped.
    expect(
      sequenceRatioRows({ ...rows, advantages: rows.advantages.map(() => 0) }, now, plain).clipFraction,
    ).toBe(0);
  });

  test("KL in the loss reads the reference's log-probabilities, KL in the reward moves advantages", async () => {
    const inLoss = await update(grpo({ maxTokens: 6, kl: { coefficient: 0.1, estimator: "k3+" } }));
    const { rows } = inLoss.steps[0]!;
    const reference = await createCpuLanguageEngine(shape, { seed: 2 });
    const { logProbabilities } = await reference.score(rows);
    rows.weights.forEach((weight, at) => {
      if (weight > 0) expect(rows.referenceLogProbabilities![at]).toBe(logProbabilities[at]);
    });
    expect(inLoss.result.referenceKl).toBeGreaterThan(0);
    const inReward = await update(grpo({ maxTokens: 6, rewardKl: { coefficient: 0.5 } }));
    const without = await update(grpo({ maxTokens: 6 }));
    expect(inReward.result.credit.rewards).toEqual(without.result.credit.rewards);
    // The group whose rewards are all equal now tells its siblings apart.
    expect(without.result.credit.kept[8]).toBe(false);
    expect(inReward.result.credit.kept[8]).toBe(true);
    expect(() => grpo({ kl: { coefficient: 0.1, estimator: "k1" } })).toThrow(/0 in expectation/);
  });

  test("the KL's weight follows what was measured, in the loss and in the reward alike", async () => {
    const adaptiveKl = { target: 1e-6, horizon: 160 };
    const kl = { coefficient: 0.1, estimator: "k3" } as const;
    const inLoss = await updates(grpo({ groups: 4, groupSize: 4, maxTokens: 6, kl, adaptiveKl }), 2);
    // Far above its target: 1 + 0.2 x 16 / 160 an update.
    expect(inLoss.results.map(({ klCoefficient }) => klCoefficient)).toEqual([0.1, 0.1 * 1.02]);
    expect(inLoss.steps.map(({ config }) => config.kl)).toEqual([kl, { ...kl, coefficient: 0.1 * 1.02 }]);
    expect(inLoss.factor).toBeCloseTo(1.02 ** 2, 12);
    const reward = { groups: 4, groupSize: 4, maxTokens: 6, rewardKl: { coefficient: 0.1 } };
    const [first, second] = (
      await updates(grpo({ ...reward, adaptiveKl: { ...adaptiveKl, target: 100 } }), 2)
    ).results;
    expect([first!.klCoefficient, second!.klCoefficient]).toEqual([0.1, 0.1 * 0.98]);
    const still = (await updates(grpo(reward), 2)).results;
    expect(first!.credit.advantages).toEqual(still[0]!.credit.advantages);
    expect(second!.credit.advantages).not.toEqual(still[1]!.credit.advantages);
    expect(() => grpo({ adaptiveKl })).toThrow(/no coefficient to move/);
    expect(() => grpo({ kl, adaptiveKl: { target: 0, horizon: 1e4 } })).toThrow(/target of 0 nats/);
    expect(() => grpo({ kl, adaptiveKl: { target: 0.1, horizon: 255 } })).toThrow(/an update makes 256/);
    expect(() => grpo({ kl: { ...kl, coefficient: -1 } })).toThrow(/-1 cannot be used/);
  });

  test("DAPO learns from the groups that it was given, and punishes overlong answers", async () => {
    const { steps } = await update(dapo({ maxTokens: 6 }), new Set([0, 3]));
    expect(steps[0]!.rows.rows).toBe(8);
    const long = await update(dapo({ maxTokens: 6, overlong: { buffer: 3, factor: 1 } }));
    // Equal rewards, unequal lengths.
    expect(long.result.credit.kept[8]).toBe(true);
    expect(Math.max(...long.result.credit.rewards)).toBe(1);
  });

  test("a rollout of several calls: parts go on from row to row, and its longest answer is what is overlong", async () => {
    const engine = await createCpuLanguageEngine(shape, { seed: 1 });
    const call = (task: string, response: readonly number[]): object => ({
      promptTokens: tokenizer.renderChat([{ role: "user", content: task }]),
      responseTokens: Int32Array.from(response),
      logProbabilities: Float32Array.from(response, () => -1),
    });
    // The second conversation is another one: two rows.
    const rollouts = [0, 1].map(
      (sample) =>
        ({
          ...{ number: sample, group: 0, sample, task: null, attempts: [] },
          final: { calls: [call("a", [4, 5, 2]), call("b", sample === 0 ? [4, 2] : [5, 5, 2])] },
          score: { ok: true, components: { each: sample === 0 ? [1, 2, 3, 4, 5] : [1, 0, 0, 0, 0, 6] } },
        }) as unknown as MadeRollout,
    );
    rollouts.forEach(({ score }) => Object.assign(score!, { weights: { each: 1 } }));
    let rows: TokenRows | null = null;
    const watched = Object.create(engine, {
      step: { value: (given: TokenRows, config: TokenLossConfig) => engine.step((rows = given), config) },
    }) as LanguageEngine;
    const learn = async (algorithm: LanguageAlgorithm): Promise<readonly number[][]> => {
      const updating = new PolicyUpdate({
        ...{ engine: watched, algorithm, allowed: tokenizer.answerIds, seed: 1 },
        reference: () => Promise.resolve(engine),
      });
      const { credit } = await updating.run(rollouts, null, 1);
      const { length, advantages, weights } = rows!;
      const learned = [0, 1, 2, 3].map((row) =>
        [...advantages.subarray(row * length, (row + 1) * length)].filter(
          (_, t) => weights[row * length + t]! > 0,
        ),
      );
      return [...learned, [...credit.advantages]];
    };
    // The first cut to two tokens, the second goes on with the fourth part; the sixth is the other's mean where it has none.
    expect(await learn(grpo({ maxTokens: 4, responseLength: 2 }))).toMatchObject([
      [0, 1],
      [2, 2.5],
      [0, -1],
      [-2, -2.5],
      [expect.closeTo(11 / 12), expect.closeTo(-11 / 12)],
    ]);
    const long = dapo({ maxTokens: 4, advantage: "mean", overlong: { buffer: 2, factor: 1 } });
    // Three tokens of four are the longest of either: no sum of answers is punished.
    expect((await learn(long)).at(-1)).toEqual([expect.closeTo(11 / 12), expect.closeTo(-11 / 12)]);
  });

  test("RLOO and Dr.GRPO weigh as their papers say; cloning takes what succeeded", async () => {
    const tokens = (await update(rloo({ maxTokens: 6, responseLength: 8 }))).steps[0]!.rows;
    expect(Math.max(...tokens.weights)).toBeCloseTo(1 / 16, 7);
    const constant = (await update(drGrpo({ maxTokens: 6, responseLength: 8 }))).steps[0]!.rows;
    expect(Math.max(...constant.weights)).toBeCloseTo(1 / 16 / 8, 7);
    const clones = (await update(filteredCloning({ maxTokens: 6, successAt: 1 }))).steps[0]!;
    expect(clones.rows.rows).toBeGreaterThanOrEqual(4);
    expect(clones.rows.rows).toBeLessThan(16);
    expect(clones.config.kind).toBe("likelihood");
  });
});

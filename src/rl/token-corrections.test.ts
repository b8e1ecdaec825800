import { expect, test } from "vitest";
import { expectClose, golden } from "../../test/support/goldens.ts";
import { importMutated } from "../../test/support/mutation.ts";
import * as objectives from "../kernels/token-objective.ts";
import { categorical, logProbabilityGradient } from "../kernels/reference/categorical.ts";
import { adaptedKl } from "./adaptive-kl.ts";
import { preferenceTerm, type PreferenceLoss } from "./preference-losses.ts";
import * as shaping from "./reward-shaping.ts";
import * as corrections from "./rollout-correction.ts";
import { aggregationWeights } from "./token-losses.ts";

const ones = (count: number): number[] => Array<number>(count).fill(1);
/** Values of a row, one for each of its five tokens. */
const spread = (perRow: readonly number[]): number[] => perRow.flatMap((value) => ones(5).map(() => value));

function checkCorrections(module: typeof corrections): void {
  const g = golden("rollout_correction");
  const input = {
    ...{ rows: 6, length: 5, mask: g.input("mask") },
    oldLogProbabilities: g.input("old_logp"),
    samplerLogProbabilities: g.input("sampler_logp"),
  };
  const of = (kind: corrections.RolloutCorrection): Float64Array =>
    module.correctRollouts(kind, input).importance;
  const masked = (values: readonly number[]): number[] => values.map((v, i) => v * input.mask[i]!);
  expectClose(of({ name: "token", cap: 2 }), masked(g.output("token_tis")));
  expectClose(of({ name: "sequence", cap: 2 }), masked(spread(g.output("sequence_tis"))));
  expectClose(of({ name: "token-mask", low: 0.5, high: 2 }), masked(g.output("token_mask_mis")));
  // The golden's ranges leave every sequence out; wider ones must not.
  const inside = (values: readonly number[], low: number, high: number): number[] =>
    masked(spread(values.map((v) => Number(v >= low && v <= high))));
  const [ratios, means] = [g.output("sequence_ratio"), g.output("geo_mean_ratio")];
  expect(inside(ratios, 0.5, 2)).toEqual(masked(spread(g.output("seq_mask_mis"))));
  expect(inside(means, 0.9, 1.1)).toEqual(masked(spread(g.output("geo_keep"))));
  for (const [low, high] of [
    [0.5, 2],
    [0.3, 3],
  ] as const) {
    expectClose(of({ name: "sequence-mask", low, high }), inside(ratios, low, high));
  }
  for (const [low, high] of [
    [0.9, 1.1],
    [0.7, 1.3],
  ] as const) {
    expectClose(of({ name: "geometric-mean", low, high }), inside(means, low, high));
  }
  const k3 = g.output("seq_mean_k3");
  const limit = k3.toSorted((a, b) => a - b)[3]!;
  expectClose(of({ name: "k3", limit }), masked(spread(k3.map((v) => (v < limit ? 1 : 0)))));
  const { effectiveSampleShare, samplerKl } = module.correctRollouts({ name: "token", cap: 2 }, input);
  expectClose(effectiveSampleShare, g.scalar("ess_fraction_seq"));
  const counts = spread([1, 1, 1, 1, 1, 1]).map((_, i) => input.mask[i]!);
  const tokens = [0, 1, 2, 3, 4, 5].map((row) =>
    counts.slice(5 * row, 5 * row + 5).reduce((a, b) => a + b, 0),
  );
  const whole = tokens.reduce((a, b) => a + b, 0);
  expectClose(samplerKl, k3.reduce((sum, mean, row) => sum + mean * tokens[row]!, 0) / whole);
}

test("rollout_correction: every weight, and the effective sample size", () => {
  checkCorrections(corrections);
});

test("a weight at either end of its range is within it", () => {
  const input = {
    ...{ rows: 1, length: 3, mask: [1, 1, 1], samplerLogProbabilities: [0, 0, 0] },
    oldLogProbabilities: [Math.log(0.5), 0, Math.log(2)],
  };
  const [low, , high] = input.oldLogProbabilities.map(Math.exp) as [number, number, number];
  const { importance } = corrections.correctRollouts({ name: "token-mask", low, high }, input);
  expect([...importance]).toEqual([1, 1, 1]);
});

test.each([
  [
    "the weight is upside down",
    "oldLogProbabilities[at]! - samplerLogProbabilities[at]!",
    "samplerLogProbabilities[at]! - oldLogProbabilities[at]!",
  ],
  ["a token's weight is not truncated", "return Math.min(weight, correction.cap)", "return weight"],
  [
    "a sequence's weight is its tokens' mean",
    "return Math.min(Math.exp(total), correction.cap)",
    "return Math.min(Math.exp(total / tokens), correction.cap)",
  ],
])("a seeded fault is caught: %s", async (_, find, replace) => {
  const faulty = await importMutated<typeof corrections>(import.meta.url, "./rollout-correction.ts", {
    find,
    replace,
  });
  expect(() => {
    checkCorrections(faulty);
  }).toThrow(/expected/);
});

const clip = { kind: "policy", clipLow: 0.2, clipHigh: 0.2, dualClip: null, entropyCoefficient: 0 } as const;

test.each(["token", "sequence"] as const)("rollout_correction: the loss with %s weights", (name) => {
  const g = golden("rollout_correction");
  const mask = g.input("mask");
  const { importance } = corrections.correctRollouts(
    { name, cap: 2 },
    {
      ...{ rows: 6, length: 5, mask },
      ...{ oldLogProbabilities: g.input("old_logp"), samplerLogProbabilities: g.input("sampler_logp") },
    },
  );
  const weights = aggregationWeights({ name: "token-mean" }, mask, 6, 5);
  const advantages = spread(g.input("advantages"));
  const terms = g
    .input("logp")
    .map((logp, i) =>
      objectives.tokenTerm(clip, logp, g.input("old_logp")[i]!, advantages[i]!, importance[i]!),
    );
  const key = name === "token" ? "tis" : "seq_tis";
  const [loss, gradient] =
    name === "token" ? ["loss_token_tis", "grad_token_tis"] : [`loss_${key}`, `grad_${key}`];
  expectClose(
    terms.reduce((sum, term, i) => sum + weights[i]! * term.loss, 0),
    g.scalar(loss),
  );
  expectClose(
    terms.map(({ slope }, i) => weights[i]! * slope),
    g.output(gradient),
  );
});

function checkKl(module: typeof objectives): void {
  const g = golden("grpo_with_k3");
  const weights = aggregationWeights({ name: "sequence-mean-token-mean" }, g.input("mask"), 6, 5);
  const advantages = spread(g.input("advantages"));
  const objective = { ...clip, kl: { coefficient: 0.04, estimator: "k3" } } as const;
  const terms = g.input("logp").map((logp, i) => {
    const [old, reference] = [g.input("old_logp")[i]!, g.input("ref_logp")[i]!];
    return module.tokenTerm(objective, logp, old, advantages[i]!, 1, Math.exp, reference);
  });
  expectClose(
    terms.reduce((sum, term, i) => sum + weights[i]! * term.loss, 0),
    g.scalar("loss"),
  );
  expectClose(
    terms.map(({ slope }, i) => weights[i]! * slope),
    g.output("grad"),
  );
  const k3 = g.input("logp").map((logp, i) => module.klTerm("k3", logp, g.input("ref_logp")[i]!).value);
  expectClose(
    k3.map((v, i) => v * g.input("mask")[i]!),
    g.output("k3").map((v, i) => v * g.input("mask")[i]!),
  );
  const samples = golden("kl_estimators");
  for (const estimator of ["k1", "k2", "k3"] as const) {
    const values = samples
      .input("logp")
      .map((p, i) => module.klTerm(estimator, p, samples.input("logq")[i]!).value);
    expectClose(values, samples.output(estimator), undefined, estimator);
    const mean = values.reduce((sum, v, i) => sum + v * Math.exp(samples.input("logp")[i]!), 0);
    expectClose(mean, samples.scalar(`E_${estimator}`), undefined, `mean of ${estimator}`);
  }
  const gradients = golden("kl_estimator_gradients");
  const policy = categorical(gradients.input("logits_p"));
  const logq = gradients.input("logq");
  const expected = { k1: "grad_k1", k2: "grad_k2", k3: "grad_k3", "k3+": "true_grad_kl_p_q" } as const;
  for (const [estimator, output] of Object.entries(expected) as [objectives.KlEstimator, string][]) {
    const gradient = new Float64Array(7);
    policy.probabilities.forEach((p, action) => {
      const { slope } = module.klTerm(estimator, policy.logProbabilities[action]!, logq[action]!);
      logProbabilityGradient(policy, action).forEach((d, k) => (gradient[k]! += p * slope * d));
    });
    expectClose(gradient, gradients.output(output), undefined, `gradient of ${estimator}`);
  }
}

test("grpo_with_k3, kl_estimators and the gradients of the estimators", () => {
  checkKl(objectives);
});

test.each([
  ["k3 of the wrong direction", "const inverse = exp(-d);", "const inverse = exp(d);"],
  ["k2 without its half", "(d * d) / 2", "d * d"],
  ["k3+ has the gradient of k3", 'estimator === "k3" ? 1 - inverse : d', "1 - inverse"],
  ["the KL term is a bonus", "slope: term.slope + coefficient", "slope: term.slope - coefficient"],
])("a seeded fault is caught: %s", async (_, find, replace) => {
  const faulty = await importMutated<typeof objectives>(import.meta.url, "../kernels/token-objective.ts", {
    find,
    replace,
  });
  expect(() => {
    checkKl(faulty);
  }).toThrow(/expected/);
});

test("dpo: DPO, IPO and conservative DPO", () => {
  const g = golden("dpo");
  const terms = (kind: PreferenceLoss) =>
    [0, 1, 2, 3].map((i) =>
      preferenceTerm(kind, {
        chosen: g.input("policy_chosen")[i]!,
        rejected: g.input("policy_rejected")[i]!,
        referenceChosen: g.input("ref_chosen")[i]!,
        referenceRejected: g.input("ref_rejected")[i]!,
      }),
    );
  const loss = (kind: PreferenceLoss): number => terms(kind).reduce((sum, term) => sum + term.loss / 4, 0);
  expectClose(loss({ name: "dpo", beta: 0.1 }), g.scalar("loss_dpo"));
  expectClose(loss({ name: "ipo", beta: 0.1 }), g.scalar("loss_ipo"));
  expectClose(loss({ name: "dpo", beta: 0.1, labelSmoothing: 0.1 }), g.scalar("loss_cdpo"));
  const dpo = terms({ name: "dpo", beta: 0.1 });
  expectClose(
    dpo.map(({ slope }) => slope / 4),
    g.output("grad_chosen"),
  );
  expectClose(
    dpo.map(({ slope }) => -slope / 4),
    g.output("grad_rejected"),
  );
  expectClose(
    dpo.map(({ chosenReward }) => chosenReward),
    g.output("chosen_reward"),
  );
  expectClose(
    dpo.map(({ rejectedReward }) => rejectedReward),
    g.output("rejected_reward"),
  );
  // No golden has the slopes of the other two: finite differences.
  for (const kind of [
    { name: "ipo", beta: 0.1 },
    { name: "dpo", beta: 0.3, labelSmoothing: 0.2 },
  ] as const) {
    const at = (chosen: number) =>
      preferenceTerm(kind, { chosen, rejected: -3, referenceChosen: -4, referenceRejected: -2.5 });
    expectClose((at(-2 + 1e-5).loss - at(-2 - 1e-5).loss) / 2e-5, at(-2).slope, {
      absolute: 1e-6,
      relative: 0,
    });
  }
});

test("adaptive_kl", () => {
  const g = golden("adaptive_kl");
  let beta = 0.1;
  const betas = g.input("kl").map((kl) => {
    beta = adaptedKl(beta, kl, { target: 0.06, horizon: 10_000 }, 256);
    return beta;
  });
  expectClose(betas, g.output("beta"));
});

test("soft_overlong", () => {
  const overlong = golden("soft_overlong");
  const penalties = overlong
    .input("lengths")
    .map((length) => shaping.overlongPenalty(length, { most: 20, buffer: 4, factor: 1 }));
  expectClose(penalties, overlong.output("penalty"));
  expect(shaping.overlongPenalty(25, { most: 20, buffer: 4, factor: 0.5 })).toBe(-0.5);
});

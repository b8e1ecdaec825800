import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { expectClose, golden } from "../../test/support/goldens.ts";
import { importMutated } from "../../test/support/mutation.ts";
import * as losses from "./token-losses.ts";
import type { TokenAggregation, TokenSurrogate } from "./token-losses.ts";

const surrogates: readonly (readonly [string, TokenSurrogate])[] = [
  ["reinforce", { name: "reinforce" }],
  ["ppo", { name: "ppo", low: 0.2, high: 0.2 }],
  ["clip_higher", { name: "ppo", low: 0.2, high: 0.28 }],
  ["dual_clip", { name: "ppo", low: 0.2, high: 0.2, dual: 3 }],
  ["gspo", { name: "gspo", low: 0.03, high: 0.04 }],
  ["gspo_verl", { name: "gspo", low: 0.03, high: 0.04 }],
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

test.each(surrogates)("token_policy_losses: %s", (name, surrogate) => {
  const g = golden("token_policy_losses");
  const mask = g.input("mask");
  const { values, slopes } = losses.tokenLosses(surrogate, {
    rows: 6,
    length: 5,
    logProbabilities: g.input("logp"),
    oldLogProbabilities: g.input("old_logp"),
    mask,
    advantages: mask.map((_, i) => g.input("advantages")[Math.floor(i / 5)]!),
  });
  expectClose(values, g.output(`${name}/per_token_times_mask`));
  for (const [key, aggregation] of aggregations) {
    const weights = losses.aggregationWeights(aggregation, mask, 6, 5);
    const loss = values.reduce((sum, v, i) => sum + v * weights[i]!, 0);
    expectClose(loss, g.scalar(`${name}/${key}`), undefined, key);
    const gradient = slopes.map((s, i) => s * weights[i]!);
    expectClose(gradient, g.output(`${name}/grad_${key}`), undefined, `gradient of ${key}`);
  }
});

interface TrainerCase {
  readonly mask: number[][];
  readonly adv: number[][];
  readonly rollout_ids: string[];
  readonly norm_adv: number[][];
  readonly old_log_prob: number[][];
  readonly log_prob: number[][];
  readonly is_weights: number[][] | null;
  readonly clip: { eps: number; low: number | null; high: number | null; c: number };
  readonly dp: number;
  readonly loss: number;
  readonly grad: number[][];
}

const trainer = JSON.parse(
  readFileSync(new URL("../../test/fixtures/v1.0-trainer-goldens.json", import.meta.url), "utf8"),
) as { policy_loss: TrainerCase[] };

/** The original's masked sum x data-parallel size, with the divisor in our weights instead of in its advantages. */
function checkTrainer(module: typeof losses): void {
  expect(trainer.policy_loss.length).toBe(40);
  trainer.policy_loss.forEach((c, index) => {
    const rows = c.mask.length;
    const length = c.mask[0]!.length;
    const mask = c.mask.flat();
    const weights = module.aggregationWeights(
      { name: "per-rollout-mean", rollouts: c.rollout_ids },
      mask,
      rows,
      length,
    );
    const advantages = c.adv.flat();
    expectClose(
      advantages.map((a, i) => a * weights[i]!),
      c.norm_adv.flat(),
      { absolute: 1e-15, relative: 1e-9 },
      `case ${index}: advantages`,
    );
    const { values, slopes } = module.tokenLosses(
      { name: "ppo", low: c.clip.low ?? c.clip.eps, high: c.clip.high ?? c.clip.eps, dual: c.clip.c },
      {
        rows,
        length,
        logProbabilities: c.log_prob.flat(),
        oldLogProbabilities: c.old_log_prob.flat(),
        mask,
        advantages,
      },
    );
    const scale = weights.map((w, i) => w * c.dp * (c.is_weights ? c.is_weights.flat()[i]! : 1));
    const loss = values.reduce((sum, v, i) => sum + v * scale[i]!, 0);
    expectClose(loss, c.loss, { absolute: 1e-12, relative: 1e-9 }, `case ${index}: loss`);
    expectClose(
      slopes.map((s, i) => s * scale[i]!),
      c.grad.flat(),
      { absolute: 1e-12, relative: 1e-9 },
      `case ${index}: gradient`,
    );
  });
}

test("Agent Lightning v1.0: all 40 policy losses and their gradients", () => {
  checkTrainer(losses);
});

test.each([
  [
    "rows are divided by their own tokens",
    "totals.get(aggregation.rollouts[row]!)! * rows",
    "counts[row]! * rows",
  ],
  ["dual clip is ignored", "(surrogate.dual ?? null)", "null"],
  ["high and low are swapped", "clipHigh: surrogate.high, dualClip", "clipHigh: surrogate.low, dualClip"],
])("a seeded fault is caught: %s", async (_, find, replace) => {
  const faulty = await importMutated<typeof losses>(import.meta.url, "./token-losses.ts", { find, replace });
  expect(() => {
    checkTrainer(faulty);
  }).toThrow(/expected/);
});

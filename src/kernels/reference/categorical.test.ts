import { expect, test } from "vitest";
import { expectClose, golden } from "../../../test/support/goldens.ts";
import { categorical, entropyGradient, logProbabilityGradient, sampleCategorical } from "./categorical.ts";

const rows = (data: readonly number[], width: number): number[][] =>
  Array.from({ length: data.length / width }, (_, r) => data.slice(r * width, (r + 1) * width));

test("masked_categorical", () => {
  const g = golden("masked_categorical");
  const masks = rows(g.input("mask"), 6);
  const policies = rows(g.input("logits"), 6).map((logits, r) => categorical(logits, masks[r]));
  const actions = g.input("actions");
  expectClose(
    policies.flatMap((p) => [...p.probabilities]),
    g.output("probs"),
  );
  expectClose(
    policies.map((p, r) => p.logProbabilities[actions[r]!]!),
    g.output("logp_action"),
  );
  expectClose(
    policies.map((p) => p.entropy),
    g.output("entropy"),
  );
  expectClose(
    policies.flatMap((p, r) => [...logProbabilityGradient(p, actions[r]!, masks[r])]),
    g.output("grad_sum_logp_wrt_logits"),
  );
  expectClose(
    policies.flatMap((p, r) => [...entropyGradient(p, masks[r])]),
    g.output("grad_sum_entropy_wrt_logits"),
  );
});

test("categorical_sampling by inverse CDF", () => {
  const g = golden("categorical_sampling");
  const masks = rows(g.input("mask"), 6);
  const chosen = rows(g.input("logits"), 6).map((logits, r) =>
    sampleCategorical(categorical(logits, masks[r]).probabilities, g.input("uniforms")[r]!),
  );
  expect(chosen).toEqual(g.output("inverse_cdf"));
});

test("where rounding leaves no action, it is the last that is likely at all", () => {
  expect(sampleCategorical([0.5, 0.4999, 0], 0.99995)).toBe(1);
});

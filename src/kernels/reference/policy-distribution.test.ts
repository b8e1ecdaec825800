import { expect, test } from "vitest";
import { expectClose, golden } from "../../../test/support/goldens.ts";
import { policyHead, splitAction } from "../action-space.ts";
import { actionTerms } from "./policy-distribution.ts";

test("multidiscrete: log-probability and entropy are sums over the factors", () => {
  const g = golden("multidiscrete");
  const head = policyHead({ actionCount: 15, actions: { kind: "factored", counts: [3, 5] } });
  const terms = Array.from({ length: 4 }, (_, r) => {
    const outputs = [
      ...g.input("logits_a").slice(r * 3, r * 3 + 3),
      ...g.input("logits_b").slice(r * 5, r * 5 + 5),
    ];
    const [a, b] = g.input("actions").slice(r * 2);
    return actionTerms(head, outputs, [], a! + 3 * b!);
  });
  expectClose(
    terms.map((t) => t.logProbability),
    g.output("logp"),
  );
  expectClose(
    terms.map((t) => t.entropy),
    g.output("entropy"),
  );
});

test("a factored action is one number", () => {
  const out = new Uint32Array(3);
  splitAction(1 + 2 * (2 + 3 * 4), [2, 3, 5], out);
  expect([...out]).toEqual([1, 2, 4]);
});

test("the normal distribution's density and entropy", () => {
  const head = policyHead({ actionCount: 0, actions: { kind: "continuous", low: -1, high: 1 } });
  // Known: N(0, 1) at 1 is exp(-1/2) / sqrt(2 pi); its entropy is log sqrt(2 pi e).
  const { logProbability, entropy } = actionTerms(head, [0.5], [0], 1.5);
  expect(Math.exp(logProbability)).toBeCloseTo(0.24197072451914337, 12);
  expect(entropy).toBeCloseTo(1.4189385332046727, 12);
  // The density of N(0.2, e^-0.7) sums to 1.
  let total = 0;
  for (let a = -10; a < 10; a += 0.001) {
    total += 0.001 * Math.exp(actionTerms(head, [0.2], [-0.7], a).logProbability);
  }
  expect(total).toBeCloseTo(1, 9);
});

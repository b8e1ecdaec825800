import { expect, test } from "vitest";
import { expectClose, f64Tolerance, golden } from "../../../test/support/goldens.ts";
import { maskedGae } from "./masked-gae.ts";

test("token-level GAE passes over observed tokens as in verl", () => {
  const g = golden("gae_multiturn_masked");
  const mask = g.input("mask");
  const { gamma, lambda } = g.params as { gamma: number; lambda: number };
  const made = maskedGae({
    rows: 2,
    length: 11,
    rewards: g.input("rewards"),
    values: g.input("values"),
    mask,
    gamma,
    lambda,
  });
  for (const name of ["advantages", "returns", "whitened"] as const) {
    const masked = Array.from(made[name], (value, i) => value * mask[i]!);
    expectClose(masked, g.output(`${name}_times_mask`), f64Tolerance);
  }
  expect(made.advantages).toHaveLength(22);
});

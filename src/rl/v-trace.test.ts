import { expect, test } from "vitest";
import { expectClose, golden } from "../../test/support/goldens.ts";
import { importMutated } from "../../test/support/mutation.ts";
import * as module from "./v-trace.ts";

function check({ vTrace }: typeof module): void {
  const g = golden("vtrace");
  const { targets, advantages } = vTrace({
    steps: 8,
    envs: 3,
    logRatios: g.input("log_rhos"),
    discounts: g.input("discounts"),
    rewards: g.input("rewards"),
    values: g.input("values"),
    lastValues: g.input("bootstrap_value"),
    maxRho: g.params["clip_rho"] as number,
    maxC: g.params["clip_c"] as number,
  });
  expectClose(targets, g.output("vs"), undefined, "targets");
  expectClose(advantages, g.output("pg_advantages"), undefined, "advantages");
}

test("vtrace", () => {
  check(module);
});

test.each([
  ["the ratio is not bounded", "Math.min(maxRho, ratio)", "ratio"],
  ["the trace is not cut", "Math.min(maxC, ratio)", "1"],
  ["the advantage bootstraps from V and not from the target", "* nextTarget - value", "* nextValue - value"],
])("a seeded fault is caught: %s", async (_, find, replace) => {
  const faulty = await importMutated<typeof module>(import.meta.url, "./v-trace.ts", { find, replace });
  expect(() => {
    check(faulty);
  }).toThrow(/expected/);
});

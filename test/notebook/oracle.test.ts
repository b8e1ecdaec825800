import { expect, test } from "vitest";
import { compareWithObservable } from "../support/observable-oracle.ts";

test("300 random graphs and edits of pure cells come to what they come to in Observable's runtime", async () => {
  const report = await compareWithObservable(300, 3);
  // The graphs have both: cells with values, and cells that duplicates, cycles and missing names leave without.
  expect(report.values).toBeGreaterThan(2_000);
  expect(report.without).toBeGreaterThan(500);
});

import { expect, test } from "vitest";
import { compareWithObservable } from "../support/observable-oracle.ts";

test("10,000 random graphs and edits of pure cells agree with Observable's runtime", async () => {
  const report = await compareWithObservable(10_000, 1);
  console.log(JSON.stringify(report));
  expect(report.graphs).toBe(10_000);
});

import { expect, test } from "vitest";
import type { Run } from "../store/records.ts";
import { newestOf } from "./notebook-runs.ts";

const run = (id: string, sweepRun?: number | null): Run => ({ id, job: { sweepRun } }) as unknown as Run;
const ids = (...newestFirst: Run[]): string[] => newestOf(newestFirst).map(({ id }) => id);

test("of a sweep all runs are shown again, of one before or of a single run none", () => {
  expect(ids(run("d", 1), run("c", 0), run("b", 1), run("a", 0))).toEqual(["c", "d"]);
  expect(ids(run("d"), run("c", 1), run("b", 0))).toEqual(["d"]);
  expect(ids(run("d", null), run("c", 1))).toEqual(["d"]);
  // The run in between was deleted.
  expect(ids(run("c", 2), run("a", 0))).toEqual(["c"]);
  expect(ids(run("c", 0), run("b", 1))).toEqual(["c"]);
});

import { expect, test } from "vitest";
import type { Rollout, RolloutQuery } from "../store/records.ts";
import { RolloutIndex, type RolloutPageQuery } from "./rollout-index.ts";
import { RolloutPages } from "./rollout-pages.ts";

const make = (number: number, more: Partial<Rollout> = {}): Rollout => ({
  id: `r/${number}`,
  runId: "r",
  number,
  update: 1,
  mode: "train",
  group: Math.floor(number / 2),
  sample: number % 2,
  task: `task ${number % 7}`,
  status: "succeeded",
  reason: null,
  message: null,
  result: "Done",
  reward: number % 3 === 2 ? null : (number * 7) % 5,
  components: {},
  advantage: null,
  attempts: 1,
  calls: 1,
  inputTokens: 1,
  outputTokens: number,
  policyVersion: 1,
  startTime: 0,
  endTime: number,
  ...more,
});

function indexOf(rollouts: readonly Rollout[]): (query: Partial<RolloutPageQuery>) => readonly number[] {
  const index = new RolloutIndex();
  index.add(rollouts);
  return (query) => index.page({ runId: "r", offset: 0, limit: 100, ...query }).numbers;
}

test("rollouts are filtered by mode, end and text, and paged", () => {
  const page = indexOf([
    make(0),
    make(1, { mode: "evaluation" }),
    make(2, { status: "failed" }),
    make(9, { task: { a: "Ü" } }),
  ]);
  expect(page({})).toEqual([0, 1, 2, 9]);
  expect(page({ mode: "train" })).toEqual([0, 2, 9]);
  expect(page({ status: ["failed"] })).toEqual([2]);
  expect(page({ text: "ü" })).toEqual([9]);
  expect(page({ text: "TASK 1" })).toEqual([1]);
  expect(page({ offset: 1, limit: 2, descending: true })).toEqual([2, 1]);
});

test("sorting puts what has no value last, both ways, and keeps ties in order", () => {
  const rewards = [1, null, 0, 1, null];
  const page = indexOf(rewards.map((reward, i) => make(i, { reward })));
  expect(page({ sortBy: "reward" })).toEqual([2, 0, 3, 1, 4]);
  expect(page({ sortBy: "reward", descending: true })).toEqual([0, 3, 2, 1, 4]);
});

test("siblings stay together, in the order of their best", () => {
  const rewards = [0.1, 0.9, 0.5, 0.6, null, 1];
  const page = indexOf(rewards.map((reward, i) => make(i, { reward })));
  expect(page({ sortBy: "reward", descending: true, siblings: true })).toEqual([5, 4, 1, 0, 3, 2]);
  expect(page({ siblings: true, descending: true })).toEqual([5, 4, 3, 2, 1, 0]);
  // The same held-out task after one update and after another: no siblings.
  const evaluations = [1, 1, 2, 2].map((update, i) =>
    make(i, { mode: "evaluation", update, group: i % 2, reward: [0.5, 0.1, 0.4, 0.2][i]! }),
  );
  expect(indexOf(evaluations)({ sortBy: "reward", siblings: true })).toEqual([1, 3, 2, 0]);
});

test("pages read each rollout once, what is unfinished again, and neighbours together", async () => {
  const rows = Array.from({ length: 5000 }, (_, i) => make(i));
  rows[4990] = make(4990, { status: "running", endTime: null });
  const asked: RolloutQuery[] = [];
  const pages = new RolloutPages({
    rollouts: (query) => {
      asked.push(query);
      const { afterNumber = -1, beforeNumber = Infinity, limit = Infinity } = query;
      return Promise.resolve(rows.slice(afterNumber + 1, Math.min(beforeNumber, afterNumber + 1 + limit)));
    },
  });
  const query = { runId: "r", sortBy: "number", descending: true, offset: 0, limit: 50 } as const;
  expect((await pages.page(query)).items.map(({ number }) => number)).toEqual(
    Array.from({ length: 50 }, (_, i) => 4999 - i),
  );
  expect(asked.map(({ afterNumber, beforeNumber }) => [afterNumber, beforeNumber])).toEqual([
    [-1, undefined],
    [1999, undefined],
    [3999, undefined],
    [4949, 5000],
  ]);
  rows[4990] = make(4990, { status: "failed" });
  rows.push(make(5000));
  expect(await pages.page({ ...query, status: ["failed"] })).toMatchObject({ total: 1, all: 5001 });
  expect(asked[4]!.afterNumber).toBe(4989);
});

test("text is found anywhere in task and answer, at once or bit by bit", async () => {
  const long = (number: number, end: string): string => `${"words ".repeat(100)}${number} ${end}`;
  const rows = Array.from({ length: 20_000 }, (_, i) =>
    make(i, {
      task: { question: long(i >> 3, i >> 3 === 100 ? "NEEDLE in the task" : "") },
      result: i === 19_000 ? long(i, "needle in the answer") : "yes",
    }),
  );
  const store = {
    rollouts: ({ afterNumber = -1, beforeNumber = Infinity, limit = Infinity }: RolloutQuery) =>
      Promise.resolve(rows.slice(afterNumber + 1, Math.min(beforeNumber, afterNumber + 1 + limit))),
  };
  const query = { runId: "r", text: "needle", offset: 0, limit: 50 } as const;
  const wanted = [...Array.from({ length: 8 }, (_, i) => 800 + i), 19_000];
  const whole = await new RolloutPages(store).page(query);
  expect(whole.items.map(({ number }) => number)).toEqual(wanted);
  expect(whole.unsearched).toBeUndefined();
  // Room for the first tasks only: the newest of the others are read first.
  const pages = new RolloutPages(store, 50_000);
  const first = await pages.page(query);
  expect(first.items.map(({ number }) => number)).toEqual([19_000]);
  expect(first.unsearched).toBeGreaterThan(10_000);
  const left: number[] = [first.unsearched!];
  let found = first;
  while (found.unsearched !== undefined) {
    found = await pages.page(query);
    left.push(found.unsearched ?? 0);
  }
  expect(found.items.map(({ number }) => number)).toEqual(wanted);
  expect(left).toEqual([...left].sort((a, b) => b - a));
  expect(left.length).toBeLessThan(5);
  // What comes later is looked through too, and what was found stays found.
  rows.push(make(20_000, { task: long(7, "another Needle"), result: long(8, "") }));
  expect((await pages.page(query)).total).toBe(wanted.length + 1);
  expect((await pages.page({ ...query, text: "7 another" })).items.map(({ number }) => number)).toEqual([
    20_000,
  ]);
  expect((await pages.page({ ...query, text: "words 2499" })).total).toBe(8);
});

test("200,000 rollouts are sorted in well under a second", () => {
  const index = new RolloutIndex();
  for (let start = 0; start < 200_000; start += 2000) {
    index.add(Array.from({ length: 2000 }, (_, i) => make(start + i, { outputTokens: (start + i) % 1000 })));
  }
  const start = process.cpuUsage();
  const query = { runId: "r", offset: 100_000, limit: 64 } as const;
  expect(index.page({ ...query, sortBy: "tokens", descending: true }).total).toBe(200_000);
  const { user } = process.cpuUsage(start);
  expect(user / 1000).toBeLessThan(2000);
  const again = process.cpuUsage();
  index.page({ ...query, sortBy: "tokens", descending: true, offset: 0 });
  expect(process.cpuUsage(again).user / 1000).toBeLessThan(50);
});

import { expect, test } from "vitest";
import type { Rollout } from "../store/records.ts";
import { answerHistories, spread } from "./answer-history.ts";
import { RolloutList } from "./rollout-list.ts";
import { rolloutsInMemory } from "./rollout-source.ts";
import { groupWords, leftOutWords, valueText } from "./rollout-words.ts";

const rollout = (number: number, more: Partial<Rollout> = {}): Rollout => ({
  id: `r/${number}`,
  runId: "r",
  number,
  update: 1,
  mode: "train",
  group: 0,
  sample: 0,
  task: "abcd",
  status: "succeeded",
  reason: null,
  message: null,
  result: "abcd",
  reward: 1,
  components: {},
  advantage: 0,
  attempts: 1,
  calls: 1,
  inputTokens: 1,
  outputTokens: 1,
  policyVersion: 0,
  startTime: 0,
  endTime: 1,
  ...more,
});
const failed = (reason: string): Partial<Rollout> => ({ status: "failed", reason, reward: null });

test("what was left out is counted by reason, a rollout without a reward too", () => {
  expect(
    leftOutWords([
      rollout(0),
      rollout(1, failed("threw")),
      rollout(2, failed("timed-out")),
      rollout(3, failed("timed-out")),
      rollout(4, { reward: null }),
    ]),
  ).toBe("4 of 5 rollouts left out: 2 timed out, 1 threw, 1 has no reward.");
  expect(leftOutWords([rollout(0)])).toBe("None of 1 rollout left out.");
  expect(groupWords([rollout(0), rollout(1)])).toMatch(/^All got 1: .* teaches nothing/);
  expect(groupWords([rollout(0), rollout(1, { reward: 0.25 })])).toMatch(
    /^Rewards from 0.25 to 1, mean 0.625/,
  );
});

test("tasks and results of any kind are one line", () => {
  expect([
    valueText("abc"),
    valueText({ kind: "sum", prompt: "1+2" }),
    valueText({ text: "SELECT a", finished: true }),
    valueText({ text: "SELECT a", finished: false }),
    valueText({ a: 1, b: 2 }),
    valueText([1, [2]]),
    valueText(null),
    valueText(7),
  ]).toEqual(["abc", "1+2", "SELECT a", "SELECT a …", "a: 1, b: 2", "[1,[2]]", "", "7"]);
  const asked = [
    { role: "system", content: "Be short." },
    { role: "user", content: [{ type: "text", text: "6 × 7?" }] },
  ];
  expect([valueText(asked), valueText({ messages: [...asked, { role: "assistant", content: "" }] })]).toEqual(
    ["6 × 7?", "6 × 7?"],
  );
});

test("answers are told apart by task and kept in the order of the run", () => {
  const held = (number: number, task: unknown, update: number, result: string, sample = 0): Rollout =>
    rollout(number, { mode: "evaluation", task, update, result, sample });
  const histories = answerHistories([
    held(5, { s: "b" }, 10, "late"),
    held(0, "a", 0, "x"),
    held(1, { s: "b" }, 0, "y"),
    held(2, "a", 0, "second sample", 1),
    rollout(3),
  ]);
  expect(histories.map(({ task, answers }) => [task, ...answers.map(({ result }) => result)])).toEqual([
    ["a", "x"],
    [{ s: "b" }, "y", "late"],
  ]);
  expect(spread([0, 1, 2, 3, 4, 5, 6, 7, 8], 5)).toEqual([8, 6, 4, 2, 0]);
  expect(spread([0, 1], 5)).toEqual([1, 0]);
});

test("rollouts are read page by page, none twice and none left out", async () => {
  const all = Array.from({ length: 700 }, (_, i) => rollout(i));
  const list = new RolloutList(rolloutsInMemory(all), "r");
  await Promise.all([list.more(), list.more()]);
  expect([list.rows.length, list.complete]).toEqual([512, false]);
  all.push(rollout(700), rollout(701));
  await list.refresh();
  await list.more();
  expect(list.complete).toBe(true);
  expect(list.rows.map(({ number }) => number)).toEqual(Array.from({ length: 702 }, (_, i) => 701 - i));
});

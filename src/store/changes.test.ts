import { afterEach, expect, test } from "vitest";
import type { StoreChange } from "./access.ts";
import { ChangeFeed, liveQuery } from "./changes.ts";

const feeds: ChangeFeed[] = [];
const open = (name: string | null): ChangeFeed => {
  const feed = new ChangeFeed(name);
  feeds.push(feed);
  return feed;
};
afterEach(() => {
  for (const feed of feeds.splice(0)) feed.close();
});

const change: StoreChange = { runId: "r", kinds: ["rollouts"] };
const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));

test("a change is told here at once, to tabs with the same store soon, and to no others", async () => {
  const [here, there, other] = [open("a"), open("a"), open("b")];
  const heard: string[] = [];
  here.subscribe(({ runId }) => heard.push(`here ${runId}`));
  there.subscribe(({ runId }) => heard.push(`there ${runId}`));
  other.subscribe(() => heard.push("other"));
  open(null).subscribe(() => heard.push("alone"));
  here.announce(change);
  expect(heard).toEqual(["here r"]);
  await soon();
  expect(heard).toEqual(["here r", "there r"]);
});

test("a live query reads again after changes that concern it, and once more after those during a reading", async () => {
  const [here, there] = [open("a"), open("a")];
  let value = 0;
  let release: () => void = () => undefined;
  const results: number[] = [];
  const stop = liveQuery(there, {
    read: async () => {
      const read = value;
      await new Promise<void>((resolve) => (release = resolve));
      return read;
    },
    concerns: ({ runId }) => runId === "r",
    onResult: (result) => results.push(result),
  });
  value = 1;
  here.announce(change);
  here.announce(change);
  await soon();
  release();
  await soon();
  release();
  await soon();
  expect(results).toEqual([0, 1]);
  here.announce({ ...change, runId: "another" });
  await soon();
  stop();
  here.announce(change);
  await soon();
  release();
  await soon();
  expect(results).toEqual([0, 1]);
});

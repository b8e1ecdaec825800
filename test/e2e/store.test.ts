import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { cell, rewrite, until } from "../support/notebook-page.ts";
import { picture } from "../support/picture.ts";
import { show, soon, StorePages } from "./store-page.ts";

// The store page of the built app, by mouse.
const pages = new StorePages();

const training = (updates: number): string => `export const run = await train({
  agent,
  reward,
  tasks,
  policy,
  algorithm: grpo({ groups: 4, groupSize: 4, updates: ${updates}, evaluateEvery: 4, evaluationTasks: 4, maxTokens: 5 }),
  engine: "cpu",
});`;

test("one tab trains and another follows: rollouts, siblings, traces, tokens, versions; then the page asks to persist", async () => {
  await pages.inBrowser(async (context) => {
    await context.addInitScript(() => {
      // The sandbox's frames have none.
      if (!("StorageManager" in globalThis)) return;
      const asked = { times: 0 };
      Object.assign(globalThis, { asked });
      const { persist } = StorageManager.prototype;
      StorageManager.prototype.persist = function () {
        asked.times++;
        return persist.call(this);
      };
    });
    const asked = (of: Page): Promise<number> =>
      of.evaluate(() => (globalThis as unknown as { asked: { times: number } }).asked.times);
    const store = await pages.openAt(context, "store");
    const notebook = await pages.openAt(context, "notebook=strings");
    await rewrite(notebook, "training", training(48));
    const run = cell(notebook, "training");
    await run.getByRole("button", { name: "Run training" }).click();
    await run.getByRole("button", { name: "Pause" }).waitFor();
    expect(await asked(notebook)).toBe(0);

    const count = async (): Promise<number> => {
      const text = await store.locator("fulgurite-rollout-table .count p").innerText({ timeout: 20_000 });
      return Number(/[\d,]+/.exec(text)?.[0].replaceAll(",", "") ?? 0);
    };
    const seen = new Set<number>();
    await until(
      async () => {
        seen.add(await count());
        return count();
      },
      (rollouts) => rollouts >= 48 * 16 + 4,
      "all rollouts to be followed",
    );
    expect([...seen].length).toBeGreaterThan(2);
    await until(
      () => asked(notebook),
      (times) => times > 0,
      "the page to ask for storage that stays",
    );

    // Filtered, sorted, with siblings; then one of them.
    await store.getByLabel("Which rollouts").selectOption("train");
    await store.getByRole("button", { name: "Reward", exact: true }).click();
    await store.getByLabel("Siblings together").check();
    await soon(() => store.locator("tr.group").count()).toBeGreaterThan(0);
    await picture(store, "rollouts");
    await store.locator("tr.row").first().click();
    const dialog = store.getByRole("dialog", { name: /^Rollout/ });
    await dialog.getByRole("heading", { name: "Siblings" }).waitFor();
    const trace = dialog.locator("fulgurite-trace");
    await soon(() => trace.locator("li").count()).toBeGreaterThan(2);
    expect(await trace.locator(".bar i").count()).toBe(await trace.locator("button.row").count());
    await trace.getByRole("button", { name: /^Reward/ }).waitFor();
    expect(await trace.locator(".chip").count()).toBeGreaterThan(3);
    await picture(store, "trace");
    await store.keyboard.press("Escape");

    // A second run with another reward is another version, and the page says what differs.
    await rewrite(
      notebook,
      "reward",
      `export const reward = defineReward((word: string, answer: string) => Number(answer.length > 2));`,
    );
    await rewrite(notebook, "training", training(1));
    await cell(notebook, "training").getByRole("button", { name: "Run training" }).click();
    await show(store, "Resources");
    const sets = store.getByRole("combobox", { name: "Resources" });
    await soon(async () => (await sets.locator("option").allTextContents()).join()).toMatch(
      /: job\S*,\s+version 2/,
    );
    const set = await sets.locator("option", { hasText: /: job\S*, version 2/ }).getAttribute("value");
    await sets.selectOption(set);
    await store.locator("fulgurite-diff ins.added").first().waitFor();
    await picture(store, "versions");
  });
}, 240_000);

import { readFileSync } from "node:fs";
import type { BrowserContext, Page } from "playwright-core";
import { beforeAll, expect, test } from "vitest";
import { cell, rewrite } from "../support/notebook-page.ts";
import { stored } from "../support/stored-runs.ts";
import { ServedApp } from "../support/served-app.ts";

// One notebook and its runs, by mouse: trained twice, compared, saved; a longer run that is gone to, frozen and stopped;
// and the notebook as it came again.
const app = new ServedApp();
let context: BrowserContext;
let page: Page;
const errors: string[] = [];

beforeAll(async () => {
  context = await app.launch();
  page = await context.newPage();
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(app.url);
});

const training = (updates: number, seed: number): string => `export const run = await train({
  env: pole,
  reward,
  algorithm: ppo({ preset: "sb3-zoo-cartpole", totalSteps: ${updates * 256} }),
  seed: ${seed},
  engine: "cpu",
});`;

const fromMenu = async (item: RegExp): Promise<void> => {
  await page.getByRole("button", { name: "More", exact: true }).click();
  await page.getByRole("menuitem", { name: item }).click();
};

async function saved(name: string): Promise<Buffer> {
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name, exact: true }).click(),
  ]);
  return readFileSync(await download.path());
}

test("two runs are filtered, sorted, compared with a baseline and saved", async () => {
  for (const seed of [1, 2]) {
    await rewrite(page, "training", training(2, seed));
    await cell(page, "training").getByRole("button", { name: "Run training" }).click();
    await expect
      .poll(async () => (await stored(page)).runs.filter(({ status }) => status === "succeeded").length, {
        timeout: 30_000,
      })
      .toBe(seed);
  }
  await fromMenu(/^Runs/);
  const dialog = page.getByRole("dialog", { name: "Runs of this notebook" });
  const rows = dialog.locator("tbody tr");
  await expect.poll(() => rows.count()).toBe(2);
  // Only the setting that differs has a column.
  expect((await dialog.getByRole("columnheader").allInnerTexts()).map((text) => text.trim())).toEqual(
    expect.arrayContaining(["seed"]),
  );
  expect(await dialog.getByRole("columnheader", { name: /learningRate|totalSteps|engine/ }).count()).toBe(0);

  await dialog
    .getByRole("button", { name: /^Baseline: / })
    .first()
    .click();
  await dialog.getByRole("columnheader", { name: "to baseline" }).waitFor();
  const seeds = (): Promise<string[]> => rows.locator("td:nth-child(7)").allInnerTexts();
  expect(await seeds()).toEqual(["2", "1"]);
  await dialog.getByRole("button", { name: /^Began/ }).click();
  expect(await seeds()).toEqual(["1", "2"]);
  await dialog.getByRole("searchbox", { name: "Filter the runs" }).fill("no such run");
  await dialog.getByText("0 of 2").waitFor();
  await dialog.getByRole("searchbox", { name: "Filter the runs" }).fill("");

  expect((await saved("CSV")).toString().split("\n")).toHaveLength(4);
  expect((await saved("Arrow")).subarray(0, 6).toString()).toBe("ARROW1");
  await dialog.locator("fulgurite-curve svg").first().waitFor();
  expect((await saved("SVG")).toString()).toMatch(/<svg[^]*<path/);
  expect((await saved("PNG")).subarray(1, 4).toString()).toBe("PNG");
  await page.keyboard.press("Escape");
}, 90_000);

test("a run is gone to, outlives a frozen tab and says for how long, and is stopped", async () => {
  await rewrite(page, "training", training(20_000, 3));
  await cell(page, "training").getByRole("button", { name: "Run training" }).click();
  const goThere = page.getByRole("button", { name: "Go to the running cell, training" });
  await goThere.waitFor();
  await page.evaluate(() => {
    scrollTo(0, 0);
  });
  await goThere.click();
  await expect.poll(() => cell(page, "training").evaluate((it) => it.matches(":focus"))).toBe(true);
  const update = async (): Promise<number> => (await stored(page)).runs.at(-1)!.update;
  await expect.poll(update, { timeout: 20_000 }).toBeGreaterThan(10);

  const cdp = await context.newCDPSession(page);
  const before = await update();
  await cdp.send("Page.setWebLifecycleState", { state: "frozen" });
  await new Promise((resolve) => setTimeout(resolve, 13_000));
  await cdp.send("Page.setWebLifecycleState", { state: "active" });
  const thawed = await update();
  await expect.poll(update, { timeout: 20_000 }).toBeGreaterThan(thawed);
  // Either it trained on, or it says that it did not: what a browser does with a frozen tab's workers differs.
  const { reason } = (await stored(page)).runs.at(-1)!;
  const went = `${before} to ${thawed} updates while frozen, then: ${String(reason)}`;
  expect(thawed > before + 100 || /slept for 1\d s/.test(reason ?? ""), went).toBe(true);
  await page.getByRole("button", { name: "Stop all" }).click();
  await expect
    .poll(async () => (await stored(page)).runs.at(-1)!.status, { timeout: 20_000 })
    .toBe("cancelled");
}, 90_000);

test("a copy beside a newer original says so, and the original comes back", async () => {
  await page.waitForTimeout(1_000);
  await page.evaluate(async () => {
    for (const worker of await navigator.serviceWorker.getRegistrations()) await worker.unregister();
  });
  // The author publishes another text.
  await page.route("**/assets/*.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({
      response,
      body: (await response.text()).replace("Balance a pole", "Balance a stick"),
    });
  });
  await page.reload();
  await page.getByText("Your copy; the original is newer").waitFor();
  await page.getByRole("heading", { name: "Balance a pole" }).waitFor();
  await page.getByRole("button", { name: "Reset" }).click();
  await page.getByRole("button", { name: "Lose my edits?" }).click();
  await page.getByRole("heading", { name: "Balance a stick" }).waitFor();
  expect(await page.getByText("Your copy").count()).toBe(0);
  expect(await cell(page, "training").innerText()).not.toContain("seed: 3");
  expect(errors).toEqual([]);
}, 60_000);

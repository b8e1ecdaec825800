import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { axeViolations, galleryPages, isFocused } from "./gallery-pages.ts";

const withPage = galleryPages("A model behind an agent learns");

const curve = (page: Page) => page.getByRole("img", { name: /^Learning curve/ });
const rows = (page: Page) => page.locator("fulgurite-rollouts tr.row");
/** One that ran to its end. */
const row = (page: Page) => rows(page).filter({ hasNot: page.locator(".failed") });
const dialog = (page: Page) => page.getByRole("dialog", { name: /^Rollout/ });

/** Opens the table on rollouts of training. */
async function openRollouts(page: Page): Promise<void> {
  await page.getByText("Rollouts, siblings and traces").click();
  await page.getByLabel("Which rollouts").selectOption("train");
  await rows(page).first().waitFor();
}

test("axe finds nothing in either theme: run, re-scoring, rollouts, siblings and trace", async () => {
  await withPage("agentic-rescored", { stillness: true }, async (page) => {
    await curve(page).locator("svg").waitFor();
    await page.locator("fulgurite-rescore #plot svg").waitFor();
    await openRollouts(page);
    expect(await axeViolations(page)).toEqual([]);
    await row(page).first().click();
    await dialog(page).getByText("written", { exact: true }).waitFor();
    expect(await axeViolations(page)).toEqual([]);
  });
});

test("by keyboard alone: from the table to a rollout's siblings, its trace, and back", async () => {
  await withPage("agentic", {}, async (page) => {
    await openRollouts(page);
    const rollout = (i: number) => rows(page).nth(i).getByRole("button");
    await page.getByRole("button", { name: "Only what was left out" }).focus();
    await page.keyboard.press("Tab");
    await expect.poll(() => rollout(0).evaluate(isFocused)).toBe(true);
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await expect.poll(() => rollout(2).evaluate(isFocused)).toBe(true);
    await page.keyboard.press("Enter");
    const siblings = dialog(page).locator("fulgurite-siblings button");
    await expect.poll(() => siblings.count()).toBe(8);
    const chosen = await dialog(page).getByRole("heading", { level: 2 }).textContent();
    await siblings.first().focus();
    await page.keyboard.press("Enter");
    await expect.poll(() => dialog(page).getByRole("heading", { level: 2 }).textContent()).not.toBe(chosen);
    const call = dialog(page).getByRole("button", { name: /^Model call/ });
    expect(await call.getAttribute("aria-expanded")).toBe("true");
    await dialog(page).getByRole("columnheader", { name: "log, sampler" }).waitFor();
    await call.press("Enter");
    expect(await call.getAttribute("aria-expanded")).toBe("false");
    await page.keyboard.press("Escape");
    await expect.poll(() => rollout(2).evaluate(isFocused)).toBe(true);
  });
});

test("of thousands of rollouts only those in sight are drawn, down to the first", async () => {
  await withPage("agentic", {}, async (page) => {
    await openRollouts(page);
    const scroll = page.locator("fulgurite-rollouts .scroll");
    const last = rows(page).last().getByRole("button");
    // Numbers go on through the first evaluation's 60.
    await expect
      .poll(
        async () => {
          await scroll.evaluate((element) => {
            element.scrollTop = element.scrollHeight;
          });
          return last.textContent().then((text) => text?.trim());
        },
        { timeout: 20_000 },
      )
      .toBe("60");
    expect(await rows(page).count()).toBeLessThan(40);
  });
});

test("answers and curve grow while it trains", async () => {
  await withPage("agentic-running", {}, async (page) => {
    const answers = page.getByRole("list", { name: "Answers, newest first" });
    await answers.getByText("now").waitFor();
    const first = await answers.textContent();
    await expect.poll(() => answers.textContent()).not.toBe(first);
    await page.getByRole("button", { name: "Next task" }).click();
    await page.getByText("Held-out task 2 of 60").waitFor();
    await page.getByRole("button", { name: /^entropy/ }).click();
    await page.getByRole("img", { name: /^Learning curve. Entropy/ }).waitFor();
  });
});

test("an edited reward says at once how it would have ranked what is stored, and the same one says nothing", async () => {
  await withPage("agentic", {}, async (page) => {
    const words = page.getByText(/would have ranked [\d,]+ of [\d,]+ sibling pairs the other way round/);
    expect(await words.count()).toBe(0);
    await page.getByText("defineReward").click();
    await page.getByRole("textbox", { name: /Code of cell 3/ }).waitFor();
    await page.keyboard.press("ControlOrMeta+End");
    await page.keyboard.type(" ");
    await page.keyboard.press("Shift+Enter");
    await words.waitFor();
    await page
      .getByRole("button", { name: /^Rollout/ })
      .first()
      .click();
    await dialog(page).getByRole("heading", { name: "Siblings" }).waitFor();
  });
});

test("a recorded run is there before anything runs, with who recorded it, in 360 pixels", async () => {
  await withPage("agentic-recorded", { width: 360 }, async (page) => {
    const words = page.locator("fulgurite-recorded-run .words");
    await expect
      .poll(() => words.textContent().then((text) => text?.replace(/\s+/g, " ")))
      .toContain("Recorded on WebGPU · NVIDIA H100 · commit a344c87 · 21 November 2026 · seed 1");
    await curve(page).locator("svg").waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.getByText("Nothing has run here yet.").waitFor({ state: "detached" });
  });
});

test("360 pixels are enough: run, re-scoring, rollouts, siblings and trace", async () => {
  await withPage("agentic-rescored", { width: 360 }, async (page) => {
    await curve(page).locator("svg").waitFor();
    await page.getByText("Rollouts, siblings and traces").click();
    await row(page).first().click();
    await dialog(page).getByRole("heading", { name: "Trace" }).waitFor();
    const inside = await dialog(page).evaluate((element) => element.scrollWidth - element.clientWidth);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    expect([wide, inside]).toEqual([360, 0]);
  });
});

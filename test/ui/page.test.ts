import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { axeViolations, galleryPages, isFocused } from "./gallery-pages.ts";

const withPage = galleryPages("Learn to balance a pole");

const curve = (page: Page) => page.getByRole("img", { name: /^Learning curve/ });

for (const scenario of ["finished", "failed"]) {
  test(`axe finds nothing in either theme: ${scenario}`, async () => {
    await withPage(scenario, { stillness: true }, async (page) => {
      await curve(page).locator("svg").waitFor();
      await page.getByText("Settings, figures and earlier runs").click();
      expect(await axeViolations(page)).toEqual([]);
    });
  });
}

test("by keyboard alone: to a cell, into its text, out again, run, and on", async () => {
  await withPage("fresh", {}, async (page) => {
    const section = (name: RegExp) => page.getByRole("region", { name });
    await section(/^Cell 1, intro/).focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await expect.poll(() => section(/^Cell 4, reward/).evaluate(isFocused)).toBe(true);
    await page.keyboard.press("Enter");
    const editor = page.getByRole("textbox", { name: /Code of cell 4/ });
    await editor.waitFor();
    await expect.poll(() => editor.evaluate(isFocused)).toBe(true);
    await page.keyboard.press("ControlOrMeta+End");
    const before = await editor.innerText();
    await page.keyboard.type("x");
    await page.keyboard.press("Backspace");
    // Longer than the editor keeps what was typed to itself.
    await page.waitForTimeout(500);
    expect(await editor.innerText()).toBe(before);
    await page.keyboard.type(" // dearer");
    await page.keyboard.press("Escape");
    await expect.poll(() => section(/^Cell 4, reward/).evaluate(isFocused)).toBe(true);
    expect(await lastEdit(page)).toMatch(/abs\(next\.x\)\); \/\/ dearer$/);
    await page.keyboard.press("Shift+Enter");
    await page.getByText(/Compiled to WGSL; checked on 4,096/).waitFor();
    await expect.poll(() => section(/^Cell 5, settings/).evaluate(isFocused)).toBe(true);
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keys" }).waitFor();
  });
});

test("a run's curve is drawn as it comes, and pauses, steps, resumes and stops", async () => {
  await withPage("fresh", {}, async (page) => {
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await curve(page).locator('svg g[aria-label="line"] path').first().waitFor();
    // By keyboard: the focus goes to the button in whose place it was.
    await page.getByRole("button", { name: "Pause" }).press("Enter");
    await expect.poll(() => page.getByRole("button", { name: "Resume" }).evaluate(isFocused)).toBe(true);
    const words = page.getByText(/update \d+ of 312/);
    const update = async (): Promise<number> =>
      Number(/update (\d+)/.exec((await words.textContent()) ?? "")?.[1]);
    const paused = await update();
    expect(paused).toBeGreaterThan(0);
    await page.getByRole("button", { name: "Step", exact: true }).press("Enter");
    await expect.poll(update).toBe(paused + 1);
    await expect
      .poll(() => page.getByRole("button", { name: "Step", exact: true }).evaluate(isFocused))
      .toBe(true);
    await page.getByRole("button", { name: "Resume" }).click();
    await expect.poll(update).toBeGreaterThan(paused + 6);
    await page.getByRole("button", { name: "Stop", exact: true }).click();
    await page.getByText("Stopped").first().waitFor();
    await page.getByRole("button", { name: "Show the numbers" }).click();
    await page.getByRole("columnheader", { name: "return, smoothed" }).waitFor();
  });
});

test("a changed reward makes the training stale, and the earlier runs lie under the new one", async () => {
  await withPage("finished", {}, async (page) => {
    const lines = curve(page).locator('g[aria-label="line"]');
    await expect.poll(() => lines.count()).toBe(4);
    await page.getByText("defineReward").click();
    await page.getByRole("textbox", { name: /Code of cell 4/ }).waitFor();
    await page.keyboard.press("End");
    await page.keyboard.type(" ");
    await page.getByText("stale: reward changed").waitFor();
    await page.getByRole("button", { name: "Run again" }).click();
    await expect.poll(() => lines.count()).toBe(5);
  });
});

test("a run from before a reload is there at once, paused, and asks to be resumed", async () => {
  await withPage("paused", {}, async (page) => {
    await page.getByRole("region", { name: /train, TypeScript, paused/ }).waitFor();
    await page.getByRole("button", { name: "Resume" }).waitFor();
    await page.getByText("Paused", { exact: true }).waitFor();
    // Resumed, it is the cell's run: the cell offers to stop it, and no second one starts beside it.
    await page.getByRole("button", { name: "Resume" }).click();
    await page.getByRole("button", { name: "Stop train" }).waitFor();
    await page.getByRole("region", { name: /train, TypeScript, running/ }).focus();
    await page.keyboard.press("Control+Enter");
    await page
      .getByText(/A run of train is still training/)
      .first()
      .waitFor();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByRole("region", { name: /train, TypeScript, paused/ }).waitFor();
    await page.getByRole("button", { name: "Stop train" }).click();
    await page.getByText("Stopped").first().waitFor();
    await page.getByRole("button", { name: "Run train" }).waitFor();
  });
});

test("the agent moves on its canvas, and stands still for whoever asked for less motion", async () => {
  const picture = (page: Page): Promise<string> =>
    page
      .locator("fulgurite-stage canvas")
      .first()
      .evaluate((canvas: HTMLCanvasElement) => canvas.toDataURL());
  await withPage("single", {}, async (page) => {
    const first = await picture(page);
    await expect.poll(() => picture(page)).not.toBe(first);
  });
  await withPage("single", { stillness: true }, async (page) => {
    await page.getByRole("slider", { name: "Step of the episode" }).first().waitFor();
    await page.waitForTimeout(100);
    const first = await picture(page);
    await page.waitForTimeout(300);
    expect(await picture(page)).toBe(first);
    await page.getByRole("slider", { name: "Step of the episode" }).first().fill("20");
    await expect.poll(() => picture(page)).not.toBe(first);
  });
});

for (const scenario of ["failed", "stale"]) {
  test(`360 pixels are enough: ${scenario}`, async () => {
    await withPage(scenario, { width: 360 }, async (page) => {
      await curve(page).locator("svg").waitFor();
      await page.getByText("Settings, figures and earlier runs").click();
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      expect(wide).toBe(360);
    });
  });
}

const lastEdit = (page: Page): Promise<string | undefined> =>
  page.evaluate(() => {
    const { fake } = globalThis as unknown as { fake: { session: { edits: string[] } } };
    return fake.session.edits.at(-1);
  });

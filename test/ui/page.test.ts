import type Axe from "axe-core";
import { createRequire } from "node:module";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chromiumLaunch } from "../support/browser.ts";
import { openGallery } from "./build-gallery.ts";

const axePath = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
let gallery: Awaited<ReturnType<typeof openGallery>>;
let browser: Browser;

beforeAll(async () => {
  [gallery, browser] = await Promise.all([openGallery(), chromium.launch(chromiumLaunch())]);
});

afterAll(async () => {
  await browser.close();
  await gallery.close();
});

interface View {
  /** Lets axe in past the page's own policy, which every other page here keeps. */
  readonly axe?: boolean;
  readonly width?: number;
  readonly stillness?: boolean;
}

/** Opens a scenario, hands the page to `use`, and fails on any error of the page itself (CSP included). */
async function withPage(scenario: string, view: View, use: (page: Page) => Promise<void>): Promise<void> {
  const page = await browser.newPage({
    viewport: { width: view.width ?? 1280, height: 900 },
    reducedMotion: view.stillness ? "reduce" : "no-preference",
    bypassCSP: view.axe ?? false,
  });
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  await page.goto(`${gallery.url}?scenario=${scenario}`);
  await page.getByRole("heading", { name: "Learn to balance a pole" }).waitFor();
  await use(page);
  await page.close();
  expect(errors).toEqual([]);
}

const curve = (page: Page) => page.getByRole("img", { name: /^Learning curve/ });

for (const scenario of ["finished", "failed"]) {
  test(`axe finds nothing in either theme: ${scenario}`, async () => {
    await withPage(scenario, { axe: true, stillness: true }, async (page) => {
      await curve(page).locator("svg").waitFor();
      await page.getByText("Settings, figures and earlier runs").click();
      await page.addScriptTag({ path: axePath });
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        const violations = await page.evaluate(async () => {
          const { axe } = globalThis as unknown as { axe: typeof Axe };
          const found = await axe.run(document, { resultTypes: ["violations"] });
          return found.violations.map(
            ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`,
          );
        });
        expect(violations).toEqual([]);
      }
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
    await page.getByRole("button", { name: "Pause" }).click();
    const words = page.getByText(/update \d+ of 312/);
    const update = async (): Promise<number> =>
      Number(/update (\d+)/.exec((await words.textContent()) ?? "")?.[1]);
    const paused = await update();
    expect(paused).toBeGreaterThan(0);
    await page.getByRole("button", { name: "Step" }).click();
    await expect.poll(update).toBe(paused + 1);
    await page.getByRole("button", { name: "Resume" }).click();
    await expect.poll(update).toBeGreaterThan(paused + 6);
    await page.getByRole("button", { name: "Stop", exact: true }).click();
    await page.getByText("Stopped").waitFor();
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
    await page.getByText("kept from before").waitFor();
    await page.getByRole("button", { name: "Resume" }).waitFor();
    await page.getByText("Paused", { exact: true }).waitFor();
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

const isFocused = (element: Element): boolean =>
  (element.getRootNode() as Document | ShadowRoot).activeElement === element;

const lastEdit = (page: Page): Promise<string | undefined> =>
  page.evaluate(() => {
    const { fake } = globalThis as unknown as { fake: { session: { edits: string[] } } };
    return fake.session.edits.at(-1);
  });

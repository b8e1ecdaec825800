import axe from "axe-core";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, expect } from "vitest";
import { chromiumLaunch } from "../support/browser.ts";
import { openGallery } from "./build-gallery.ts";

export interface View {
  readonly width?: number;
  readonly stillness?: boolean;
}

export type WithPage = (scenario: string, view: View, use: (page: Page) => Promise<void>) => Promise<void>;

/**
 * Builds the gallery for the tests of a file. What it returns opens a scenario, waits for the notebook's heading,
 * hands the page to `use`, and fails on any error of the page itself (CSP included).
 */
export function galleryPages(heading: string): WithPage {
  let gallery: Awaited<ReturnType<typeof openGallery>>;
  let browser: Browser;
  beforeAll(async () => {
    [gallery, browser] = await Promise.all([openGallery(), chromium.launch(chromiumLaunch())]);
  });
  afterAll(async () => {
    await browser.close();
    await gallery.close();
  });
  return async (scenario, view, use) => {
    const page = await browser.newPage({
      viewport: { width: view.width ?? 1280, height: 900 },
      reducedMotion: view.stillness ? "reduce" : "no-preference",
    });
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    await page.goto(`${gallery.url}?scenario=${scenario}`);
    await page.getByRole("heading", { name: heading }).waitFor();
    await use(page);
    await page.close();
    expect(errors).toEqual([]);
  };
}

/** What axe finds wrong with the page, in the light theme and in the dark one. */
export async function axeViolations(page: Page): Promise<string[]> {
  // Evaluated by the browser's own tools: the page's policy stays as it is.
  await page.evaluate(axe.source);
  const all: string[] = [];
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    const violations = await page.evaluate(async () => {
      const inPage = (globalThis as unknown as { axe: typeof axe }).axe;
      const found = await inPage.run(document, { resultTypes: ["violations"] });
      return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`);
    });
    all.push(...violations.map((violation) => `${colorScheme}: ${violation}`));
  }
  return all;
}

export const isFocused = (element: Element): boolean =>
  (element.getRootNode() as Document | ShadowRoot).activeElement === element;

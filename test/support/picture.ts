import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Locator, Page } from "playwright-core";

/** The folder of $FULGURITE_PICTURES; without it no pictures are taken. */
const folder = process.env["FULGURITE_PICTURES"];

/** Pictures of the page in light and dark, 1280 and 360 pixels wide, for somebody to look at; `at` is brought into view. */
export async function picture(page: Page, name: string, at?: Locator): Promise<void> {
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  for (const colorScheme of ["light", "dark"] as const) {
    for (const width of [1280, 360]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 900 });
      await at?.evaluate((element) => {
        element.scrollIntoView({ block: "start" });
      });
      await page.waitForTimeout(200);
      await page.screenshot({ path: join(folder, `${name}-${colorScheme}-${width}.png`) });
    }
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 1280, height: 900 });
}

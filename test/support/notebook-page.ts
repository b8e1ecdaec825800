import type { Locator, Page } from "playwright-core";

/** A cell of the open notebook. */
export const cell = (page: Page, name: string): Locator =>
  page.getByRole("region", { name: new RegExp(`, ${name}, `) });

/** Replaces a cell's code with the keyboard, as a person would. */
export async function rewrite(page: Page, name: string, source: string): Promise<void> {
  const region = cell(page, name);
  await region.locator("pre, .cm-content").first().click();
  const editor = region.locator(".cm-content");
  await editor.waitFor();
  await editor.press("ControlOrMeta+a");
  await page.keyboard.insertText(source);
  await editor.press("Escape");
}

/** Polls until `done`; fails after 90 s with what it saw last. */
export async function until<T>(
  read: () => Promise<T>,
  done: (value: T) => boolean,
  what: string,
): Promise<T> {
  const deadline = Date.now() + 90_000;
  for (;;) {
    const value = await read();
    if (done(value)) return value;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}; last: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
}

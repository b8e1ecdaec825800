import { readFileSync } from "node:fs";
import type { BrowserContext, Download, Page } from "playwright-core";
import { expect } from "vitest";
import { encodeRolloutLines } from "../../src/adapter/exchange/rollout-lines.ts";
import { agenticUpdate } from "../store/agentic-batch.ts";
import { ServedApp } from "../support/served-app.ts";

/** The store page of the built app, and one browser for each use of it. */
export class StorePages {
  readonly #app = new ServedApp({ subPath: "/some/where/" });

  /** Runs `use` in a browser of its own; errors of its pages fail the test. */
  async inBrowser(use: (context: BrowserContext) => Promise<void>): Promise<void> {
    const context = await this.#app.launch();
    const errors: string[] = [];
    context.on("weberror", (error) => errors.push(error.error().message));
    await use(context);
    expect(errors).toEqual([]);
    await context.close();
  }

  async openAt(context: BrowserContext, hash: string): Promise<Page> {
    const page = await context.newPage();
    await page.goto(`${this.#app.url}#${hash}`);
    return page;
  }
}

/** Polls for as long as a busy machine may need. */
export const soon = <T>(read: () => Promise<T>, message?: string) =>
  expect.poll(read, { timeout: 30_000, ...(message === undefined ? {} : { message }) });

export const show = (page: Page, tab: string): Promise<void> => page.getByRole("tab", { name: tab }).click();
export const status = (page: Page): Promise<string> =>
  page.getByRole("dialog", { name: "Store" }).getByRole("status").first().innerText();

/** Takes files by the button of that name, as a person picks them. */
export async function pick(
  page: Page,
  button: string,
  file: { readonly name: string; readonly buffer: Buffer },
): Promise<void> {
  const chooser = page.waitForEvent("filechooser");
  await page.getByText(button, { exact: true }).click();
  await (await chooser).setFiles({ ...file, mimeType: "application/octet-stream" });
}

export async function bytesOf(download: Download): Promise<Buffer> {
  return readFileSync(await download.path());
}

/** Rollouts of `updates` updates as a file of lines. */
export function lines(updates: number, count: number): Buffer {
  const made = Array.from({ length: updates }, (_, i) => agenticUpdate("r", i + 1, count));
  return Buffer.from(
    encodeRolloutLines({
      rollouts: made.flatMap(({ rollouts }) => rollouts),
      spans: made.flatMap(({ spans }) => spans),
    }),
  );
}

import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BrowserContext, Download, Page } from "playwright-core";
import { afterAll, beforeAll, expect } from "vitest";
import { encodeRolloutLines } from "../../src/adapter/exchange/rollout-lines.ts";
import { agenticUpdate } from "../store/agentic-batch.ts";
import { buildApp, type BuiltApp } from "../support/app.ts";
import { launchPersistent } from "../support/browser.ts";
import { serveStatic, type StaticServer } from "../support/static-server.ts";

// What a person does on the store page of the built app. With $FULGURITE_PICTURES set to a folder, pictures are left there.
let app: BuiltApp;
let server: StaticServer;
const folders: string[] = [];
const pictures = process.env["FULGURITE_PICTURES"];

const folder = (): string => {
  const directory = mkdtempSync(join(tmpdir(), "fulgurite-store-"));
  folders.push(directory);
  return directory;
};

/** The built app, served for the tests of a file. */
export function serveApp(): void {
  beforeAll(async () => {
    app = await buildApp();
    server = await serveStatic(app.directory, { subPath: "/some/where/" });
    if (pictures !== undefined) mkdirSync(pictures, { recursive: true });
  }, 180_000);

  afterAll(async () => {
    await server?.close();
    await app?.dispose();
    for (const directory of folders) rmSync(directory, { recursive: true, force: true });
  });
}

/** Runs `use` in a browser of its own; errors of its pages fail the test. */
export async function inBrowser(use: (context: BrowserContext) => Promise<void>): Promise<void> {
  const context = await launchPersistent(folder());
  const errors: string[] = [];
  context.on("weberror", (error) => errors.push(error.error().message));
  try {
    await use(context);
    expect(errors).toEqual([]);
  } finally {
    await context.close();
  }
}

export async function openAt(context: BrowserContext, hash: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`${server.url}#${hash}`);
  return page;
}

/** Polls for as long as a busy machine may need. */
export const soon = <T>(read: () => Promise<T>, message?: string) =>
  expect.poll(read, { timeout: 30_000, ...(message === undefined ? {} : { message }) });

export const show = (page: Page, tab: string): Promise<void> => page.getByRole("tab", { name: tab }).click();
export const status = (page: Page): Promise<string> =>
  page.getByRole("dialog", { name: "Store" }).getByRole("status").first().innerText();

export async function picture(page: Page, name: string): Promise<void> {
  if (pictures === undefined) return;
  for (const colorScheme of ["light", "dark"] as const) {
    for (const width of [1280, 360]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 900 });
      await page.waitForTimeout(200);
      await page.screenshot({ path: join(pictures, `${name}-${colorScheme}-${width}.png`) });
    }
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 1280, height: 900 });
}

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

import { launch, type Browser, type Page } from "puppeteer-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildApp } from "../support/app.ts";
import { findFirefox } from "../support/browser.ts";
import type { BuiltFolder } from "../support/kept-build.ts";
import { serveStatic, type StaticServer } from "../support/static-server.ts";

const firefox = findFirefox();
if (!firefox) console.warn("no Firefox found: its smoke test is skipped");

let app: BuiltFolder;
let server: StaticServer;
let browser: Browser;

beforeAll(async () => {
  if (!firefox) return;
  app = await buildApp();
  server = await serveStatic(app.directory);
  browser = await launch({ browser: "firefox", executablePath: firefox, headless: true });
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
  await app?.dispose();
});

/** All text of the page, shadow trees included. */
const text = (page: Page): Promise<string> =>
  page.evaluate(() => {
    const read = (node: Node): string => {
      if (node instanceof Text) return node.data;
      const root = node instanceof Element ? node.shadowRoot : null;
      return [...(root ?? node).childNodes].map(read).join(" ");
    };
    return read(document.body);
  });

test.skipIf(!firefox)(
  "Firefox, which has no WebGPU here, learns on the CPU engine",
  async () => {
    const page = await browser.newPage();
    await page.setViewport({ width: 1280, height: 900 });
    await page.goto(server.url);
    const run = await page.waitForSelector('>>> button[aria-label="Run training"]', { timeout: 60_000 });
    // By script: the page still grows above the button, and a click by place can miss it.
    await run!.evaluate((button) => (button as HTMLElement).click());
    const deadline = Date.now() + 90_000;
    for (;;) {
      const shown = await text(page);
      const [, first, last] = /Return ([\d.]+) at first, ([\d.]+) after/.exec(shown) ?? [];
      // The recorded curve is on the page before: the run's own updates count.
      const updates = Number(/update\s+(\d+)\s+of\s+390/.exec(shown)?.[1] ?? 0);
      if (updates > 60 && Number(last) > 3 * Number(first) && Number(last) > 60) {
        expect(shown).toContain("trains on the CPU engine: WebAssembly SIMD");
        return;
      }
      expect(Date.now(), `the curve climbs; last: ${first} to ${last}`).toBeLessThan(deadline);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  },
  180_000,
);

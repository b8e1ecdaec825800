import { mkdtempSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BrowserContext, Page } from "playwright-core";
import { build } from "vite";
import { serveStatic } from "../support/static-server.ts";

/** A tab with that page, ready. */
export async function openTab(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(url);
  await page.waitForFunction("globalThis.harness");
  return page;
}

/** Serves test/store/page.ts, bundled, under a policy as strict as the app's: no code from strings. */
export async function servePage(): Promise<{ url: string; close(): Promise<void> }> {
  const directory = mkdtempSync(join(tmpdir(), "fulgurite-store-"));
  await build({
    configFile: false,
    publicDir: false,
    logLevel: "warn",
    build: {
      target: "es2023",
      outDir: directory,
      emptyOutDir: true,
      minify: false,
      lib: {
        entry: fileURLToPath(new URL("page.ts", import.meta.url)),
        formats: ["es"],
        fileName: () => "page.js",
      },
    },
  });
  writeFileSync(
    join(directory, "index.html"),
    `<!doctype html><title>store</title><script type="module" src="page.js"></script>`,
  );
  const server = await serveStatic(directory, {
    headers: { "content-security-policy": "default-src 'none'; script-src 'self'" },
  });
  return {
    url: server.url,
    close: async () => {
      await server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

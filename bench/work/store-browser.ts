import type { Remote } from "comlink";
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { build } from "vite";
import { launchPersistent } from "../../test/support/browser.ts";
import { serveStatic } from "../../test/support/static-server.ts";
import type { StoreWorker } from "./store-worker.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export interface StoreBrowser {
  readonly page: Page;
  /** Calls the worker's function of that name. */
  call<Name extends keyof StoreWorker>(
    name: Name,
    ...parameters: Parameters<StoreWorker[Name]>
  ): Promise<Awaited<ReturnType<StoreWorker[Name]>>>;
  /** Bytes of the profile's files whose path contains this. */
  bytesOnDisk(part: string): number;
  /** Ends Chromium and starts it again on the same profile. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** Chromium with a fresh profile on disk, and a page with the stores in a worker. */
export async function openStoreBrowser(peers: boolean): Promise<StoreBrowser> {
  const site = mkdtempSync(join(tmpdir(), "fulgurite-store-bench-"));
  const profile = mkdtempSync(join(tmpdir(), "fulgurite-profile-"));
  for (const [entry, name] of [
    ["store-page.ts", "page"],
    ["store-worker.ts", "worker"],
  ] as const) {
    await build({
      configFile: false,
      publicDir: false,
      logLevel: "warn",
      build: {
        target: "es2023",
        outDir: site,
        emptyOutDir: false,
        lib: { entry: here(entry), formats: ["es"], fileName: () => `${name}.js` },
      },
    });
  }
  writeFileSync(
    join(site, "index.html"),
    `<!doctype html><title>store</title><script type="module" src="page.js"></script>`,
  );
  const sqlite = here("../node_modules/@sqlite.org/sqlite-wasm/dist");
  if (peers && existsSync(sqlite)) cpSync(sqlite, join(site, "sqlite"), { recursive: true });
  const server = await serveStatic(site);
  let context = await launchPersistent(profile);
  const openPage = async (): Promise<Page> => {
    const page = await context.newPage();
    await page.goto(server.url);
    await page.waitForFunction("globalThis.store");
    return page;
  };
  let page = await openPage();
  const browser: StoreBrowser = {
    get page() {
      return page;
    },
    call: (name, ...parameters) =>
      page.evaluate(
        ({ name, parameters }) => {
          const { store } = globalThis as unknown as { store: Remote<StoreWorker> };
          return (store[name] as unknown as (...parameters: unknown[]) => Promise<never>)(...parameters);
        },
        { name, parameters },
      ),
    bytesOnDisk: (part) => bytesBelow(profile, part),
    restart: async () => {
      await context.close();
      context = await launchPersistent(profile);
      page = await openPage();
    },
    close: async () => {
      await context.close();
      await server.close();
      for (const directory of [site, profile])
        rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  return browser;
}

function bytesBelow(directory: string, part: string): number {
  let bytes = 0;
  for (const name of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
    if (!name.includes(part)) continue;
    const status = statSync(join(directory, name), { throwIfNoEntry: false });
    if (status?.isFile()) bytes += status.size;
  }
  return bytes;
}

export const median = (values: readonly number[]): number => percentile(values, 0.5);

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chromiumLaunch } from "../support/browser.ts";
import { agenticContract } from "./agentic-contract.ts";
import { openTab, servePage } from "./built-page.ts";
import { contract } from "./contract.ts";
import type { Harness } from "./page.ts";
import { writeInTabs } from "./many-tabs.ts";
import { queueContract } from "./queue-contract.ts";
import { upkeepContract } from "./upkeep-contract.ts";
import { workspaceContract } from "./workspace-contract.ts";

declare const harness: Harness;

let server: Awaited<ReturnType<typeof servePage>>;

beforeAll(async () => {
  server = await servePage();
});

afterAll(() => server.close());

describe("over IndexedDB in Chromium", () => {
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;

  beforeAll(async () => {
    browser = await chromium.launch(chromiumLaunch());
    context = await browser.newContext();
    page = await openTab(context, server.url);
  });
  afterAll(() => browser.close());

  test.for(
    Object.keys({
      ...contract,
      ...agenticContract,
      ...queueContract,
      ...upkeepContract,
      ...workspaceContract,
    }),
  )("%s", async (name) => {
    expect(await page.evaluate((it) => harness.runContract(it), name)).toBeNull();
  });

  test.for([1, 2, 3, 4] as const)(
    "version %i is brought up to date once other tabs let go of it",
    async (version) => {
      expect(await page.evaluate((it) => harness.runMigration(it), version)).toBeNull();
    },
  );

  test("two tabs write at once, to their own runs and to the same one, and share a queue", async () => {
    expect(await writeInTabs([page, await openTab(context, server.url)])).toEqual([]);
  });

  test("a tab lets a newer version have the store, and then says so", async () => {
    const code = await page.evaluate(async () => {
      const store = await harness.openStore({ name: "upgraded" });
      await new Promise((resolve, reject) => {
        const request = indexedDB.open("upgraded", 1000);
        request.onerror = reject;
        request.onsuccess = () => {
          request.result.close();
          resolve(null);
        };
      });
      return store.runs().then(
        () => "none",
        (error: unknown) => (error as { code: string }).code,
      );
    });
    expect(code).toBe("store/newer-version");
  });

  test("a full disk is an error that names the largest run", async () => {
    // Chromium caches what an origin may still use, so this one has to be new.
    const small = await browser.newContext();
    const tab = await openTab(small, server.url);
    const session = await small.newCDPSession(tab);
    const origin = new URL(server.url).origin;
    await session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 2_000_000 });
    const error = await tab.evaluate(async () => {
      const store = await harness.openStore({ name: "full" });
      await store.commit({ run: harness.makeRun("large"), spans: harness.updates("large", 1, 300) });
      return store.commit({ spans: harness.updates("large", 301, 10_000) }).then(
        () => null,
        ({ code, fix }: { code: string; fix: string }) => ({ code, fix }),
      );
    });
    expect(error?.code).toBe("store/full");
    expect(error?.fix).toMatch(/"run large" \(\d+ kB, large\)/);
    const rows = await tab.evaluate(async () => {
      const store = await harness.openStore({ name: "full" });
      await store.commit({ spans: harness.updates("large", 301, 310) });
      return (await store.spans({ runId: "large" })).length;
    });
    expect(rows).toBe(310);
    await small.close();
  });
});

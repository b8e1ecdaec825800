import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chromiumLaunch } from "../support/browser.ts";
import { agenticContract } from "./agentic-contract.ts";
import { servePage } from "./built-page.ts";
import { contract } from "./contract.ts";
import type { Harness } from "./page.ts";
import { queueContract } from "./queue-contract.ts";

declare const harness: Harness;

let server: Awaited<ReturnType<typeof servePage>>;

beforeAll(async () => {
  server = await servePage();
});

afterAll(() => server.close());

async function openTab(context: BrowserContext): Promise<Page> {
  const page = await context.newPage();
  await page.goto(server.url);
  await page.waitForFunction("globalThis.harness");
  return page;
}

describe("over IndexedDB in Chromium", () => {
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;

  beforeAll(async () => {
    browser = await chromium.launch(chromiumLaunch());
    context = await browser.newContext();
    page = await openTab(context);
  });
  afterAll(() => browser.close());

  test.for(Object.keys({ ...contract, ...agenticContract, ...queueContract }))("%s", async (name) => {
    expect(await page.evaluate((it) => harness.runContract(it), name)).toBeNull();
  });

  test.for([1, 2] as const)(
    "version %i is brought up to date once other tabs let go of it",
    async (version) => {
      expect(await page.evaluate((it) => harness.runMigration(it), version)).toBeNull();
    },
  );

  test("two tabs write at once, to their own runs and to the same one", async () => {
    const tabs = [page, await openTab(context)];
    await page.evaluate(async () => {
      const store = await harness.openStore({ name: "tabs" });
      await store.commit({ run: harness.makeRun("both") });
    });
    const write = (tab: number) => async () =>
      tabs[tab]!.evaluate(async (own) => {
        const store = await harness.openStore({ name: "tabs" });
        await store.commit({ run: harness.makeRun(own) });
        for (let i = 0; i < 30; i++) {
          await store.commit({ spans: harness.updates(own, 10 * i + 1, 10 * i + 10) });
          await store.commit({ spans: harness.updates("both", 10 * i + 1, 10 * i + 10) });
          if (i % 7 === 0) await store.seal("both");
        }
      }, `tab ${tab}`);
    await Promise.all([write(0)(), write(1)()]);
    const found = await page.evaluate(async () => {
      const store = await harness.openStore({ name: "tabs" });
      const updates = async (runId: string) =>
        (await store.spans({ runId })).map((span) => span.attributes["update"]);
      return Promise.all(["tab 0", "tab 1", "both"].map(updates));
    });
    const all = Array.from({ length: 300 }, (_, i) => i + 1);
    expect(found).toEqual([all, all, all]);
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
    const tab = await openTab(small);
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

import { chromium } from "playwright-core";
import { expect, test } from "vitest";
import { chromiumLaunch } from "../support/browser.ts";
import { openTab, servePage } from "./built-page.ts";
import { writeInTabs } from "./many-tabs.ts";

test("eight tabs write at once, to their own runs and to the same one, and share a queue", async () => {
  const server = await servePage();
  const browser = await chromium.launch(chromiumLaunch());
  try {
    const context = await browser.newContext();
    const tabs = await Promise.all(Array.from({ length: 8 }, () => openTab(context, server.url)));
    expect(await writeInTabs(tabs)).toEqual([]);
  } finally {
    await browser.close();
    await server.close();
  }
});

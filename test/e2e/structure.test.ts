import axe from "axe-core";
import type { Page } from "playwright-core";
import { beforeAll, expect, test } from "vitest";
import { picture } from "../support/picture.ts";
import { ServedApp } from "../support/served-app.ts";

// What a screen reader finds on the notebook and every dialog of the app, compared with the files in structure/
// (`vitest -u` writes them), and axe over each. With $FULGURITE_PICTURES set to a folder, pictures of each are left
// there.
const app = new ServedApp();
let page: Page;

beforeAll(async () => {
  page = await (await app.launch()).newPage();
  await page.emulateMedia({ reducedMotion: "reduce" });
});

/** What changes from day to day or machine to machine is left out: times, sizes, figures. */
const steady = (snapshot: string): string =>
  snapshot
    .replace(/[\d,.]+ (?:[kMG]?B|steps\/s|ms|s|min)\b/g, "N")
    .replace(/http:\/\/127\.0\.0\.1:\d+/g, "ADDRESS")
    .replace(/#code=[\w-]+/g, "#code=NOTEBOOK")
    .replace(/(figure "Return )[^"\n]*/g, "$1FIGURES")
    .replace(/\b(?:SwiftShader|llvmpipe|WebGPU|CPU engine)[^"\n]*/g, "ENGINE");

async function holds(name: string, selector = "body"): Promise<void> {
  await picture(page, name);
  await page.evaluate(axe.source);
  const found = (await page.evaluate("axe.run()")) as {
    violations: { id: string; nodes: { html: string }[] }[];
  };
  expect(found.violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html ?? ""}`)).toEqual([]);
  await expect(steady(await page.locator(selector).ariaSnapshot())).toMatchFileSnapshot(
    `structure/${name}.aria`,
  );
}

test("pages", async () => {
  await page.goto(app.url);
  await page.locator("fulgurite-environment canvas").first().waitFor();
  await page.getByRole("figure").first().waitFor();
  await holds("cartpole");
  await page.goto(`${app.url}#store`);
  await page.getByRole("tabpanel").getByText("Nothing is kept yet").waitFor();
  await holds("store", "dialog");
}, 60_000);

const dialogs = ["library", "share", "history", "runs", "permissions", "keys"] as const;

test("dialogs", async () => {
  await page.goto("about:blank");
  await page.goto(app.url);
  await page.locator("fulgurite-environment canvas").first().waitFor();
  for (const name of dialogs) {
    await page.evaluate((what) => {
      document.querySelector("fulgurite-notebook")!.open(what);
    }, name);
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("heading").first().waitFor();
    await page.waitForTimeout(300);
    await holds(name, "dialog");
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
  }
}, 90_000);

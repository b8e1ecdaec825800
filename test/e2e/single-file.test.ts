import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fromSingleFile } from "../../src/notebook/formats/read-file.ts";
import { singleFile } from "../../src/notebook/single-file.ts";
import type { Standalone } from "../../src/notebook/standalone-page.ts";
import { bundleStandalone } from "../../src/notebook/standalone.vite.ts";
import { chromiumLaunch } from "../support/browser.ts";
import { axeViolations } from "../ui/gallery-pages.ts";

declare const fulguriteStandalone: Standalone;

const directory = mkdtempSync(join(tmpdir(), "fulgurite-file-"));
const notebooks = new URL("../../notebooks/", import.meta.url);
const text = readFileSync(new URL("cartpole.nb.ts", notebooks), "utf8");
let script: string;
let browser: Browser;

beforeAll(async () => {
  script = await bundleStandalone();
  browser = await chromium.launch(chromiumLaunch());
});

afterAll(async () => {
  await browser?.close();
  rmSync(directory, { recursive: true, force: true });
});

async function open(
  name: string,
  given: string,
  results: unknown,
): Promise<{ page: Page; requests: string[] }> {
  const path = join(directory, name);
  writeFileSync(
    path,
    singleFile({ id: "cartpole", title: "Balance </title><b>", text: given, results, packages: {}, script }),
  );
  const context = await browser.newContext({ offline: true });
  const page = await context.newPage();
  const requests: string[] = [];
  page.on("request", (request) => {
    if (!/^(?:blob|data|about):/.test(request.url())) requests.push(request.url());
  });
  await page.goto(pathToFileURL(path).href);
  return { page, requests };
}

test("one HTML file from disk shows code and results, and learns on the CPU once it may", async () => {
  const results: unknown = JSON.parse(readFileSync(new URL("cartpole.results.json", notebooks), "utf8"));
  const { page, requests } = await open("cartpole.html", text, results);
  expect(readFileSync(join(directory, "cartpole.html")).length).toBeLessThan(3_000_000);
  expect(fromSingleFile(readFileSync(join(directory, "cartpole.html"), "utf8"))).toBe(text);
  await page.getByText("Nothing of it runs before you say so").waitFor();
  await page.getByText("Recorded").first().waitFor();
  await page.getByText("defineReward", { exact: false }).first().waitFor();
  const states = (): Promise<string[]> =>
    page.evaluate(() => fulguriteStandalone.session.cells.map(({ state }) => state.kind));
  expect(new Set(await states())).toEqual(new Set(["idle"]));
  expect(page.frames()).toHaveLength(1);
  expect(await axeViolations(page)).toEqual([]);

  await page.evaluate(() => {
    fulguriteStandalone.overrides = { engine: "cpu", steps: 12_000 };
  });
  await page.getByRole("button", { name: "Run this notebook" }).click();
  await page.getByRole("button", { name: "Run training" }).click();
  await expect
    .poll(() => page.evaluate(() => fulguriteStandalone.results.at(-1)?.result), { timeout: 60_000 })
    .toMatchObject({ status: "succeeded", engine: "cpu", step: 46 * 256 });
  const greedy = await page.evaluate(
    () => fulguriteStandalone.results.at(-1)!.result.metrics["evaluation.greedy.mean"]!,
  );
  expect(greedy).toBeGreaterThan(60);
  // What was run is run again there; the file has no page that a link to a run could open.
  await page.getByRole("button", { name: "Run again" }).waitFor();
  await page.getByRole("button", { name: "Export policy" }).waitFor();
  expect(await page.getByRole("button", { name: "Run training" }).count()).toBe(0);
  expect(await page.getByRole("button", { name: "Link to this run" }).count()).toBe(0);
  // The file itself, and nothing else.
  expect(requests).toHaveLength(1);
  await page.context().close();
});

test("what a notebook holds cannot break out of the file's data", async () => {
  const hostile = `// fulgurite: 1
// %% [md] a
/*
</script><script>window.broken = 1</script> <!-- <script> <img src=x onerror="window.broken = 1">
[x](javascript:window.broken=1)
*/
// %% b
export const b = "</script><script>window.broken = 1</script>";
`;
  const { page } = await open("hostile.html", hostile, { "</script>": "<!--" });
  await page.getByRole("button", { name: "Run this notebook" }).click();
  await expect.poll(() => page.evaluate(() => fulguriteStandalone.session.cells[1]!.state.kind)).toBe("done");
  expect(await page.evaluate(() => "broken" in window)).toBe(false);
  expect(await page.evaluate(() => fulguriteStandalone.session.text)).toBe(hostile);
  await page.context().close();
});

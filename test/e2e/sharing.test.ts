import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import axe from "axe-core";
import { chromium, type BrowserContext, type Page } from "playwright-core";
import { beforeAll, expect, test } from "vitest";
import { fromSingleFile } from "../../src/notebook/formats/read-file.ts";
import { unpackText } from "../../src/ui/share-link.ts";
import { chromiumLaunch } from "../support/browser.ts";
import { cell, rewrite } from "../support/notebook-page.ts";
import { ServedApp } from "../support/served-app.ts";

const app = new ServedApp({ subPath: "/some/where/" });
let context: BrowserContext;
let page: Page;
const errors: string[] = [];

beforeAll(async () => {
  context = await app.launch();
  page = await context.newPage();
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
});

const violations = async (): Promise<string[]> => {
  await page.evaluate(axe.source);
  const found = (await page.evaluate("axe.run()")) as {
    violations: { id: string; nodes: { html: string }[] }[];
  };
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`);
};

test("types, completion and renaming across cells come with the first text that is edited", async () => {
  await page.goto(app.url);
  await cell(page, "reward").focus();
  await page.keyboard.press("b");
  await page.keyboard.type("const wrong: string = pole;\nconst right = po");
  const option = page.getByRole("option", { name: /^pole/ });
  // On a busy machine the types may come after what was typed: then one asks for them.
  await option.waitFor({ timeout: 15_000 }).catch(() => page.keyboard.press("Control+Space"));
  await option.waitFor({ timeout: 30_000 });
  await page.keyboard.press("Enter");
  await page.locator(".cm-lintRange-error").first().waitFor();
  await page.keyboard.press("F2");
  await page.getByRole("textbox", { name: "New name for pole" }).fill("stick");
  await page.keyboard.press("Enter");
  await cell(page, "pole").getByText("stick").waitFor();
  await cell(page, "training").getByText("stick").waitFor();
  await page.keyboard.press("Control+z");
  await cell(page, "training").getByText("pole").first().waitFor();
}, 90_000);

test("a link holds the notebook: read first, run on consent, kept as one's own with where it came from", async () => {
  await page.goto(`${app.url}#notebook=cartpole`);
  await page.getByRole("button", { name: "Share or save" }).click();
  const link = await page.getByRole("textbox", { name: "Link" }).inputValue();
  expect(link).toMatch(/#code=[\w-]+$/);
  expect(await violations()).toEqual([]);
  // And a page of its own, with what was recorded.
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Page (.html)" }).click();
  const file = readFileSync(await (await saved).path(), "utf8");
  expect(file.length).toBeLessThan(3_000_000);
  expect(fromSingleFile(file)).toBe(await unpackText(link.replace(/^.*#code=/, "")));
  expect(file).toContain('"results":[{"notebook":"cartpole","cell":"training","recordedAt"');
  await page.keyboard.press("Escape");
  await page.goto("about:blank");
  await page.goto(link);
  await page.getByText("This notebook came from a link.").waitFor();
  expect(await violations()).toEqual([]);
  // Nothing of it has run.
  expect(await page.locator("fulgurite-environment").count()).toBe(0);
  await page.getByRole("button", { name: "Run this notebook" }).click();
  await page.locator("fulgurite-environment canvas").first().waitFor();
  await expect.poll(() => page.url()).toMatch(/#notebook=own-/);
  // Its author's text opens without a question the second time: it is the very text that was allowed.
  await page.goto("about:blank");
  await page.goto(link);
  await page.locator("fulgurite-environment canvas").first().waitFor();
  expect(await page.getByText("This notebook came from a link.").count()).toBe(0);
}, 90_000);

test("what was allowed is listed, and taken back", async () => {
  await page.getByRole("button", { name: "More", exact: true }).click();
  await page.getByRole("menuitem", { name: /What notebooks may do/ }).click();
  const dialog = page.getByRole("dialog", { name: "What notebooks may do" });
  await dialog.getByText(/came from a link. It runs in the sandbox/).waitFor();
  expect(await violations()).toEqual([]);
  await dialog.getByRole("button", { name: "Let it run no more" }).click();
  await dialog.getByText(/Nothing of it runs/).waitFor();
  await page.keyboard.press("Escape");
  await page.getByText("This notebook came from a link.").waitFor();
}, 60_000);

test("from a template, from a file; edits are kept, and earlier versions can be gone back to", async () => {
  await page.goto(app.url);
  await page.getByRole("button", { name: /^Notebook: / }).click();
  await page.getByRole("button", { name: "Empty" }).click();
  await cell(page, "first").focus();
  await page.keyboard.press("Enter");
  await cell(page, "first").locator(".cm-content").waitFor();
  await page.keyboard.insertText("export const kept = 42;");
  await page.keyboard.press("Escape");
  await cell(page, "first").getByText("kept: 42").waitFor();
  await page.waitForTimeout(900);
  // What was typed in the last moment is there as well.
  await page.keyboard.press("Enter");
  await page.keyboard.press("End");
  await page.keyboard.insertText(" export const last = 7;");
  await page.reload();
  await cell(page, "first").getByText("last: 7").waitFor();
  const isPutAside = (): Promise<boolean> =>
    page.evaluate(() => Object.keys(localStorage).some((key) => key.startsWith("fulgurite/left/")));
  await expect.poll(isPutAside).toBe(false);
  await rewrite(page, "first", "export const kept = 42;");
  await cell(page, "first").getByText("kept: 42").waitFor();

  // Two tabs hold the same text: neither saves an old one over the other's.
  const other = await context.newPage();
  await other.goto(page.url());
  await rewrite(other, "first", "export const kept = 43;");
  await cell(page, "first").getByText("kept: 43").waitFor();
  await other.close();
  await page.bringToFront();
  await page.keyboard.press("Control+z");
  await cell(page, "first").getByText("kept: 42").waitFor();

  await cell(page, "first").focus();
  await page.keyboard.press("h");
  await page
    .getByRole("dialog", { name: "Earlier versions" })
    .getByText("− export const kept = 42;")
    .waitFor();
  await page.getByRole("button", { name: "Go back to this" }).click();
  await expect.poll(() => cell(page, "first").innerText()).not.toContain("kept");

  const path = join(app.folder(), "mine.md");
  writeFileSync(
    path,
    "# From a file\n\n[Down](#what-it-is-about)\n\n```ts\nexport const seven = 7;\n```\n\n## What it is *about*\n",
  );
  await page.getByRole("button", { name: /^Notebook: / }).click();
  expect(await violations()).toEqual([]);
  await page.getByLabel("Notebook file").setInputFiles(path);
  await page.getByText("This notebook came from mine.md.").waitFor();
  await page.getByRole("button", { name: "Run this notebook" }).click();
  await page.getByText("seven: 7").waitFor();
  const place = page.url();
  await page.getByRole("link", { name: "Down" }).click();
  const about = page
    .getByRole("region")
    .filter({ has: page.getByRole("heading", { name: "What it is about" }) });
  await expect.poll(() => about.evaluate((section) => section.matches(":focus"))).toBe(true);
  expect(page.url()).toBe(place);

  const python = {
    cells: [{ cell_type: "code", source: "print(1)", outputs: [{ output_type: "stream" }] }],
    metadata: { kernelspec: { language: "python" } },
  };
  const jupyter = { name: "a.ipynb", mimeType: "", buffer: Buffer.from(JSON.stringify(python)) };
  await page.getByRole("button", { name: /^Notebook: / }).click();
  await page.getByLabel("Notebook file").setInputFiles(jupyter);
  await page.getByText("Cells in python cannot run here and became text.").waitFor();
}, 90_000);

test("another site's page holds a notebook, also where the browser gives it no storage there", async () => {
  expect(errors).toEqual([]);
  const text = `// fulgurite: 1\n// %% [md] a\n/*\n# Embedded\n*/\n// %% b\ndisplay(\`\${40 + 2} and \${origin}\`);\n// %% c lazy\nexport const run = await train({ env: cartPole(), reward: defineReward.step(() => 1), algorithm: ppo({ preset: "cleanrl", envs: 16, totalSteps: 4096 }) });\n`;
  writeFileSync(join(app.directory, "small.nb.ts"), text);
  // A window that keeps nothing also blocks the storage of frames from elsewhere.
  const browser = await chromium.launch(chromiumLaunch());
  const host = await browser.newPage();
  writeFileSync(
    join(app.directory, "host.html"),
    `<!doctype html><title>Host</title><script src="${app.url}embed.js"></script><fulgurite-run src="${app.url}small.nb.ts" height="700"></fulgurite-run>`,
  );
  await host.goto(`${app.url.replace("127.0.0.1", "localhost")}host.html`);
  const frame = host.frameLocator("iframe");
  await frame.getByRole("heading", { name: "Embedded" }).waitFor();
  await frame.getByText(/This notebook came from http/).waitFor();
  await frame.getByRole("button", { name: "Run this notebook" }).click();
  await frame.getByText("42 and null").waitFor();
  await frame.getByText("This browser keeps nothing here").waitFor();
  await frame.getByRole("button", { name: "Run c", exact: true }).click();
  await frame.getByText("Finished").waitFor();
  await browser.close();
}, 60_000);

test("after the first visit the page opens without a network, with what was recorded and stored", async () => {
  await page.goto(app.url);
  // Whatever of it this page has fetched by itself: the next one needs all.
  const files = readdirSync(app.directory, { recursive: true, withFileTypes: true })
    .filter(
      (entry) =>
        entry.isFile() && !/^(?:index\.html|sw\.js|embed\.js|host\.html|.*\.nb\.ts)$/.test(entry.name),
    )
    .map(({ name, parentPath }) => relative(app.directory, join(parentPath, name)));
  const missing = (): Promise<string[]> =>
    page.evaluate(async (names) => {
      const kept = await Promise.all(names.map((name) => caches.match(name)));
      return names.filter((_, i) => kept[i] === undefined);
    }, files);
  await expect.poll(missing, { timeout: 30_000 }).toEqual([]);
  await expect.poll(() => page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);
  await app.goOffline();
  await page.reload();
  await page.getByRole("heading", { name: "Balance a pole" }).waitFor();
  await cell(page, "training").getByRole("figure").first().waitFor();
  // What the service worker keeps it isolates, so that engines may have threads; the frames below stay as they were.
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);

  // Cells, what they import, and agents in workers: all of it from what was kept.
  await page.getByRole("button", { name: /^Notebook: / }).click();
  await page.getByRole("button", { name: "Empty" }).click();
  await cell(page, "first").focus();
  await page.keyboard.press("Enter");
  await cell(page, "first").locator(".cm-content").waitFor();
  await page.keyboard.insertText(`import initSqlJs from "sql.js";
if (globalThis.crossOriginIsolated || globalThis.SharedArrayBuffer) throw new Error("a cell shares memory");
const ask = async (query) => new (await initSqlJs()).Database().exec(query)[0].values[0][0];
const agent = defineAgent("echo", async (word, { llm }) => (await llm.chat(word)) + (await ask("select '!'")));
const reward = defineReward(async (word, answer) => (answer.endsWith("!") ? await ask("select 0.25") : 0));
await train({
  agent,
  reward,
  tasks: { train: ["a", "b"], heldOut: ["ab"] },
  policy: characterPolicy({ alphabet: "ab", width: 16, layers: 1, heads: 2, maxLength: 8 }),
  algorithm: grpo({ updates: 1, groupSize: 2, groups: 2, maxTokens: 2 }),
  engine: "cpu",
});`);
  await page.keyboard.press("Control+Enter");
  await cell(page, "first").getByText("Finished").waitFor({ timeout: 60_000 });
  await cell(page, "first").getByText("mean reward 0.25 now").waitFor();
}, 90_000);

import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { importFile } from "../../src/adapter/exchange/index.ts";
import { fileKinds, goodFiles } from "../support/import-fuzz.ts";
import { picture } from "../support/picture.ts";
import { bytesOf, lines, pick, show, soon, status, StorePages } from "./store-page.ts";

// Files on the store page of the built app, by mouse.
const pages = new StorePages();

test("every kind of file is taken, exported, deleted, kept to a retention, and moved with the whole workspace", async () => {
  let workspace: Buffer = Buffer.alloc(0);
  await pages.inBrowser(async (context) => {
    const page = await pages.openAt(context, "store");
    await page.getByText("Nothing is kept yet").waitFor();
    await show(page, "Usage");
    await page.getByText("that the browser allows").waitFor();
    for (const kind of fileKinds) {
      await pick(page, "Import…", { name: `${kind}.file`, buffer: Buffer.from(goodFiles[kind]) });
      await soon(() => status(page), kind).toMatch(/Imported [\d,]+ rollouts and [\d,]+ spans/);
      await soon(() => page.getByLabel("Run", { exact: true }).locator("option").count()).toBe(
        fileKinds.indexOf(kind) + 1,
      );
    }
    await pick(page, "Import…", { name: "no.file", buffer: Buffer.from("nothing of ours") });
    await page.getByText("import/nothing").waitFor();
    await pick(page, "Import…", { name: "many.jsonl", buffer: lines(4, 100) });
    await soon(() => status(page)).toContain("Imported 400 rollouts");

    // Out again, in every format that is offered.
    const formats = await page
      .getByLabel("Export")
      .locator("option")
      .evaluateAll((options) => options.map((option) => (option as HTMLOptionElement).value));
    for (const format of formats.filter((value) => value !== "" && value !== "archive shown")) {
      const started = page.waitForEvent("download");
      await page.getByLabel("Export").selectOption(format);
      const read = importFile(new Uint8Array(await bytesOf(await started)), "x");
      expect(read.problems, format).toEqual([]);
      if (format.startsWith("fine-tuning")) expect(read.examples, format).not.toHaveLength(0);
      else expect(read.spans.length, format).toBeGreaterThanOrEqual(1200);
      await page.getByText("Export…").waitFor({ state: "attached" });
    }

    // Some rollouts, a run, and all runs but the newest two.
    await page.getByLabel("Select rollout").nth(0).check();
    await page.getByLabel("Select rollout").nth(2).check();
    await page.getByRole("button", { name: "Delete them" }).click();
    await page.getByRole("button", { name: "Delete 2 for good?" }).click();
    await page.getByText("398 rollouts.").waitFor();
    await show(page, "Usage");
    const rows = page.locator("fulgurite-usage li");
    expect(await rows.count()).toBe(fileKinds.length + 1);
    const small = rows.filter({ hasText: "fine-tuning" });
    await small.getByRole("button").click();
    await small.getByRole("button", { name: "Delete for good?" }).click();
    await soon(() => rows.count()).toBe(fileKinds.length);
    await page.getByLabel("Keep the newest").fill("2");
    await picture(page, "usage");
    await page.getByRole("button", { name: "Delete the others" }).click();
    await page.getByRole("button", { name: /^Delete \d runs for good/ }).click();
    await page.getByText(/^Deleted \d runs\.$/).waitFor();
    await soon(() => rows.count()).toBeLessThan(fileKinds.length);
    await rows.filter({ hasText: "many" }).waitFor();

    const saved = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save everything to a file" }).click();
    const download = await saved;
    expect(download.suggestedFilename()).toMatch(/^workspace-[\d-]+\.fulgurite$/);
    workspace = await bytesOf(download);
  });

  await pages.inBrowser(async (context) => {
    const page = await pages.openAt(context, "store");
    await show(page, "Usage");
    await pick(page, "Open a saved workspace…", { name: "w.fulgurite", buffer: workspace.subarray(0, -9) });
    await page.getByText("store/damaged-workspace").waitFor();
    await pick(page, "Open a saved workspace…", { name: "w.fulgurite", buffer: workspace });
    await page.getByText(/^Opened \d runs?\.$/).waitFor();
    await pick(page, "Import…", { name: "again.fulgurite", buffer: workspace });
    await soon(() => status(page)).toContain("were here already and stay as they are");
    await page.getByLabel("Run", { exact: true }).selectOption({ label: await optionOf(page, "many") });
    await page.getByText("398 rollouts.").waitFor();

    // A part goes bad on the disk: named, set aside, and the rest is readable.
    await page.evaluate(spoil, "tokens");
    await page.reload();
    await page.getByLabel("Run", { exact: true }).selectOption({ label: await optionOf(page, "many") });
    await page.getByText("398 rollouts.").waitFor();
    await page.locator("tr.row").first().click();
    await page.keyboard.press("Escape");
    const problems = page.locator("fulgurite-store-problems summary");
    await problems.click();
    await page
      .getByText(/store\/corrupt-(tokens|texts)/)
      .first()
      .waitFor();
    await picture(page, "problems");
    await page.locator("fulgurite-rollout-table .scroll").evaluate((element) => {
      element.scrollTop = element.scrollHeight;
    });
    await page.locator("tr.row").last().click();
    const trace = page.getByRole("dialog", { name: /^Rollout/ }).locator("fulgurite-trace");
    await soon(() => trace.locator("li").count()).toBe(3);
  });
}, 240_000);

const optionOf = async (page: Page, name: string): Promise<string> =>
  (await page.getByLabel("Run", { exact: true }).locator("option", { hasText: name }).innerText()).trim();

/** Changes one byte of the newest value of a table. */
async function spoil(table: string): Promise<void> {
  const [{ name }] = (await indexedDB.databases()) as [{ name: string }];
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(name);
    request.onsuccess = () => {
      resolve(request.result);
    };
    request.onerror = () => {
      reject(new Error("no database", { cause: request.error }));
    };
  });
  await new Promise<void>((resolve) => {
    const transaction = database.transaction(table, "readwrite");
    const request = transaction.objectStore(table).openCursor(null, "prev");
    request.onsuccess = () => {
      const cursor = request.result!;
      const bytes = cursor.value as Uint8Array;
      bytes[bytes.length >> 1]! ^= 1;
      cursor.update(bytes);
    };
    transaction.oncomplete = () => {
      resolve();
    };
  });
  database.close();
}

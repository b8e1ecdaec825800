import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { importFile } from "../../src/adapter/exchange/index.ts";
import { axeViolations, galleryPages } from "./gallery-pages.ts";

const withPage = galleryPages("Store");

const table = (page: Page) => page.locator("fulgurite-rollout-table");
const rows = (page: Page) => table(page).locator("tr.row");
const rewards = (page: Page): Promise<string[]> =>
  rows(page).evaluateAll((found) =>
    found.slice(0, 8).map((row) => (row as HTMLTableRowElement).cells[5]!.textContent.trim()),
  );
const show = async (page: Page, tab: string): Promise<void> => page.getByRole("tab", { name: tab }).click();

test("axe finds nothing in either theme: rollouts, resources, workers, usage", async () => {
  await withPage("agentic-store", { stillness: true }, async (page) => {
    await rows(page).first().waitFor();
    expect(await axeViolations(page)).toEqual([]);
    await show(page, "Resources");
    await page.getByRole("heading", { name: /^agent/ }).waitFor();
    expect(await axeViolations(page)).toEqual([]);
    await page.getByRole("combobox", { name: "Resources" }).selectOption("prompts");
    await page.getByText("+ Copy the word, letter by letter.").waitFor();
    await page.getByText("− Copy the word.").waitFor();
    expect(await axeViolations(page)).toEqual([]);
    await page.getByLabel("Compared with").selectOption("");
    await page.getByRole("region", { name: "prompt" }).getByText("letter by letter").waitFor();
    await page.getByRole("tab", { name: "Resources" }).press("ArrowRight");
    await page.getByRole("row", { name: /^runner-2 busy/ }).waitFor();
    expect(await axeViolations(page)).toEqual([]);
    await show(page, "Usage");
    await page.getByText("that the browser allows").waitFor();
    expect(await axeViolations(page)).toEqual([]);
  });
});

test("rollouts are sorted, found, put together with their siblings, opened and exported", async () => {
  await withPage("agentic-store", {}, async (page) => {
    await rows(page).first().waitFor();
    await table(page).getByRole("button", { name: "Reward" }).click();
    await expect.poll(async () => (await rewards(page))[0]).toBe("1");
    await page.getByLabel("State").selectOption("timeout");
    await expect.poll(async () => table(page).locator("p").textContent()).toContain(" of ");
    const [shown] = /[\d,]+/.exec((await table(page).locator("p").textContent())!)!;
    const downloads = page.waitForEvent("download");
    await page.getByLabel("Export").selectOption("jsonl shown");
    const file = await downloads;
    const read = importFile(new Uint8Array(await streamBytes(file)), "x");
    expect(read.problems).toEqual([]);
    expect(read.rollouts).toHaveLength(Number(shown!.replaceAll(",", "")));
    expect(read.rollouts.every(({ status }) => status === "timeout")).toBe(true);

    await rows(page).first().click();
    const attempts = page.getByRole("dialog", { name: /^Rollout/ }).getByRole("table", { name: "Attempts" });
    await attempts.waitFor();
    expect(await attempts.getByRole("row").allInnerTexts()).toEqual([
      "Attempt\tState\tTook\tWorker",
      "1\tfailed\t400 ms\trunner-1",
      "2\ttimed out\t–\trunner-2",
    ]);
    await page.keyboard.press("Escape");

    await page.getByLabel("Select rollout").nth(1).check();
    await page.getByLabel("Select rollout").nth(3).check();
    const chosen = page.waitForEvent("download");
    await page.getByLabel("Export").selectOption("jsonl selected");
    expect(importFile(new Uint8Array(await streamBytes(await chosen)), "x").rollouts).toHaveLength(2);
    await page.getByRole("button", { name: "Clear 2 selected" }).click();
    expect(await page.getByLabel("Select rollout").nth(1).isChecked()).toBe(false);

    await page.getByLabel("State").selectOption("");
    await page.getByLabel("Which rollouts").selectOption("train");
    await page.getByLabel("Siblings together").check();
    await expect.poll(() => table(page).locator("tr.group").count()).toBeGreaterThan(0);
    await rows(page).first().click();
    await page
      .getByRole("dialog", { name: /^Rollout/ })
      .getByRole("heading", { name: "Siblings" })
      .waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("heading", { name: "Store" }).waitFor();
    await page.getByLabel("Export").selectOption("archive");
  });
});

async function streamBytes(download: {
  createReadStream(): Promise<AsyncIterable<Uint8Array>>;
}): Promise<number[]> {
  const bytes: number[] = [];
  for await (const chunk of await download.createReadStream()) bytes.push(...chunk);
  return bytes;
}

test("of a million rollouts only those in sight are drawn, from the first to the last", async () => {
  await withPage("agentic-store-million", {}, async (page) => {
    await rows(page).first().waitFor();
    const scroll = table(page).locator(".scroll");
    const inSight = async (): Promise<readonly string[]> =>
      rows(page).evaluateAll((found) =>
        found.map((row) => row.querySelector("button")?.textContent.trim() ?? "…"),
      );
    expect((await inSight())[0]).toBe("999,999");
    let most = 0;
    for (const share of [0.25, 0.5, 0.75, 1]) {
      await scroll.evaluate((element, at) => {
        element.scrollTop = at * (element.scrollHeight - element.clientHeight);
      }, share);
      await expect
        .poll(async () => {
          const [first] = await inSight();
          return first === undefined || first === "…" ? 0 : 1 - Number(first.replaceAll(",", "")) / 1e6;
        })
        .toBeCloseTo(share, 2);
      most = Math.max(most, await rows(page).count());
    }
    await expect.poll(async () => (await inSight()).at(-1)).toBe("0");
    expect(most).toBeLessThan(50);
    const nodes = await table(page).evaluate((element) => element.shadowRoot!.querySelectorAll("*").length);
    expect(nodes).toBeLessThan(1100);
  });
});

import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { axeViolations, galleryPages } from "./gallery-pages.ts";

const withPage = galleryPages("Everything that cells show");

const region = (page: Page, name: string) =>
  page.getByRole("region", { name: new RegExp(`^Cell \\d+, ${name},`) });

test("inputs set what cells below compute: slider, select, toggle, text, button, form, file", async () => {
  await withPage("real-outputs", {}, async (page) => {
    const result = region(page, "result");
    await result.getByText("hello world 9 pressed 0").waitFor();
    await page.getByRole("slider", { name: "Rate" }).fill("5");
    await result.getByText("hello world 25 pressed 0").waitFor();
    await page.getByLabel("Shape").selectOption("cube");
    await result.getByText("hello world 125 pressed 0").waitFor();
    await page.getByRole("checkbox", { name: "Loud" }).check();
    await page.getByRole("textbox", { name: "Who" }).fill("there");
    await result.getByText("HELLO there 125 pressed 0").waitFor();
    await page.getByRole("button", { name: "Press me" }).click();
    await page.getByRole("button", { name: "Press me" }).click();
    await result.getByText("HELLO there 125 pressed 2").waitFor();
    // Each cell keeps what the other inputs of it were set to.
    expect(await page.getByRole("slider", { name: "Rate" }).inputValue()).toBe("5");

    const form = page.getByRole("form", { name: "Apply" });
    await form.getByRole("slider", { name: "Envs" }).fill("4");
    await form.getByRole("textbox", { name: "Name" }).fill("second");
    await page.waitForTimeout(300);
    expect(await region(page, "applied").innerText()).toContain("applied 1 first");
    await form.getByRole("button", { name: "Apply" }).click();
    await region(page, "applied").getByText("applied 4 second").waitFor();

    await page
      .getByLabel("Data")
      .setInputFiles({ name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("abcde") });
    await region(page, "upload").getByText("a.txt holds abcde").waitFor();
    // Another of the same name and size is another.
    await page
      .getByLabel("Data")
      .setInputFiles({ name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("vwxyz") });
    await region(page, "upload").getByText("a.txt holds vwxyz").waitFor();
  });
});

test("a million rows are a handful of elements, can be scrolled to the last, sorted, filtered and saved", async () => {
  await withPage("real-outputs", {}, async (page) => {
    const table = page.getByRole("region", { name: "million" });
    await table.waitFor();
    await page.getByText("1,000,000 rows, 3 columns").waitFor();
    const rows = () => table.getByRole("row").count();
    expect(await rows()).toBeLessThan(40);
    await table.evaluate((element) => {
      element.scrollTop = element.scrollHeight;
    });
    await table.getByText("999,999").first().waitFor();
    expect(await rows()).toBeLessThan(40);
    await table.getByRole("button", { name: "half" }).click();
    await table.getByRole("button", { name: "half" }).click();
    await table.evaluate((element) => {
      element.scrollTop = 0;
    });
    await table.getByText("499,999.5").waitFor();
    const filter = page.getByRole("searchbox", { name: "Filter the rows" });
    await filter.fill("green");
    await filter.press("Enter");
    await page.getByText("333,333 of 1,000,000 rows").waitFor();
    const [saved] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "CSV" }).click(),
    ]);
    expect(saved.suggestedFilename()).toBe("million.csv");
  });
});

test("figures of a table stand at its columns' ends, in text as in outputs", async () => {
  await withPage("real-outputs", {}, async (page) => {
    const figure = page.getByRole("cell", { name: "8", exact: true });
    expect(await figure.evaluate((cell) => getComputedStyle(cell).textAlign)).toBe("right");
    const ends = await page.getByRole("region", { name: "million" }).evaluate((table) => {
      const end = (selector: string): number => {
        const range = document.createRange();
        range.selectNodeContents(table.querySelector(selector)!);
        return Math.round(range.getBoundingClientRect().right);
      };
      return [end("th.number button"), end("td.number")];
    });
    expect(ends[0]).toBe(ends[1]);
  });
});

test("what is left out is said: a picture elsewhere, most of a long text, a cell whose need failed", async () => {
  await withPage("real-outputs", {}, async (page) => {
    expect(await page.getByRole("checkbox", { name: "Done" }).isChecked()).toBe(true);
    expect(await page.getByRole("checkbox", { name: "To do" }).isChecked()).toBe(false);
    await page.getByText("Not loaded: a picture from pictures.example").waitFor();
    expect(await page.locator("img").count()).toBe(0);

    const long = region(page, "long");
    await long.getByRole("button", { name: "Show 9,602 more characters" }).click();
    await long.getByRole("button", { name: "Show less" }).waitFor();
    await long.getByText(/^"x{10000}"$/).waitFor();

    // Not the cell between the two, which only waits as well.
    const further = page.getByRole("region", { name: /, further, TypeScript, waits for broken$/ });
    await further.getByText("Waits for broken, which failed.").waitFor();
    await further.getByRole("button", { name: "broken" }).click();
    await expect.poll(() => region(page, "broken").evaluate((cell) => cell.matches(":focus"))).toBe(true);
  });
});

test("plots, pictures, bars and differences are drawn, and axe finds nothing wrong with any of it", async () => {
  await withPage("real-outputs", {}, async (page) => {
    await region(page, "drawing").locator('svg g[data-mark="line"] path').waitFor();
    const colours = await page
      .getByRole("img", { name: "stripes" })
      .evaluate((canvas: HTMLCanvasElement) => canvas.getContext("2d")!.getImageData(1, 0, 1, 1).data.join());
    expect(colours).toBe("28,35,42,255");
    await page.getByText("half way", { exact: true }).waitFor();
    expect(await page.getByRole("progressbar", { name: /Counting/ }).getAttribute("value")).toBe("0.5");
    await page.getByRole("region", { name: "Difference" }).getByText("− two").waitFor();
    await region(page, "spans")
      .getByRole("button", { name: /look up/ })
      .click();
    await region(page, "spans").getByText("sqlite", { exact: true }).waitFor();
    expect(await axeViolations(page)).toEqual([]);
    await page.setViewportSize({ width: 360, height: 800 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
  });
});

import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { axeViolations, galleryPages, isFocused } from "./gallery-pages.ts";

const withPage = galleryPages("A notebook to change");

const section = (page: Page, name: string) =>
  page.getByRole("region", { name: new RegExp(`^Cell \\d+, ${name},`) });

/** The ids of the cells, from top to bottom. */
const ids = (page: Page): Promise<string[]> =>
  page.evaluate(() => {
    const { fake } = globalThis as unknown as { fake: { session: { cells: { id: string }[] } } };
    return fake.session.cells.map(({ id }) => id);
  });

const source = (page: Page, id: string): Promise<string | undefined> =>
  page.evaluate((wanted) => {
    type Cell = { id: string; source: string };
    const { fake } = globalThis as unknown as { fake: { session: { cells: Cell[] } } };
    return fake.session.cells.find((cell) => cell.id === wanted)?.source;
  }, id);

test("by keyboard: add, write, duplicate, move, split, merge, change kind, delete, and undo all of it", async () => {
  await withPage("real", {}, async (page) => {
    const first = ["intro", "one", "two", "show"];
    await section(page, "one").focus();
    await page.keyboard.press("b");
    const editor = page.getByRole("textbox", { name: /Code of cell 3, cell-1/ });
    await expect.poll(() => editor.evaluate(isFocused)).toBe(true);
    await page.keyboard.insertText("const left = 1;\n\nconst right = 2;");
    await page.keyboard.press("Escape");
    await expect.poll(() => section(page, "cell-1").evaluate(isFocused)).toBe(true);
    await page.keyboard.press("Shift+D");
    await expect.poll(() => ids(page)).toEqual(["intro", "one", "cell-1", "cell-2", "two", "show"]);
    await page.keyboard.press("d");
    await page.keyboard.press("d");
    await expect.poll(() => ids(page)).toEqual(["intro", "one", "cell-1", "two", "show"]);
    await expect.poll(() => section(page, "two").evaluate(isFocused)).toBe(true);
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Alt+ArrowUp");
    await expect.poll(() => ids(page)).toEqual(["intro", "cell-1", "one", "two", "show"]);
    await expect.poll(() => section(page, "cell-1").evaluate(isFocused)).toBe(true);

    await page.keyboard.press("Enter");
    await expect
      .poll(() => page.getByRole("textbox", { name: /Code of cell 2/ }).evaluate(isFocused))
      .toBe(true);
    await page.keyboard.press("Control+Home");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Control+Alt+s");
    await expect.poll(() => ids(page)).toEqual(["intro", "cell-1", "cell-2", "one", "two", "show"]);
    expect(await source(page, "cell-1")).toBe("const left = 1;");
    expect(await source(page, "cell-2")).toBe("const right = 2;");
    await expect
      .poll(() => page.getByRole("textbox", { name: /Code of cell 3/ }).evaluate(isFocused))
      .toBe(true);
    await page.keyboard.press("Escape");
    await expect.poll(() => section(page, "cell-2").evaluate(isFocused)).toBe(true);
    await page.keyboard.press("ArrowUp");
    await expect.poll(() => section(page, "cell-1").evaluate(isFocused)).toBe(true);
    await page.keyboard.press("Shift+M");
    await expect.poll(() => source(page, "cell-1")).toBe("const left = 1;\nconst right = 2;");
    await page.keyboard.press("m");
    await section(page, "cell-1").getByText("const left = 1;").waitFor();
    await expect.poll(() => section(page, "cell-1").getAttribute("aria-label")).toMatch(/text$/);

    for (let step = 0; step < 12; step++) await page.keyboard.press("Control+z");
    await expect.poll(() => ids(page)).toEqual(first);
    await page.keyboard.press("Control+Shift+Z");
    await expect.poll(async () => (await ids(page)).length).toBe(5);
  });
});

test("one history over text and structure, also from inside the text", async () => {
  await withPage("real", {}, async (page) => {
    await section(page, "two").focus();
    await page.keyboard.press("Enter");
    const editor = page.getByRole("textbox", { name: /Code of cell 3, two/ });
    await expect.poll(() => editor.evaluate(isFocused)).toBe(true);
    await page.keyboard.press("Control+End");
    await page.keyboard.type(" // typed");
    await page.keyboard.press("Control+z");
    await expect.poll(() => source(page, "two")).toBe("export const two = one + 1;");
    await expect.poll(() => editor.textContent()).toBe("export const two = one + 1;");
    await expect.poll(() => editor.evaluate(isFocused)).toBe(true);
    await page.keyboard.press("Control+Shift+Z");
    await expect.poll(() => source(page, "two")).toBe("export const two = one + 1; // typed");
  });
});

test("by mouse: a cell from the gap, and everything else from its menu", async () => {
  await withPage("real", {}, async (page) => {
    await page.locator("fulgurite-inserter").nth(2).hover();
    await page.getByRole("button", { name: "Add a text cell at place 3" }).click();
    await page.getByRole("textbox", { name: "Text of cell 3" }).waitFor();
    await page.keyboard.insertText("## Words");
    await page.keyboard.press("Escape");
    await page.getByRole("heading", { name: "Words" }).waitFor();
    // Text is left by a press elsewhere, which is no press on what moves under it.
    await section(page, "cell-1").dblclick();
    const text = page.getByRole("textbox", { name: "Text of cell 3" });
    await text.waitFor();
    await page.keyboard.press("Control+End");
    await page.keyboard.insertText("\n\none\n\ntwo");
    await section(page, "show").locator("pre").last().click();
    await page.getByRole("textbox", { name: /Code of cell 5/ }).waitFor();
    await expect.poll(() => text.count()).toBe(0);
    await section(page, "cell-1").getByText("two").waitFor();
    const choose = async (cell: string, item: string): Promise<void> => {
      await section(page, cell).hover();
      await page.getByRole("button", { name: `More for ${cell}`, exact: true }).click();
      await page.getByRole("menuitem", { name: item }).click();
    };
    await choose("cell-1", "Move the cell up");
    await expect.poll(() => ids(page)).toEqual(["intro", "cell-1", "one", "two", "show"]);
    await choose("one", "Merge with the cell below");
    await expect.poll(() => source(page, "one")).toBe("export const one = 1;\nexport const two = one + 1;");
    await choose("one", "Fold or unfold the code");
    await page.getByRole("button", { name: "Show the code of one" }).waitFor();
    await choose("one", "Rename the cell");
    await page.getByRole("textbox", { name: "Name" }).fill("numbers");
    await page.keyboard.press("Enter");
    await expect.poll(() => ids(page)).toEqual(["intro", "cell-1", "numbers", "show"]);
    await choose("show", "Delete the cell");
    await expect.poll(() => ids(page)).toEqual(["intro", "cell-1", "numbers"]);
  });
});

test("palette, outline, variables and find lead to the cell", async () => {
  await withPage("real", {}, async (page) => {
    await section(page, "intro").focus();
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox", { name: "Command or cell" }).fill("show");
    await page.getByRole("option", { name: /^show/ }).waitFor();
    expect(await axeViolations(page)).toEqual([]);
    await page.keyboard.press("Enter");
    await expect.poll(() => section(page, "show").evaluate(isFocused)).toBe(true);

    await page.keyboard.press("v");
    const variables = page.getByRole("complementary", { name: "Variables" });
    await variables.getByText("used by").first().waitFor();
    // The panel lies beside the cells, not over them.
    const code = (await section(page, "two").locator("pre, .cm-content").boundingBox())!;
    expect(code.x + code.width).toBeLessThan((await variables.boundingBox())!.x);
    expect(await axeViolations(page)).toEqual([]);
    await variables.getByRole("button", { name: "two" }).first().click();
    await expect.poll(() => section(page, "two").evaluate(isFocused)).toBe(true);
    await page.getByRole("tab", { name: "Outline" }).click();
    await page.getByRole("complementary", { name: "Outline" }).getByText("A notebook to change").waitFor();
    // Its keys go on where they were.
    await page.keyboard.press("Escape");
    await expect.poll(() => section(page, "two").evaluate(isFocused)).toBe(true);

    await page.keyboard.press("Control+f");
    const find = page.getByRole("searchbox", { name: "Find" });
    await find.fill("notebook");
    await page.keyboard.press("Enter");
    await page.getByText("1 of 1").waitFor();
    const text = page.getByRole("textbox", { name: "Text of cell 1" });
    await page.keyboard.press("Escape");
    await expect.poll(() => text.evaluate(isFocused)).toBe(true);
    await page.keyboard.press("Control+f");
    await find.fill("one");
    await page.getByText("2 found").waitFor();
    await page.keyboard.press("Enter");
    await page.getByText("1 of 2").waitFor();
    // What was found before is text again, and only what is found now is selected.
    await expect.poll(() => text.count()).toBe(0);
    const selected = page.locator(".cm-selectionBackground");
    await expect.poll(() => selected.count()).toBe(1);
    await page.keyboard.press("Enter");
    await page.getByText("2 of 2").waitFor();
    await expect.poll(() => selected.count()).toBe(1);
    await page.getByRole("textbox", { name: "Replace with" }).fill("uno");
    await page.getByRole("button", { name: "All", exact: true }).click();
    await expect.poll(() => source(page, "two")).toBe("export const two = uno + 1;");
    await page.keyboard.press("Escape");
    await section(page, "intro").focus();
    await page.keyboard.press("Control+z");
    await expect.poll(() => source(page, "two")).toBe("export const two = one + 1;");
  });
});

test("which cell is active is seen where the person's colours replace ours", async () => {
  await withPage("real", {}, async (page) => {
    await page.emulateMedia({ forcedColors: "active" });
    await section(page, "one").focus();
    await page.keyboard.press("ArrowDown");
    const bar = section(page, "two").evaluate((cell) => [
      getComputedStyle(cell, "::before").backgroundColor,
      getComputedStyle(document.body).backgroundColor,
    ]);
    expect(new Set(await bar).size).toBe(2);
  });
});

test("only what cells show, without code; and the code again", async () => {
  await withPage("real", {}, async (page) => {
    await section(page, "show").focus();
    await page.keyboard.press("p");
    await expect.poll(() => page.locator("fulgurite-code:visible").count()).toBe(0);
    await page.getByText("the sum is 3").waitFor();
    expect(await axeViolations(page)).toEqual([]);
    await page.getByRole("button", { name: "Show the code" }).click();
    await expect.poll(() => page.locator("fulgurite-code:visible").count()).toBe(3);
  });
});

test("of 64 cells those near sight are laid out, and a key draws none of them", async () => {
  await withPage("real", {}, async (page) => {
    await page.evaluate(() => {
      const { fake } = globalThis as unknown as { fake: { session: { apply(edit: unknown): void } } };
      const cells = Array.from({ length: 64 }, (_, i) => `// %% cell${i}\nexport const v${i} = ${i};\n`);
      fake.session.apply({ kind: "replace", text: `// fulgurite: 1\n${cells.join("")}` });
    });
    const cells = page.locator("fulgurite-cell");
    await expect.poll(() => cells.count(), { timeout: 20_000 }).toBe(64);
    const laidOut = () =>
      cells.evaluateAll((all) =>
        all.flatMap((cell, i) => (cell.checkVisibility({ contentVisibilityAuto: true }) ? [i] : [])),
      );
    await expect.poll(async () => (await laidOut()).length).toBeLessThan(33);
    expect(await laidOut()).toContain(0);
    // What is laid out on the way takes another height than it was thought to have.
    const atEnd = async (): Promise<number[]> => {
      await section(page, "cell63").scrollIntoViewIfNeeded();
      return laidOut();
    };
    await expect.poll(atEnd).toContain(63);
    await expect.poll(laidOut).not.toContain(0);

    await section(page, "cell63").getByText("export").click();
    await page.getByRole("textbox", { name: /Code of cell 64/ }).waitFor();
    const drawn = await page.evaluateHandle(() => {
      const names: string[] = [];
      for (const name of ["fulgurite-notebook", "fulgurite-cell", "fulgurite-code"]) {
        const { prototype } = customElements.get(name) as unknown as {
          prototype: { update(c: unknown): void };
        };
        const update = prototype.update;
        prototype.update = function (changed) {
          names.push(name);
          update.call(this, changed);
        };
      }
      let atKey: readonly string[] | null = null;
      addEventListener("keyup", () => (atKey ??= [...names]), { capture: true });
      return { names, atKey: () => atKey };
    });
    await page.keyboard.type("12");
    // What is typed is taken over a moment later; a slow machine may be there before we look.
    expect(await drawn.evaluate(({ atKey }) => atKey())).toEqual([]);
    await expect.poll(() => source(page, "cell63")).toContain("12");
    await expect.poll(() => drawn.evaluate(({ names }) => names)).toContain("fulgurite-cell");
  });
});

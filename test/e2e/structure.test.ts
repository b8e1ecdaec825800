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
    .replace(/, on (?:CPU and GPU|the CPU; no GPU here)[^"\n]*/g, "")
    // An adapter's name brought a colon, and with it the quotation marks.
    .replace(/"(Compiled to WGSL[^"\n]*)"/g, "$1")
    .replace(/(figure "(?:Return|Success|Loss) )[^"\n]*/g, "$1FIGURES")
    .replace(/\b(?:SwiftShader|llvmpipe|WebGPU|CPU engine)[^"\n]*/g, "ENGINE");

/** Of a longer text only its frame: what cells show comes when it has loaded, and has tests of its own. */
const inFrame = /^ *- '?(?:region "Cell|heading|dialog|button "(?:Run|More|Add|Close|Share|Show the code))/;
const frame = (snapshot: string): string =>
  steady(snapshot)
    .split("\n")
    .filter((line) => inFrame.test(line))
    .join("\n");

/** Holds what is there at `selector`, a dialog or an element of the page, to the file of that name. */
async function isAlike(name: string, selector: string, of = steady): Promise<void> {
  const snapshot = await page.locator(selector).ariaSnapshot();
  await expect(of(snapshot)).toMatchFileSnapshot(`structure/${name}.aria`);
}

/** What axe finds there, in light; in dark only the colours differ. */
async function violations(selector: string): Promise<string[]> {
  const all: string[] = [];
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    const found = await page.evaluate(
      async ([within, only]) => {
        const { run } = (globalThis as unknown as { axe: typeof axe }).axe;
        const options = only === null ? {} : { runOnly: [only] };
        const result = await run(within, { resultTypes: ["violations"], ...options });
        return result.violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html ?? ""}`);
      },
      // Dialogs are the last thing on the page, in an element of their own.
      [
        selector === "dialog" ? "body > :last-child" : selector,
        colorScheme === "light" ? null : "color-contrast",
      ] as const,
    );
    all.push(...found.map((violation) => `${colorScheme}: ${violation}`));
  }
  await page.emulateMedia({ colorScheme: "light" });
  return all;
}

/** Holds it to axe, too. */
async function holds(name: string, selector: string, of = steady): Promise<void> {
  await picture(page, name);
  expect(await violations(selector)).toEqual([]);
  await isAlike(name, selector, of);
}

/** Opens a shipped notebook, and waits until what runs by itself has run. */
async function open(id: string): Promise<void> {
  await page.evaluate((notebook) => {
    location.hash = `notebook=${notebook}`;
  }, id);
  await page.waitForFunction((notebook) => {
    const { session, cells, renderRoot } = document.querySelector("fulgurite-notebook")!;
    const isDone = cells.every(({ kind, lazy, state }) => kind === "md" || lazy || state.kind === "done");
    // Cells out of sight follow when the page is idle.
    const elements = [...renderRoot.querySelectorAll("fulgurite-cell")];
    const isDrawn = cells.every((cell, i) => elements[i]?.cell === cell);
    return session?.id === notebook && isDone && isDrawn;
  }, id);
}

test("notebooks", async () => {
  await page.goto(app.url);
  await page.evaluate(axe.source);
  await open("cartpole");
  await page.locator("fulgurite-environment canvas").first().waitFor();
  await page.getByRole("figure").first().waitFor();
  await holds("cartpole", "body");
  for (const id of ["environments", "text-to-sql", "strings"]) {
    await open(id);
    await holds(id, "fulgurite-notebook", frame);
  }
}, 120_000);

test("dialogs, store, articles and what is not there", async () => {
  await open("cartpole");
  for (const name of ["library", "share", "history", "runs", "permissions", "keys", "palette"] as const) {
    await page.evaluate((what) => {
      document.querySelector("fulgurite-notebook")!.open(what);
    }, name);
    const dialog = page.getByRole("dialog");
    await dialog
      .getByRole(name === "palette" ? "combobox" : "heading")
      .first()
      .waitFor();
    await page.waitForTimeout(200);
    await holds(name, "dialog");
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
  }
  for (const name of ["store", "how-it-works"]) {
    await page.evaluate((hash) => {
      location.hash = hash;
    }, name);
    const dialog = page.getByRole("dialog");
    const ready =
      name === "store" ? dialog.getByText("Nothing is kept yet") : dialog.getByRole("heading").first();
    await ready.waitFor();
    await holds(name, "dialog", name === "store" ? steady : frame);
    await page.getByRole("button", { name: "Close" }).click();
    await dialog.waitFor({ state: "detached" });
  }
  // Nobody listens on port 1. With a notebook on the page, what could not be opened is put away by key and by mouse.
  const missing = page.getByRole("alert").getByText("share/unreachable");
  const closing = {
    key: () => page.keyboard.press("Escape"),
    mouse: () => page.getByRole("button", { name: "Close the notice" }).click(),
  };
  for (const [name, close] of Object.entries(closing)) {
    await page.evaluate((hash) => {
      location.hash = hash;
    }, `src=http://127.0.0.1:1/${name}.nb.ts`);
    await missing.waitFor();
    await close();
    await missing.waitFor({ state: "detached" });
  }
  await page.goto("about:blank");
  await page.goto(`${app.url}#src=http://127.0.0.1:1/x.nb.ts`);
  await missing.waitFor();
  await page.evaluate(axe.source);
  expect(await violations("body")).toEqual([]);
}, 120_000);

import type { Page } from "playwright-core";
import type { FulguriteNotebook } from "../src/ui/notebook.ts";
import type { Bench, Measurement, NodeContext } from "./harness/bench.ts";
import { timing } from "./harness/interleave.ts";
import { tracedKeys } from "./harness/traced-keys.ts";

const notebook = (cells: readonly string[]): string =>
  `// fulgurite: 1\n${cells.map((source, i) => `// %% cell${i}\n${source}\n`).join("\n")}`;
const chain = (count: number): string =>
  notebook(
    Array.from({ length: count }, (_, i) => `export const v${i} = ${i === 0 ? "1" : `v${i - 1} + 1`};`),
  );

const bench: Bench = {
  where: "node",
  about: "the built app: a key in a notebook of 500 cells, 1,000 cells run, a restart, a long table, a run",
  async run(context) {
    return [
      ...(await eager(context)),
      ...(await typing(context)),
      ...(await restart(context)),
      ...(await table(context)),
      ...(await training(context)),
    ];
  },
};

const milliseconds = (metric: string, values: readonly number[], note: string): Measurement => {
  const { median, least } = timing(values);
  return { metric, unit: "ms", value: median, note: `${note}; least ${least.toFixed(1)} ms` };
};

/** The app with another text in its first notebook, its kernel started. */
async function open({ newPage, appUrl }: NodeContext, text: string | null): Promise<Page> {
  const page = await newPage();
  await page.addInitScript(() => {
    const seen = { tasks: [] as number[] };
    Object.assign(window, { seen });
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) seen.tasks.push(duration);
    }).observe({ type: "longtask" });
  });
  await page.goto(await appUrl());
  await page.waitForFunction(() => {
    const session = document.querySelector("fulgurite-notebook")?.session;
    return session?.cells.some(({ state }) => state.kind === "done") ?? false;
  });
  if (text === null) return page;
  await page.evaluate(async (given) => {
    const { session } = document.querySelector("fulgurite-notebook") as FulguriteNotebook;
    session!.apply({ kind: "replace", text: given });
    await session!.runEager();
  }, text);
  return page;
}

async function eager(context: NodeContext): Promise<Measurement[]> {
  const page = await open(context, chain(2));
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    const text = chain(1_000).replace("= 1;", `= ${round + 2};`);
    times.push(
      await page.evaluate(async (given) => {
        const { session } = document.querySelector("fulgurite-notebook") as FulguriteNotebook;
        session!.apply({ kind: "replace", text: "// fulgurite: 1\n// %% cell0\nexport const v0 = 1;\n" });
        await session!.runEager();
        session!.apply({ kind: "replace", text: given });
        const start = performance.now();
        await session!.runEager();
        return performance.now() - start;
      }, text),
    );
    context.progress(`1,000 cells in ${times.at(-1)!.toFixed(0)} ms`);
  }
  await page.close();
  return [milliseconds("eager-cells", times, "1,000 cells, each of the one before, sent and run")];
}

async function typing(context: NodeContext): Promise<Measurement[]> {
  const page = await open(context, chain(500));
  const region = page.getByRole("region", { name: /, cell3, / });
  await region.click();
  await page.keyboard.press("Enter");
  await region.locator(".cm-content").waitFor();
  await page.keyboard.press("End");
  // Types come from a worker of their own; what is measured is a notebook at rest.
  await page.waitForTimeout(4_000);
  const keys = await tracedKeys(page, 6, () => type(page, 18));
  await page.close();
  const blank = await context.newPage();
  await blank.setContent("<textarea autofocus>export const v3 = 1</textarea>");
  await blank.locator("textarea").click();
  const floor = await tracedKeys(blank, 1, () => type(blank, 24));
  await blank.close();
  for (const [name, values] of Object.entries(keys) as [string, number[]][]) {
    context.progress(`${name}: ${values.map((ms) => ms.toFixed(0)).join(" ")} ms`);
  }
  const least = (part: "work" | "presented"): string =>
    `in an empty page with a text field ${timing(floor[part]).median.toFixed(1)} ms`;
  const work = "the page's thread, from a key to the end of its frame, 500 cells";
  return [
    milliseconds("edit-work", keys.work, `${work}; ${least("work")}`),
    {
      metric: "edit-work-p99",
      unit: "ms",
      value: percentile(keys.work, 0.99),
      note: `${work}; ${keys.work.length} keys`,
    },
    milliseconds(
      "edit",
      keys.presented,
      `from a key to the presented frame that shows it, 500 cells; ${least("presented")}`,
    ),
  ];
}

/** The smallest value that so large a part of them is not above. */
function percentile(values: readonly number[], part: number): number {
  return [...values].sort((a, b) => a - b)[Math.ceil(values.length * part) - 1]!;
}

/** Types keys with pauses, before each of which a digit has changed, so that the notebook runs again. */
async function type(page: Page, keys: number): Promise<void> {
  for (let i = 0; i < keys; i++) {
    await page.keyboard.press(i % 2 ? `${((i + 1) >> 1) % 10}` : "Backspace");
    await page.waitForTimeout(i % 6 === 5 ? 700 : 40);
  }
}

async function restart(context: NodeContext): Promise<Measurement[]> {
  const page = await open(context, notebook(["export const one = 1;", "for (;;);"]));
  const times: number[] = [];
  // The second cell never returns; the grace that a stopped cell has is 2 s.
  const grace = 2_000;
  for (let round = 0; round < 3; round++) {
    times.push(
      await page.evaluate(async () => {
        const { session } = document.querySelector("fulgurite-notebook") as FulguriteNotebook;
        void session!.run("cell1");
        while (session!.cells[1]!.state.kind !== "running") await new Promise((done) => setTimeout(done, 20));
        const start = performance.now();
        await session!.stop("cell1");
        return performance.now() - start;
      }),
    );
    context.progress(`stopped after ${times.at(-1)!.toFixed(0)} ms`);
  }
  await page.close();
  return [
    milliseconds(
      "kernel-restart",
      times.map((ms) => Math.max(0, ms - grace)),
      "beyond the 2 s of grace",
    ),
  ];
}

async function table(context: NodeContext): Promise<Measurement[]> {
  const page = await open(
    context,
    notebook([
      "export const rows = table({ a: Float64Array.from({ length: 1e6 }, (_, i) => i), b: Float64Array.from({ length: 1e6 }, (_, i) => i * i) });",
    ]),
  );
  await page.locator("fulgurite-table").first().waitFor();
  const nodes = await page.evaluate(() => {
    const count = (root: ParentNode): number =>
      [...root.querySelectorAll("*")].reduce(
        (sum, element) => sum + 1 + (element.shadowRoot ? count(element.shadowRoot) : 0),
        0,
      );
    return count(document);
  });
  await page.close();
  return [
    { metric: "dom-nodes", unit: "count", value: nodes, note: "whole page, a table of a million rows" },
  ];
}

async function training(context: NodeContext): Promise<Measurement[]> {
  const page = await open(context, null);
  await page.evaluate(() => {
    const { session } = document.querySelector("fulgurite-notebook") as FulguriteNotebook;
    const cell = session!.cells.find(({ id }) => id === "training")!;
    session!.edit("training", cell.source.replace("train({", 'train({ engine: "cpu",'));
    void session!.run("training");
  });
  await page.locator("fulgurite-curve svg").first().waitFor({ timeout: 30_000 });
  const tasks = await page.evaluate(async () => {
    const { seen } = window as unknown as { seen: { tasks: number[] } };
    // What is loaded and drawn for the first time is not the run's doing.
    await new Promise((done) => setTimeout(done, 3_000));
    seen.tasks.length = 0;
    await new Promise((done) => setTimeout(done, 8_000));
    return seen.tasks;
  });
  await page.close();
  return [
    {
      metric: "longest-task",
      unit: "ms",
      value: Math.max(0, ...tasks),
      engine: "cpu",
      note: `of the page's thread in 8 s of a run; ${tasks.length} above 50 ms`,
    },
  ];
}

export default bench;

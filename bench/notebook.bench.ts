import type { Page } from "playwright-core";
import type { FulguriteNotebook } from "../src/ui/notebook.ts";
import type { Bench, Measurement, NodeContext } from "./harness/bench.ts";
import { timing } from "./harness/interleave.ts";

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

interface Keys {
  /** From a key to the frame that shows it. */
  readonly shown: number[];
  /** Of that, what the page's thread worked: the key's own task, and all of the frame. */
  readonly work: number[];
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
  const keys = await typed(page);
  context.progress(`keys: ${keys.shown.map((ms) => ms.toFixed(0)).join(" ")} ms`);
  context.progress(`work: ${keys.work.map((ms) => ms.toFixed(0)).join(" ")} ms`);
  await page.close();
  const blank = await context.newPage();
  await blank.setContent("<textarea autofocus>export const v3 = 1</textarea>");
  await blank.locator("textarea").click();
  const floor = timing((await typed(blank)).shown.slice(4)).median;
  await blank.close();
  return [
    milliseconds("edit-work", keys.work.slice(4), "the page's own work for a key and its frame, 500 cells"),
    milliseconds(
      "edit",
      keys.shown.slice(4),
      `from a key to the frame that shows it, 500 cells; in an empty page with a text field ${floor.toFixed(1)} ms`,
    ),
  ];
}

/** Types 24 keys with pauses, in which the notebook runs again. */
async function typed(page: Page): Promise<Keys> {
  await page.evaluate(() => {
    const keys: Keys = { shown: [], work: [] };
    const handled = new MessageChannel();
    const drawn = new MessageChannel();
    let [start, handling, frame] = [0, 0, 0];
    handled.port1.onmessage = () => (handling = performance.now() - start);
    drawn.port1.onmessage = () => {
      const now = performance.now();
      keys.shown.push(now - start);
      keys.work.push(Math.min(handling, frame - start) + now - frame);
    };
    addEventListener(
      "keydown",
      () => {
        start = performance.now();
        handled.port2.postMessage(null);
        requestAnimationFrame(() => {
          frame = performance.now();
          drawn.port2.postMessage(null);
        });
      },
      true,
    );
    Object.assign(window, { keys });
  });
  for (let i = 0; i < 24; i++) {
    await page.keyboard.press(i % 2 ? "1" : "Backspace");
    await page.waitForTimeout(i % 6 === 5 ? 700 : 40);
  }
  return page.evaluate(() => (window as unknown as { keys: Keys }).keys);
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

import { gzipSync } from "node:zlib";
import type { Bench, Measurement } from "./harness/bench.ts";
import { timing } from "./harness/interleave.ts";

const bench: Bench = {
  where: "node",
  about: "the built app opened in a fresh profile: first contentful paint, and the shell's size",
  async run({ newPage, appUrl, progress }) {
    const url = await appUrl();
    const paints: number[] = [];
    const tasks: number[] = [];
    for (let round = 0; round < 7; round++) {
      const page = await newPage();
      await page.addInitScript(() => {
        const longest = { task: 0 };
        (window as unknown as { longest: typeof longest }).longest = longest;
        new PerformanceObserver((list) => {
          for (const { duration } of list.getEntries()) longest.task = Math.max(longest.task, duration);
        }).observe({ type: "longtask", buffered: true });
      });
      await page.goto(url);
      await page.waitForFunction(
        () => performance.getEntriesByName("first-contentful-paint")[0] !== undefined,
      );
      paints.push(
        await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]!.startTime),
      );
      await page.waitForTimeout(1_500);
      tasks.push(
        await page.evaluate(() => (window as unknown as { longest: { task: number } }).longest.task),
      );
      progress(
        `first paint after ${paints.at(-1)!.toFixed(0)} ms, longest task ${tasks.at(-1)!.toFixed(0)} ms`,
      );
      await page.close();
    }
    const measure = (metric: string, values: readonly number[]): Measurement => {
      const { median, least } = timing(values);
      return { metric, unit: "ms", value: median, note: `least ${least.toFixed(0)} ms` };
    };
    const shell = await shellOf(url);
    return [
      measure("time", paints),
      measure("longest-task", tasks),
      {
        metric: "bytes",
        unit: "bytes",
        value: shell.bytes,
        note: `gzip of the page and the ${shell.scripts} scripts that it names`,
      },
    ];
  },
};

/** The page, and the scripts without which nothing of it is drawn. */
async function shellOf(url: string): Promise<{ readonly bytes: number; readonly scripts: number }> {
  const html = await (await fetch(url)).text();
  const names = [...html.matchAll(/(?:src|href)="(\.\/assets\/[^"]+\.js)"/g)].map(([, name]) => name!);
  let bytes = gzipSync(html).length;
  for (const name of names) {
    bytes += gzipSync(new Uint8Array(await (await fetch(new URL(name, url))).arrayBuffer())).length;
  }
  return { bytes, scripts: names.length };
}

export default bench;

import type { Bench, Measurement } from "./harness/bench.ts";
import { timing } from "./harness/interleave.ts";

const bench: Bench = {
  where: "node",
  about:
    "the built app opened in a fresh profile, Run pressed as soon as it is there: time to the first update",
  async run({ newPage, appUrl, progress }) {
    const url = await appUrl();
    const times: { readonly ready: number; readonly first: number; readonly pressed: number }[] = [];
    for (let round = 0; round < 5; round++) {
      const page = await newPage();
      // Before the app's own code: a button that appears is pressed, and the first figures of the run are noticed.
      await page.addInitScript(() => {
        const seen = { ready: 0, first: 0 };
        (window as unknown as { seen: typeof seen }).seen = seen;
        const all = function* (root: Document | ShadowRoot): Generator<Element> {
          for (const element of root.querySelectorAll("*")) {
            yield element;
            if (element.shadowRoot) yield* all(element.shadowRoot);
          }
        };
        const poll = (): void => {
          for (const element of all(document)) {
            if (seen.ready === 0 && element instanceof HTMLButtonElement) {
              if (element.getAttribute("aria-label") === "Run training" && !element.disabled) {
                seen.ready = performance.now();
                element.click();
              }
            }
            const text = element.localName === "fulgurite-run" ? element.shadowRoot?.textContent : null;
            if (text && /update [1-9][\d,]* of/.test(text)) {
              if (seen.ready === 0) throw new Error("There is an update before Run was pressed.");
              seen.first = performance.now();
            }
          }
          if (seen.first === 0) setTimeout(poll, 10);
        };
        addEventListener("DOMContentLoaded", poll);
      });
      await page.goto(url);
      await page.waitForFunction(() => (window as unknown as { seen: { first: number } }).seen.first > 0);
      const seen = await page.evaluate(
        () => (window as unknown as { seen: { ready: number; first: number } }).seen,
      );
      times.push({ ...seen, pressed: seen.first - seen.ready });
      progress(`ready after ${seen.ready.toFixed(0)} ms, first update ${seen.first.toFixed(0)} ms`);
      await page.close();
    }
    const measure = (metric: string, values: readonly number[]): Measurement => {
      const { median, least } = timing(values);
      return { metric, unit: "ms", value: median, note: `least ${least.toFixed(0)} ms` };
    };
    return [
      measure(
        "time",
        times.map(({ first }) => first),
      ),
      measure(
        "ready",
        times.map(({ ready }) => ready),
      ),
      measure(
        "from-run",
        times.map(({ pressed }) => pressed),
      ),
    ];
  },
};

export default bench;

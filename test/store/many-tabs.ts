import type { Page } from "playwright-core";
import type { Harness } from "./page.ts";

declare const harness: Harness;

/** Lets all of the tabs write, read and take work at once; what they did wrong, in words. */
export async function writeInTabs(tabs: readonly Page[]): Promise<readonly string[]> {
  const first = tabs[0]!;
  await first.evaluate((rollouts) => harness.prepareTabs(rollouts), 20 * tabs.length);
  const taken = await Promise.all(
    tabs.map(async (tab, i) => {
      const own = `tab ${i}`;
      return [own, await tab.evaluate((it) => harness.workInTab(it), own)] as const;
    }),
  );
  return first.evaluate((it) => harness.wrongAfterTabs(it), Object.fromEntries(taken));
}

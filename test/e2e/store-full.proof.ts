import type { CDPSession, Locator, Page } from "playwright-core";
import { expect, test } from "vitest";
import { encodeRolloutLines } from "../../src/adapter/exchange/rollout-lines.ts";
import { agenticUpdate } from "../store/agentic-batch.ts";
import { cell, rewrite } from "../support/notebook-page.ts";
import { picture } from "../support/picture.ts";
import { pick, show, soon, status, StorePages } from "./store-page.ts";

const pages = new StorePages();

test("a full disk pauses the run and names what is large; once that is deleted, the run goes on by itself", async () => {
  await pages.inBrowser(async (context) => {
    const page = await pages.openAt(context, "store");
    const disk = new Disk(await context.newCDPSession(page), page);
    await pick(page, "Import…", { name: "large.jsonl", buffer: dense(12, 250) });
    await soon(() => status(page)).toContain("Imported 3,000 rollouts");
    await page.getByRole("button", { name: "Close" }).click();
    await rewrite(page, "training", endless);
    const run = cell(page, "training");
    await run.getByRole("button", { name: "Run training" }).click();
    const pause = run.getByRole("button", { name: "Pause" });
    await pause.waitFor();
    const full = run.getByText(/used up/);

    await disk.settled();
    await disk.fill(full);
    expect(await full.innerText()).toMatch(/the largest: "large" \([\d.]+ MB/);
    await picture(page, "full", run);

    // An edit is kept as soon as there is room, and the page says that it is not yet.
    await rewrite(page, "reward", `${await code(page, "reward")}\n// edited on a full disk`);
    const notice = page.locator(".notice");
    await notice.getByText(/used up/).waitFor();
    await picture(page, "full-draft");

    await page.getByRole("link", { name: "Store" }).click();
    await show(page, "Usage");
    const large = page.locator("fulgurite-usage li").filter({ hasText: "large" });
    await large.getByRole("button").click();
    await large.getByRole("button", { name: "Delete for good?" }).click();
    await large.waitFor({ state: "detached", timeout: 15_000 });
    await picture(page, "full-deleted");
    await page.getByRole("button", { name: "Close" }).click();
    await full.waitFor({ state: "detached", timeout: 60_000 });
    await pause.waitFor();

    // What the notebook could not keep is kept by now.
    await notice.waitFor({ state: "detached", timeout: 60_000 });

    // Once more, and the page is closed before there is room.
    await disk.fill(full);
    await disk.shrink();
    await page.reload();
    await soon(() => full.innerText()).toMatch(/page was closed.*used up/);
    expect(await code(page, "reward")).toContain("// edited on a full disk");
    await picture(page, "full-reloaded", run);
    await run.getByRole("button", { name: "Resume" }).click();
    await soon(() => full.innerText()).toMatch(/^Paused.*\nThe disk space/);
    await run.getByRole("button", { name: "Stop", exact: true }).click();
    await soon(() => run.innerText()).not.toMatch(/used up/);
  });
}, 300_000);

interface Usage {
  readonly usage: number;
  readonly usageBreakdown: readonly { readonly storageType: string; readonly usage: number }[];
}

/** What the browser allows the site of a page. */
class Disk {
  readonly #session: CDPSession;
  readonly #origin: string;

  constructor(session: CDPSession, page: Page) {
    this.#session = session;
    this.#origin = new URL(page.url()).origin;
  }

  /** Files that the page keeps for later visits count, too: waits until it has fetched them all. */
  async settled(): Promise<void> {
    let before = 0;
    const kept = async (): Promise<boolean> => {
      const { usageBreakdown } = await this.#usage();
      const now = usageBreakdown.find(({ storageType }) => storageType === "cache_storage")?.usage ?? 0;
      const same = now === before;
      before = now;
      return same;
    };
    await expect.poll(kept, { timeout: 60_000, interval: 6000 }).toBe(true);
  }

  #usage(): Promise<Usage> {
    return this.#session.send("Storage.getUsageAndQuota", { origin: this.#origin });
  }

  /** Allows half of what is used: more than browsers free when the page is closed. */
  async shrink(): Promise<void> {
    const { usage } = await this.#usage();
    await this.#session.send("Storage.overrideQuotaForOrigin", {
      origin: this.#origin,
      quotaSize: Math.floor(usage / 2),
    });
  }

  /** Allows what is used and no more, until somebody says that it is full: browsers tidy up meanwhile. */
  async fill(said: Locator): Promise<void> {
    const origin = this.#origin;
    await expect
      .poll(
        async () => {
          const { usage } = await this.#usage();
          await this.#session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: usage - 50_000 });
          return said.waitFor({ timeout: 3000 }).then(
            () => true,
            () => false,
          );
        },
        { timeout: 60_000 },
      )
      .toBe(true);
  }
}

const code = (page: Page, name: string): Promise<string> =>
  cell(page, name).locator("pre, .cm-content").first().innerText();

/** Rollouts with tokens as many and as random as models make them: what browsers keep in files of their own. */
function dense(updates: number, count: number): Buffer {
  let state = 1;
  const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  const ids = (length: number): Int32Array<ArrayBuffer> =>
    Int32Array.from({ length }, () => Math.floor(50_000 * random()));
  const logProbabilities = (): Float32Array<ArrayBuffer> => Float32Array.from({ length: 64 }, random);
  const made = Array.from({ length: updates }, (_, i) => agenticUpdate("r", i + 1, count));
  const spans = made.flatMap((update) => update.spans);
  return Buffer.from(
    encodeRolloutLines({
      rollouts: made.flatMap(({ rollouts }) => rollouts),
      spans: spans.map((span) =>
        span.tokens
          ? {
              ...span,
              tokens: {
                promptIds: ids(256),
                responseIds: ids(64),
                samplerLogProbabilities: logProbabilities(),
                logProbabilities: logProbabilities(),
              },
            }
          : span,
      ),
    }),
  );
}

const endless = `export const run = await train({
  env: pole,
  reward,
  algorithm: ppo({ preset: "sb3-zoo-cartpole", totalSteps: 4_000_000 }),
  engine: "cpu",
});`;

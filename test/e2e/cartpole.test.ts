import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import axe from "axe-core";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildApp } from "../support/app.ts";
import { launchPersistent } from "../support/browser.ts";
import type { BuiltFolder } from "../support/kept-build.ts";
import { cell, rewrite, until } from "../support/notebook-page.ts";
import { serveStatic, type StaticServer } from "../support/static-server.ts";

let app: BuiltFolder;
let server: StaticServer;
const profiles: string[] = [];

const profile = (): string => {
  const directory = mkdtempSync(join(tmpdir(), "fulgurite-profile-"));
  profiles.push(directory);
  return directory;
};

beforeAll(async () => {
  app = await buildApp();
  server = await serveStatic(app.directory, { subPath: "/some/where/" });
});

afterAll(async () => {
  await server?.close();
  await app?.dispose();
  for (const directory of profiles) rmSync(directory, { recursive: true, force: true });
});

/** Opens the app; errors of the page fail the test that reads them. */
async function open(context: BrowserContext): Promise<{ page: Page; errors: string[] }> {
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  await page.goto(server.url);
  return { page, errors };
}

/** On the adapter there is: by itself a page takes the CPU engine where that is only a software one. */
const training = (
  updates: number,
  seed: number,
  engine = "webgpu",
): string => `export const run = await train({
  env: pole,
  reward,
  algorithm: ppo({ preset: "sb3-zoo-cartpole", totalSteps: ${updates * 256} }),
  seed: ${seed},
  engine: "${engine}",
});`;

interface StoredRun {
  readonly id: string;
  readonly status: string;
  readonly engine: string;
  readonly adapter: string;
  readonly update: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** FNV-1a over the checkpoint's parameter and moment bits. */
  readonly weights: number | null;
  readonly segments: number;
}

/** Newest first, straight from IndexedDB. */
const storedRuns = (page: Page): Promise<StoredRun[]> =>
  page.evaluate(async () => {
    const [{ name }] = (await indexedDB.databases()) as [{ name: string }];
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(name);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    const all = <T>(table: string): Promise<T[]> =>
      new Promise((resolve, reject) => {
        const request = database.transaction(table).objectStore(table).getAll();
        request.onsuccess = () => resolve(request.result as T[]);
        request.onerror = () => reject(request.error);
      });
    const hash = (arrays: Float32Array[]): number => {
      let value = 0x811c9dc5;
      for (const array of arrays) {
        for (const word of new Uint32Array(array.buffer, array.byteOffset, array.length)) {
          value = Math.imul(value ^ word, 0x01000193) >>> 0;
        }
      }
      return value;
    };
    type Row = {
      id: string;
      status: string;
      engine: string;
      adapter: string;
      update: number;
      createdAt: number;
      metrics: Record<string, number>;
    };
    type State = { parameters: Float32Array; firstMoment: Float32Array; secondMoment: Float32Array };
    const runs = await all<Row>("runs");
    const checkpoints = await all<{ runId: string; state: State }>("checkpoints");
    const segments = await all<{ runId: string }>("segments");
    database.close();
    return runs
      .sort((a, b) => b.createdAt - a.createdAt)
      .map(({ id, status, engine, adapter, update, metrics }) => {
        const state = checkpoints.find((it) => it.runId === id)?.state;
        return {
          id,
          status,
          engine,
          adapter,
          update,
          metrics,
          weights: state ? hash([state.parameters, state.firstMoment, state.secondMoment]) : null,
          segments: segments.filter((it) => it.runId === id).length,
        };
      });
  });

test("three cells learn CartPole by mouse, survive a reload, and lay two rewards over each other", async () => {
  const context = await launchPersistent(profile());
  try {
    const { page, errors } = await open(context);
    const run = cell(page, "training");
    await rewrite(page, "training", training(390, 1));
    await run.getByRole("button", { name: "Run training" }).click();

    const figures = run.getByText(/Return [\d.]+ at first, [\d.]+ after/).first();

    // The curve climbs while the policy acts.
    await run.getByRole("figure").waitFor();
    const early = await until(
      async () => (await storedRuns(page))[0],
      (it) => (it?.update ?? 0) >= 2,
      "the first updates",
    );
    expect(early).toMatchObject({ status: "running", engine: "webgpu" });
    expect(early!.adapter).toMatch(/swiftshader/i);
    await run.getByText(/WebGPU · .*swiftshader/i).waitFor();
    await run.getByText(/left/).first().waitFor();
    await until(
      async () =>
        /Return ([\d.]+) at first, ([\d.]+) after/.exec(
          (await figures.textContent().catch(() => null)) ?? "",
        ),
      (match) => match !== null && Number(match[2]) > 3 * Number(match[1]) && Number(match[2]) > 60,
      "a curve that climbs",
    );
    // A recorded curve may be on the page before; the run's own figures are in the store.
    await until(
      async () => (await storedRuns(page))[0]!,
      (it) => (it.metrics["rollout.return.last100"] ?? 0) > 60,
      "a return above 60",
    );
    await run.getByText(/Policy after [\d,]+ steps: return/).waitFor();

    await run.getByRole("button", { name: "Pause", exact: true }).click();
    await run.getByRole("button", { name: "Resume" }).waitFor();
    const paused = (await storedRuns(page))[0]!;
    expect(paused.status).toBe("paused");
    await run.getByRole("button", { name: "Step", exact: true }).click();
    const stepped = await until(
      async () => (await storedRuns(page))[0]!,
      (it) => it.update > paused.update && it.status === "paused",
      "one step",
    );
    expect(stepped.update).toBe(paused.update + 1);

    // Reloaded, the run is there with its curve; it goes on where it was.
    await page.reload();
    await run.getByRole("button", { name: "Resume" }).waitFor();
    await run
      .getByText(/Return [\d.]+ at first, [\d.]+ after/)
      .first()
      .waitFor();
    await run.getByRole("button", { name: "Resume" }).click();
    await until(
      async () => (await storedRuns(page))[0]!,
      (it) => it.update > stepped.update + 1,
      "the resumed run to go on",
    );
    await run.getByRole("button", { name: "Stop", exact: true }).click();
    await until(
      async () => (await storedRuns(page))[0]!,
      (it) => it.status === "cancelled" && it.segments > 0,
      "the stopped run to be sealed",
    );

    // Another reward makes the training stale, and its run is laid over the first.
    await rewrite(
      page,
      "reward",
      "export const reward = defineReward.step((s, a, next) => 1 - Math.abs(next.theta));",
    );
    await page.getByText(/stale: reward changed/).waitFor();
    await rewrite(page, "training", training(6, 2));
    await run.getByRole("button", { name: "Run training" }).click();
    await until(
      async () => storedRuns(page),
      (runs) => runs.length === 2 && runs[0]!.status === "succeeded",
      "the second run",
    );
    await expect
      .poll(() => run.getByRole("figure").locator("svg text").allTextContents(), {
        timeout: 10_000,
      })
      .toEqual(expect.arrayContaining(["run 1", "run 2"]));

    await page.evaluate(axe.source);
    const { violations } = (await page.evaluate("axe.run()")) as {
      violations: { id: string; nodes: unknown[] }[];
    };
    expect(violations).toEqual([]);
    expect(errors).toEqual([]);
  } finally {
    await context.close();
  }
}, 300_000);

test("a run whose tab was killed ends with the same weights as an uninterrupted one", async () => {
  const directory = profile();
  const updates = 24;
  let context = await launchPersistent(directory);
  try {
    const first = await open(context);
    await rewrite(first.page, "training", training(updates, 5));
    await cell(first.page, "training").getByRole("button", { name: "Run training" }).click();
    const [whole] = await until(
      () => storedRuns(first.page),
      (runs) => runs[0]?.status === "succeeded",
      "the uninterrupted run",
    );
    await cell(first.page, "training").getByRole("button", { name: "Run training" }).click();
    await until(
      () => storedRuns(first.page),
      (runs) => runs.length === 2 && runs[0]!.update >= 3 && runs[0]!.update < updates,
      "the second run to be under way",
    );
    await context.close();

    context = await launchPersistent(directory);
    const { page } = await open(context);
    const run = cell(page, "training");
    await run.getByRole("button", { name: "Resume" }).waitFor();
    const [left] = await storedRuns(page);
    expect(left).toMatchObject({ status: "paused" });
    expect(left!.update).toBeGreaterThanOrEqual(3);
    expect(left!.update).toBeLessThan(updates);
    await run.getByRole("button", { name: "Resume" }).click();
    const [resumed] = await until(
      () => storedRuns(page),
      (runs) => runs[0]!.status === "succeeded",
      "the resumed run",
    );
    expect(resumed!.weights).toBe(whole!.weights);
    expect(resumed!.update).toBe(updates);
  } finally {
    await context.close();
  }
}, 300_000);

test("a run that breaks names environment and state and goes back; its files and its link say all of it", async () => {
  const context = await launchPersistent(profile());
  try {
    const { page, errors } = await open(context);
    const run = cell(page, "training");
    const reward = (text: string): Promise<void> =>
      rewrite(page, "reward", `export const reward = defineReward.step((s, a, next) => ${text});`);
    const newest = async (): Promise<StoredRun> => (await storedRuns(page))[0]!;

    // A reward that is a number until some cart is far out: not before the policy holds its pole for a while.
    await reward("1 + 0 * Math.sqrt(0.7 - Math.abs(next.x))");
    await rewrite(page, "training", training(60, 1, "cpu"));
    await run.getByRole("button", { name: "Run training" }).click();
    await run
      .getByText(
        /rewardMean became NaN in update \d+.*reward of NaN: environment \d, action [01] in the state x/,
      )
      .first()
      .waitFor({ timeout: 60_000 });
    const broken = await newest();
    expect(broken.status).toBe("failed");
    await run.getByRole("button", { name: `Back to update ${broken.update}` }).click();
    await run.getByRole("button", { name: "Resume" }).waitFor();
    expect(await newest()).toMatchObject({
      status: "paused",
      update: broken.update,
      weights: broken.weights,
    });
    await run.getByRole("button", { name: "Stop", exact: true }).click();

    // A reward that never is a number: there is nothing to go back to.
    await reward("Math.log(-1 - Math.abs(next.x))");
    await rewrite(page, "training", training(60, 1, "cpu"));
    await run.getByRole("button", { name: "Run training" }).click();
    await run
      .getByText(/rewardMean became NaN in update 1; the run stopped before it had learned anything to keep/)
      .first()
      .waitFor({ timeout: 60_000 });
    await run.getByRole("button", { name: "Run again" }).waitFor();
    expect(await run.getByRole("button", { name: /^Back to update/ }).count()).toBe(0);

    // A whole run, and what there is beside its return.
    await reward("1 - 0.1 * Math.abs(next.x)");
    await rewrite(page, "training", training(8, 3, "cpu"));
    await run.getByRole("button", { name: "Run training" }).click();
    const whole = await until(newest, (it) => it.status === "succeeded", "the whole run");
    for (const name of [
      "entropy",
      "approximate KL",
      "clip fraction",
      "explained variance",
      "gradient norm",
    ]) {
      await run.getByRole("button", { name: new RegExp(`^${name} -?[\\d.]+`) }).waitFor();
    }
    await run.getByRole("button", { name: /^steps per second [\d.,]+/ }).click();
    await run.getByText(/^Steps per second [\d.,]+ at first/).waitFor();
    await run.getByText("Settings, figures and earlier runs").click();
    const term = run.getByRole("button", { name: "gamma", exact: true });
    await term.hover();
    await run.getByRole("tooltip").getByText("Discount: what a reward is worth one step later.").waitFor();
    await page.mouse.move(0, 0);
    await run.getByRole("tooltip").waitFor({ state: "detached" });
    await term.focus();
    await run.getByRole("tooltip").getByText("Sutton and Barto 2018, section 3.3").waitFor();
    await page.keyboard.press("Escape");

    // Its policy is a module that runs anywhere; its checkpoint is another run's beginning.
    const save = async (button: string): Promise<string> => {
      const download = page.waitForEvent("download");
      await run.getByRole("button", { name: button }).click();
      const path = join(profile(), (await download).suggestedFilename());
      await (await download).saveAs(path);
      return path;
    };
    const policy = (await import(await save("Export policy"))) as { act: (observation: number[]) => number };
    expect([0, 1]).toContain(policy.act([0, 0, 0.1, 0]));
    const checkpoint = await save("Save checkpoint");
    expect(checkpoint).toMatch(/\.safetensors$/);
    await run.getByLabel("Checkpoint file").setInputFiles(checkpoint);
    await run.getByText("Loaded from a file, as it was after 8 updates.").waitFor();
    expect(await newest()).toMatchObject({ update: 8, weights: whole.weights });

    // The link opens a notebook that does it again, to the bit.
    await run.getByRole("button", { name: "Link to this run" }).click();
    const href = await run
      .getByRole("link", { name: "A notebook that repeats this run" })
      .getAttribute("href");
    await page.goto("about:blank");
    await page.goto(href!);
    await page.getByRole("button", { name: "Run this notebook" }).click();
    await run.getByRole("button", { name: "Run training" }).click();
    const repeated = await until(
      newest,
      (it) => it.id !== whole.id && it.status === "succeeded" && it.segments > 0,
      "the repeated run",
    );
    expect(repeated.weights).toBe(whole.weights);
    expect(errors).toEqual([]);
  } finally {
    await context.close();
  }
}, 240_000);

test("a sweep in a cell draws its settings as bands, and gives the cell their interquartile means", async () => {
  const context = await launchPersistent(profile());
  try {
    const { page, errors } = await open(context);
    const run = cell(page, "training");
    await rewrite(
      page,
      "training",
      `const setting = (learningRate) => ({ env: pole, engine: "cpu", algorithm: ppo({ learningRate, totalSteps: 6144 }) });
export const tried = await sweep({ learning: setting(3e-3), standing: setting(0) }, { seeds: [1, 2, 3] });
tried.settings.map(({ setting, interquartileMean }) => setting + " " + interquartileMean.toFixed(1)).join(", ");`,
    );
    await run.getByRole("button", { name: "Run training" }).click();
    await run.getByText("6 of 6 runs begun have ended.").waitFor({ timeout: 90_000 });
    const row = async (name: string): Promise<number> => {
      const cells = run.getByRole("row", { name: new RegExp(`^${name}`) }).getByRole("cell");
      expect(await cells.nth(0).textContent()).toBe("3");
      return Number(await cells.nth(1).textContent());
    };
    const [learning, standing] = [await row("learning"), await row("standing")];
    expect(learning).toBeGreaterThan(2 * standing);
    const shown = await run.getByText(/^learning [\d.]+, standing [\d.]+$/).textContent();
    const [first, second] = /^learning ([\d.]+), standing ([\d.]+)$/.exec(shown!)!.slice(1).map(Number);
    expect(first).toBeCloseTo(learning, 0);
    expect(second).toBeCloseTo(standing, 0);
    const picture = run.getByRole("img", { name: /Returns of the settings/ });
    await expect
      .poll(() => picture.locator("svg text").allTextContents())
      .toEqual(expect.arrayContaining(["learning", "standing"]));
    // A band and a line each.
    expect(await picture.locator('svg g[aria-label="area"] path').count()).toBe(2);
    // The sweep, and not its last run, is there after a reload.
    await page.waitForTimeout(900);
    await page.reload();
    await run.getByText("6 of 6 runs begun have ended.").waitFor();
    expect([await row("learning"), await row("standing")]).toEqual([learning, standing]);
    expect(errors).toEqual([]);
    if (process.env["SHOT"]) await run.screenshot({ path: process.env["SHOT"] });
  } finally {
    await context.close();
  }
}, 240_000);

import { expect, test } from "vitest";
import { cell, rewrite, until } from "../support/notebook-page.ts";
import { picture } from "../support/picture.ts";
import { stored } from "../support/stored-runs.ts";
import { ServedApp } from "../support/served-app.ts";

const app = new ServedApp();

const training = `const numbers = Array.from({ length: 100 }, (_, i) => String(i).padStart(2, "0"));
const swapped = (two) => ({ prompt: two, completion: two[1] + two[0] });
export const run = await train({
  examples: { train: numbers.filter((_, i) => i % 7).map(swapped), heldOut: numbers.filter((_, i) => i % 7 === 0).map(swapped) },
  policy: characterPolicy({ alphabet: "0123456789", width: 32, layers: 1, maxLength: 12 }),
  algorithm: sft({ updates: 600, batchSize: 32, evaluateEvery: 50, learningRate: 3e-3 }),
  engine: "cpu",
});`;

test("a policy imitates in the tab, goes on after a reload, shows what it has not seen, and is not trained again for a cell that needs it", async () => {
  const page = await (await app.launch()).newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(`${app.url}#notebook=strings`);
  const run = cell(page, "training");
  await rewrite(page, "training", training);
  await run.getByRole("button", { name: "Run training" }).click();
  const begun = await until(
    async () => (await stored(page)).runs[0],
    (it) => (it?.update ?? 0) > 20,
    "the run to begin",
  );
  await page.reload();
  await run.getByRole("button", { name: "Resume" }).click();
  const ended = await until(
    async () => (await stored(page)).runs[0]!,
    (it) => it.status === "succeeded" || it.status === "failed",
    "the run to end",
  );
  expect(ended).toMatchObject({ id: begun!.id, status: "succeeded", engine: "cpu", update: 600 });
  expect(ended.metrics["update.loss"]).toBeLessThan(0.2);
  await run.getByText(/loss nats a token on 15 held-out examples, 95 % interval/).waitFor();
  await run.getByText(/Loss [\d.]+ at first, [\d.]+ after 19,200 examples\. On held-out examples/).waitFor();
  await picture(page, "examples", run.getByText(/loss nats a token/));

  // A cell that needs what was trained has it without another training; asked for, the training begins anew.
  await page.reload();
  await rewrite(
    page,
    "shares",
    `display((await complete({ from: run, prompts: ["49", "70"], temperature: 0, maxTokens: 3 })).map(({ text }) => text).join(" "));`,
  );
  await cell(page, "shares").getByRole("button", { name: "Run shares" }).click();
  await cell(page, "shares").getByText("94 07", { exact: true }).waitFor();
  expect((await stored(page)).runs).toHaveLength(1);
  await run.getByText(/Loss [\d.]+ at first/).waitFor();
  await run.getByRole("button", { name: "Run training" }).click();
  await until(
    async () => (await stored(page)).runs,
    (runs) => runs.length === 2,
    "another training to begin",
  );
  expect(errors).toEqual([]);
}, 180_000);

import axe from "axe-core";
import { expect, test } from "vitest";
import { cell, rewrite, until } from "../support/notebook-page.ts";
import { stored } from "../support/stored-runs.ts";
import { ServedApp } from "../support/served-app.ts";

const app = new ServedApp({ subPath: "/some/where/" });

const training = `export const run = await train({
  agent,
  reward,
  tasks,
  policy,
  algorithm: grpo({ groups: 8, groupSize: 4, updates: 12, evaluateEvery: 6, evaluationTasks: 12, maxTokens: 5 }),
  engine: "webgpu",
});`;

test("the model behind an agent trains in the tab, through a reload: rollouts, rewards and gradients, and an edited reward re-scores", async () => {
  const page = await (await app.launch()).newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  await page.goto(`${app.url}#notebook=strings`);
  const run = cell(page, "training");
  await rewrite(page, "training", training);
  await run.getByRole("button", { name: "Run training" }).click();
  const begun = await until(
    () => stored(page),
    (it) => (it.runs[0]?.update ?? 0) >= 1,
    "the run to begin",
  );
  expect(begun.runs[0]!.status).toBe("running");
  await page.reload();
  expect((await stored(page)).runs[0]!.update).toBeLessThan(12);
  await run.getByRole("button", { name: "Resume" }).click();
  const { runs, rollouts } = await until(
    () => stored(page),
    (it) => it.runs[0]?.status === "succeeded" || it.runs[0]?.status === "failed",
    "the run to end",
  );
  expect(runs).toHaveLength(1);
  expect(runs[0]).toMatchObject({
    ...{ id: begun.runs[0]!.id, status: "succeeded", engine: "webgpu", update: 12 },
  });
  expect(runs[0]!.adapter).toMatch(/swiftshader/i);
  const trained = rollouts.filter(({ mode }) => mode === "train");
  expect(trained).toHaveLength(12 * 32);
  expect(rollouts.filter(({ mode }) => mode === "evaluation")).toHaveLength(3 * 12);
  for (const rollout of trained) expect(rollout).toMatchObject({ status: "succeeded", calls: 1 });
  expect(trained.some(({ advantage }) => advantage! > 0)).toBe(true);
  await run.getByText(/of 12 held-out tasks solved/).waitFor();

  // Its rollouts, and the trace of one.
  await run.getByText("Rollouts, siblings and traces").click();
  await run
    .getByRole("button", { name: /^Rollout \d+/ })
    .first()
    .click();
  const dialog = page.getByRole("dialog").first();
  await dialog.waitFor();
  await dialog.getByText("usage.output_tokens").waitFor();
  await page.keyboard.press("Escape");

  // Another reward says at once what it would have made of them.
  await rewrite(
    page,
    "reward",
    `export const reward = defineReward((word: string, answer: string) => Number(answer.length > 2));`,
  );
  await page
    .getByText(/sibling pairs|None of the .*sibling|the same/)
    .first()
    .waitFor({ timeout: 30_000 });

  await page.evaluate(axe.source);
  const { violations } = (await page.evaluate("axe.run()")) as { violations: { id: string }[] };
  expect(violations.map(({ id }) => id)).toEqual([]);
  expect(errors).toEqual([]);
}, 240_000);

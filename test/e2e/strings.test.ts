import axe from "axe-core";
import { expect, test } from "vitest";
import { cell, rewrite, until } from "../support/notebook-page.ts";
import { stored } from "../support/stored-runs.ts";
import { picture } from "../support/picture.ts";
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

test("the model behind an agent learns adapters on the GPU, through a reload: rollouts, files, and an edited reward re-scores", async () => {
  const page = await (await app.launch()).newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  await page.goto(`${app.url}#notebook=strings`);
  const run = cell(page, "training");
  await rewrite(
    page,
    "policy",
    "export const policy = characterPolicy({ alphabet, maxLength: 16, adapters: { rank: 4 } });",
  );
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

  // Saved apart and merged; the merged file, chosen in a cell, is the policy that the adapters came to.
  const save = async (name: string) => {
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      run.getByRole("button", { name, exact: true }).click(),
    ]);
    return { name: file.suggestedFilename(), path: await file.path() };
  };
  expect((await save("Save adapters")).name).toMatch(/\.adapters\.safetensors$/);
  const merged = await save("Save weights");
  await picture(page, "adapters-saved", run.getByRole("group", { name: "Files of this run" }));
  const answers = (update: number) =>
    rollouts.filter((it) => it.mode === "evaluation" && it.update === update).map(({ result }) => result);
  expect(answers(12)).not.toEqual(answers(0));
  const tasks = rollouts.filter((it) => it.mode === "evaluation" && it.update === 12).map(({ task }) => task);
  await rewrite(
    page,
    "shares",
    `const weights = file("Weights");
const prompts = ${JSON.stringify(tasks)};
if (weights) display((await complete({ from: policyFromFile(weights.bytes), prompts, maxTokens: 5 })).map(({ text }) => text).join());`,
  );
  await cell(page, "shares").getByLabel("Weights").setInputFiles(merged.path);
  await cell(page, "shares").getByText(answers(12).join(), { exact: true }).waitFor({ timeout: 30_000 });

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

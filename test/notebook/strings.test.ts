import { readFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { createInProcessKernel } from "../../src/notebook/in-process-kernel.ts";
import { createNotebookSession } from "../../src/notebook/session.ts";
import type { OpenNotebook } from "../../src/notebook/session-types.ts";
import { evaluateInNode } from "../../src/runner/evaluate-in-node.ts";
import { scoreItem } from "../../src/runner/score-item.ts";
import { openStore } from "../../src/store/open.ts";
import type { AgenticJob } from "../../src/train/job.ts";
import { nodeTrainer } from "../../src/train/node-trainer.ts";
import { cpuEngines } from "../support/run-notebook.ts";

const text = readFileSync(new URL("../../notebooks/strings.nb.ts", import.meta.url), "utf8");
const metrics = {};
const result = { runId: "r", status: "succeeded", engine: "cpu", adapter: "test" } as const;

let session: OpenNotebook;
let jobs: AgenticJob[] = [];
afterEach(() => {
  session.dispose();
  jobs = [];
});

async function open(): Promise<void> {
  session = createNotebookSession({
    id: "strings",
    text,
    editDelay: 0,
    createKernel: createInProcessKernel,
    services: {
      train: (job, _cell, onStarted) => {
        jobs.push(job as AgenticJob);
        onStarted("r");
        return Promise.resolve({ ...result, update: 1, step: 1, activeTime: 1, metrics });
      },
    },
  });
  await session.runEager();
}

const cell = (id: string) => session.cells.find((one) => one.id === id)!;

test("the strings notebook runs: what it defines is shown, and training asks for an agentic job", async () => {
  await open();
  expect(session.title).toBe("A model behind an agent learns, in this tab");
  expect(session.cells.filter(({ state }) => state.kind === "error")).toEqual([]);
  expect(cell("agent").outputs).toEqual([{ view: "agent", name: "strings", lines: 10 }]);
  expect(cell("policy").outputs).toMatchObject([{ view: "policy", parameters: 84_032, warmStart: null }]);
  expect(cell("reward").outputs).toMatchObject([
    { view: "composite-reward", components: [{ name: "reward", weight: 1 }] },
  ]);
  expect(jobs).toEqual([]);

  await session.run("training");
  const job = jobs[0]!;
  expect(job).toMatchObject({ kind: "agentic", name: "copy", seed: 1, warmStart: null });
  const { train, heldOut } = job.tasks as { train: string[]; heldOut: string[] };
  expect([train.length, heldOut.length]).toEqual([7_500, 2_500]);
  expect(new Set([...train, ...heldOut]).size).toBe(10_000);

  // Editing the kind of task changes what the reward says, and the training says so.
  const score = async (it: AgenticJob, answer: string): Promise<unknown> =>
    (await scoreItem(evaluateInNode(it.reward, {}), { task: "abcd", result: answer, transcript: [] }))
      .components["reward"];
  expect([await score(job, "abcd"), await score(job, "abxxx"), await score(job, "")]).toEqual([1, 0.25, 0]);
  session.edit("tasks", cell("tasks").source.replace('"copy" as Kind', '"reverse" as Kind'));
  await expect.poll(() => cell("training").state.kind).toBe("stale");
  await session.run("training");
  expect([await score(jobs[1]!, "abcd"), await score(jobs[1]!, "dcba")]).toEqual([0, 1]);
  expect(jobs[1]!.algorithm.updates).toBe(480);
});

test("every other training of it is a valid job, and a short one really trains", async () => {
  await open();
  const trainings = session.cells.filter(({ lazy }) => lazy).map(({ id }) => id);
  for (const id of trainings) await session.run(id);
  expect(session.cells.filter(({ state }) => state.kind === "error")).toEqual([]);
  expect(jobs.map(({ algorithm: { kind } }) => kind)).toEqual(
    trainings.map((id) => (id.endsWith("baseline") ? "filtered-cloning" : "grpo")),
  );
  const adding = jobs[trainings.indexOf("adding")]!;
  const shown = new Set(adding.warmStart!.demonstrations.map(({ prompt }) => prompt));
  expect(adding.tasks.heldOut.some((sum) => shown.has(sum as string))).toBe(false);

  const store = await openStore({ backend: "memory" });
  const trainer = nodeTrainer(store, cpuEngines);
  const parts = jobs[trainings.indexOf("parts")]!;
  const algorithm = { ...parts.algorithm, updates: 2, groups: 4, evaluationTasks: 8 };
  const id = await trainer.start({ ...parts, algorithm }, { notebook: null, cell: null });
  expect(await trainer.result(id)).toMatchObject({ status: "succeeded", update: 2, step: 64 });
  const rollouts = await store.rollouts({ runId: id, mode: "train" });
  expect(rollouts).toHaveLength(64);
  expect(rollouts.every(({ reward }) => reward !== null && reward >= 0 && reward <= 1)).toBe(true);
});

import { expect, test } from "vitest";
import type { Job } from "../train/job.ts";
import { createInProcessKernel } from "./in-process-kernel.ts";
import { createNotebookSession } from "./session.ts";

test("a sweep in a cell asks for every setting with every seed, shows the runs together, and gives their means", async () => {
  const jobs: Job[] = [];
  const text = `// fulgurite: 1
// %% training
const setting = (learningRate) => ({ env: cartPole(), algorithm: ppo({ learningRate }) });
export const tried = await sweep({ slow: setting(1e-4), fast: setting(1e-3) }, { seeds: [1, 2] });
tried.settings.map(({ setting, interquartileMean }) => setting + " " + interquartileMean.toFixed(1)).join(", ");
`;
  const session = createNotebookSession({
    id: "test",
    text,
    editDelay: 0,
    createKernel: createInProcessKernel,
    services: {
      train: (job, cell, onStarted) => {
        jobs.push(job);
        const runId = `${cell}-${jobs.length}`;
        onStarted(runId);
        const metrics = { "rollout.return.last100": 10 * jobs.length };
        return Promise.resolve({
          ...{ runId, status: "succeeded", engine: "cpu", adapter: "test" },
          ...{ update: 1, step: 1, activeTime: 1, metrics },
        });
      },
    },
  });
  await session.run("training");
  const cell = session.cells.find(({ id }) => id === "training")!;
  session.dispose();
  expect(cell.lazy).toBe(true);
  expect(jobs.map(({ name }) => name)).toEqual([
    "slow, seed 1",
    "slow, seed 2",
    "fast, seed 1",
    "fast, seed 2",
  ]);
  expect(cell.outputs).toEqual([
    { view: "run", runId: "training-1", setting: "slow" },
    { view: "run", runId: "training-2", setting: "slow" },
    { view: "run", runId: "training-3", setting: "fast" },
    { view: "run", runId: "training-4", setting: "fast" },
    { view: "text", stream: "out", text: "slow 15.0, fast 35.0" },
  ]);
});

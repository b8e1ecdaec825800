import { expect, test } from "vitest";
import { defineLoss } from "../compile/define-loss.ts";
import { cartPole } from "../env/cartpole.ts";
import { defineEnv } from "../env/define-env.ts";
import { bandit } from "../env/environments.ts";
import { defineReward } from "../reward/define-reward.ts";
import { a2c } from "../rl/a2c.ts";
import { ppoLagrangian } from "../rl/ppo-lagrangian.ts";
import { ppo } from "../rl/ppo.ts";
import type { Job, SimulatedJob } from "../train/job.ts";
import { simulatedJob } from "../train/simulated-job.ts";
import { createInProcessKernel } from "./in-process-kernel.ts";
import { travellingJob } from "./protocol-job.ts";
import { notebookOfRun } from "./run-notebook.ts";
import { createNotebookSession } from "./session.ts";

/** What the training cell of a notebook asks for. */
async function jobOf(text: string): Promise<Job> {
  const jobs: Job[] = [];
  const session = createNotebookSession({
    id: "test",
    text,
    editDelay: 0,
    createKernel: createInProcessKernel,
    services: {
      train: (job) => {
        jobs.push(job);
        return Promise.reject(new Error("asked"));
      },
    },
  });
  await session.run("training");
  const { state } = session.cells.find(({ id }) => id === "training")!;
  session.dispose();
  if (jobs.length === 0) throw new Error(JSON.stringify(state));
  return jobs[0]!;
}

/** Lines of a cell say where it was written, and nothing of what it does. */
const withoutLines = (job: Job): unknown =>
  JSON.parse(JSON.stringify(job), (key, value: unknown) => {
    if (key === "line") return undefined;
    const isText = key === "environment" && String(value).startsWith("{");
    return isText ? withoutLines(JSON.parse(String(value)) as Job) : value;
  }) as unknown;

const drifting = (): Parameters<typeof defineEnv>[0] => ({
  name: 'A "drifting" point',
  state: ["x", "trail[2]"],
  actions: 2,
  steps: 20,
  reset: "(random) => ({ x: random.uniform(-1, 1) })",
  step: "(s, a, random) => { s.trail[0] = s.x; return { x: clamp(s.x + (a === 1 ? push : -push) + random.normal(0, 0.01)) }; }",
  reward: { near: "(s, a, next) => -Math.abs(next.x)", "far off": "(s, a, next) => next.x > 0.9 ? -1 : 0" },
  done: "(s) => s.x > 1.5",
  view: [-2, -1, 2, 1],
});
const captured = { constants: { push: 0.1 }, functions: { clamp: "(x) => Math.min(Math.max(x, -2), 2)" } };

const jobs: readonly (readonly [string, SimulatedJob])[] = [
  [
    "a reward that captured a number, and all settings of a preset",
    simulatedJob({
      env: cartPole(),
      reward: defineReward.step("(s, a, next) => 1 - gain * Math.abs(next.x)", { constants: { gain: 0.25 } }),
      algorithm: ppo({ preset: "cleanrl", klStop: { limit: 0.02, when: "epoch" }, hidden: [32, 16] }),
      seed: 4_294_967_295,
      engine: "cpu",
    }),
  ],
  [
    "an environment of one's own, with constants, functions and parts of a reward",
    simulatedJob({
      env: defineEnv(drifting(), captured),
      loss: defineLoss("(row) => -row.advantage * row.logProbability"),
      algorithm: a2c({ learningRate: { start: 1e-3, end: 1e-4, shape: "cosine", warmup: 3 } }),
      seed: 2,
    }),
  ],
  [
    "a limited cost, and an environment with options",
    simulatedJob({
      env: bandit({ means: [0.1, 0.7] }),
      cost: defineReward.step("(s, a, next) => a"),
      algorithm: ppoLagrangian({ costLimit: 0.5 }),
    }),
  ],
];

test.each(jobs)("a run as a notebook asks for the same run: %s", async (_, job) => {
  const text = notebookOfRun("A run", job);
  expect(withoutLines(await jobOf(text))).toEqual(withoutLines(travellingJob(job)));
});

test("two meanings of one name are refused", () => {
  const reward = defineReward.step("(s, a, next) => push * next.x", { constants: { push: 2 } });
  const job = simulatedJob({ env: defineEnv(drifting(), captured), reward });
  expect(() => notebookOfRun("A run", job)).toThrow(expect.objectContaining({ code: "share/run" }) as Error);
});

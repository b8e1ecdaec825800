import { checkReward } from "../compile/check.ts";
import { isHostReference } from "../env/host-environment.ts";
import type { TrainingState } from "../rl/engine.ts";
import { recordEpisode } from "../rl/evaluate.ts";
import { updateCount } from "../rl/schedule.ts";
import type { LightningStore, Run } from "../store/records.ts";
import { checkAgenticJob } from "./check-agentic-job.ts";
import { checkSupervisedJob } from "./check-supervised-job.ts";
import { AgenticRun, restoreAgenticCurve, type AgenticRunOptions } from "./agentic-run.ts";
import { agenticCurve, simulatedCurve, supervisedCurve } from "./curve-buffer.ts";
import type { RunEvent } from "./events.ts";
import type { Job } from "./job.ts";
import type { RunController } from "./run-controller.ts";
import { engineRequest, restoreCurve, SimulatedRun, type SimulatedRunOptions } from "./simulated-run.ts";
import { restoreSupervisedCurve, SupervisedRun } from "./supervised-run.ts";

/** What runs of any kind need. */
export type RunKindOptions = Omit<SimulatedRunOptions & AgenticRunOptions, "onEvent" | "host">;

/** Throws `FulguriteError` where the job cannot be trained. */
export function checkJob(job: Job): void {
  if (job.kind === "agentic") {
    checkAgenticJob(job);
    return;
  }
  if (job.kind === "supervised") {
    checkSupervisedJob(job);
    return;
  }
  const { reward, cost } = engineRequest(job);
  for (const step of [reward, cost]) if (step) checkReward(step, null, { states: 256, seed: job.seed });
}

/** Updates, and environment steps, rollouts or examples, of a whole run. */
export function jobSize(job: Job): { readonly updates: number; readonly steps: number } {
  if (job.kind === "agentic") {
    const { updates, groups, groupSize } = job.algorithm;
    return { updates, steps: updates * groups * groupSize };
  }
  if (job.kind === "supervised") {
    const { updates, batchSize } = job.algorithm;
    return { updates, steps: updates * batchSize };
  }
  const updates = updateCount(job.algorithm);
  return { updates, steps: updates * job.algorithm.envs * job.algorithm.steps };
}

export function createController(
  run: Run,
  options: RunKindOptions & Pick<SimulatedRunOptions, "onEvent" | "host">,
): RunController {
  const job = run.job as Job;
  switch (job.kind) {
    case "agentic":
      return new AgenticRun(run, job, options);
    case "supervised":
      return new SupervisedRun(run, job, options);
    case "simulated":
      return new SimulatedRun(run, job, options);
  }
}

/** What the store tells of a run that nobody is training. */
export async function storedEvents(run: Run, store: LightningStore): Promise<readonly RunEvent[]> {
  const { id } = run;
  const job = run.job as Job;
  const spans = await store.spans({ runId: id, rolloutId: null });
  if (job.kind === "agentic") {
    const curve = agenticCurve(id);
    restoreAgenticCurve(curve, spans, job.algorithm.groups * job.algorithm.groupSize);
    return [{ kind: "curve", curve: curve.since(0, 0), replace: true }];
  }
  if (job.kind === "supervised") {
    const curve = supervisedCurve(id);
    restoreSupervisedCurve(curve, spans, job.algorithm.batchSize);
    return [{ kind: "curve", curve: curve.since(0, 0), replace: true }];
  }
  const curve = simulatedCurve(id);
  restoreCurve(curve, spans, job.algorithm.envs * job.algorithm.steps);
  const events: RunEvent[] = [{ kind: "curve", curve: curve.since(0, 0), replace: true }];
  const checkpoint = await store.checkpoint(id);
  // The steps of a host environment are to be had only while its notebook runs.
  if (checkpoint && !isHostReference(job.environment)) {
    const { update, step } = checkpoint;
    const episode = recordEpisode({ ...engineRequest(job), state: checkpoint.state as TrainingState });
    events.push({
      kind: "episode",
      episode: { runId: id, environment: job.environment, update, step, ...episode },
    });
  }
  return events;
}

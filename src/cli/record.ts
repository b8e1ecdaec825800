import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import type { LightningStore, Rollout } from "../store/records.ts";
import { likeness, sampledFromOf, type SampledFrom } from "../train/baseline.ts";
import type { Curve } from "../train/events.ts";
import type { Job } from "../train/job.ts";
import type { Trainer } from "../train/trainer.ts";

/** Rollouts a recording keeps of the last update, for the siblings view. */
const KEPT_ROLLOUTS = 32;
/** Held-out tasks, the first, whose answers a recording keeps from some evaluations, the first and the last among them. */
const KEPT_TASKS = 12;
const KEPT_EVALUATIONS = 4;

/** A finished run as it travels with its notebook; curves are plain arrays, NaN is null. */
export interface RecordedRun {
  readonly notebook: string | null;
  readonly cell: string | null;
  /** ISO 8601. */
  readonly recordedAt: string;
  /** Of the working tree it ran from; null outside a repository. */
  readonly commit: string | null;
  readonly engine: string | null;
  readonly adapter: string | null;
  readonly seed: number;
  readonly curves: {
    readonly step: readonly number[];
    readonly columns: Readonly<Record<string, readonly (number | null)[]>>;
    readonly evaluations: Readonly<Record<keyof Curve["evaluations"], readonly number[]>>;
  };
  readonly metrics: Readonly<Record<string, number>>;
  /** Of an agentic run: its newest rollouts, and answers to the first held-out tasks. */
  readonly rollouts: readonly Rollout[];
  /** Of an agentic run, what another must share to be compared with it; see `likeness`. */
  readonly likeness: string | null;
  /** Of filtered cloning, whose rollouts it imitated. */
  readonly sampledFrom: SampledFrom | null;
}

/** Reads a finished run back from the store. Only what really ran is ever recorded. */
export async function recordedRun(
  store: LightningStore,
  trainer: Trainer,
  runId: string,
): Promise<RecordedRun> {
  const run = (await store.run(runId))!;
  const job = run.job as Job | null;
  let curve: Curve | null = null;
  const stop = await trainer.watch(runId, (event) => {
    if (event.kind === "curve") curve = event.curve;
  });
  stop();
  const { step, columns, evaluations } = curve as unknown as Curve;
  const rounded = (values: Float64Array): (number | null)[] =>
    Array.from(values, (value) => (Number.isFinite(value) ? Number(value.toPrecision(6)) : null));
  return {
    notebook: run.notebook,
    cell: run.cell,
    recordedAt: new Date(run.updatedAt).toISOString(),
    commit: commitOfHere(),
    engine: run.engine,
    adapter: run.adapter,
    seed: run.seed,
    curves: {
      step: Array.from(step),
      columns: Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, rounded(values)])),
      evaluations: {
        step: Array.from(evaluations.step),
        mean: Array.from(evaluations.mean),
        low: Array.from(evaluations.low),
        high: Array.from(evaluations.high),
      },
    },
    metrics: run.metrics,
    rollouts: run.kind === "agentic" ? await keptRollouts(store, runId) : [],
    likeness: job?.kind === "agentic" ? likeness(job) : null,
    sampledFrom: sampledFromOf(job),
  };
}

async function keptRollouts(store: LightningStore, runId: string): Promise<Rollout[]> {
  const newest = await store.rollouts({ runId, mode: "train", order: "newest", limit: KEPT_ROLLOUTS });
  const evaluated = (await store.rollouts({ runId, mode: "evaluation" })).filter(
    ({ group }) => group < KEPT_TASKS,
  );
  const updates = [...new Set(evaluated.map(({ update }) => update))];
  const last = updates.length - 1;
  const kept = new Set(
    Array.from(
      { length: KEPT_EVALUATIONS },
      (_, i) => updates[Math.round((i * last) / (KEPT_EVALUATIONS - 1))],
    ),
  );
  return [...newest, ...evaluated.filter(({ update }) => kept.has(update))];
}

/** Writes a recorded run into a notebook's results, in place of what was recorded of the same cell. */
export async function addRecord(file: string, record: RecordedRun): Promise<void> {
  const text = await readFile(file, "utf8").catch(() => "[]");
  const kept = ([JSON.parse(text)] as RecordedRun[]).flat().filter(({ cell }) => cell !== record.cell);
  const lines = [...kept, record].map((it) => JSON.stringify(it));
  await writeFile(file, `[\n${lines.join(",\n")}\n]\n`);
}

function commitOfHere(): string | null {
  try {
    return execFileSync("git", ["rev-parse", "HEAD"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return null;
  }
}

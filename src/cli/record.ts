import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import type { LightningStore, Rollout } from "../store/records.ts";
import type { Curve } from "../train/events.ts";
import type { Trainer } from "../train/trainer.ts";

/** Rollouts a recording keeps: the last update's, for the siblings view. */
const KEPT_ROLLOUTS = 64;

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
  /** The newest rollouts of an agentic run. */
  readonly rollouts: readonly Rollout[];
}

/** Reads a finished run back from the store. Only what really ran is ever recorded. */
export async function recordedRun(
  store: LightningStore,
  trainer: Trainer,
  runId: string,
): Promise<RecordedRun> {
  const run = (await store.run(runId))!;
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
    rollouts:
      run.kind === "agentic"
        ? await store.rollouts({ runId, mode: "train", order: "newest", limit: KEPT_ROLLOUTS })
        : [],
  };
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

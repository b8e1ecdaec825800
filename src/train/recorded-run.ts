import type { Rollout, RolloutQuery, Run } from "../store/records.ts";
import { likeness, sampledFromOf, type SampledFrom } from "./baseline.ts";
import type { Curve } from "./events.ts";
import type { Job } from "./job.ts";

/** Rollouts a recording keeps of the last update, for the siblings view. */
const KEPT_ROLLOUTS = 32;
/** Held-out tasks, the first, whose answers a recording keeps from some evaluations, the first and the last among them. */
const KEPT_TASKS = 12;
const KEPT_EVALUATIONS = 4;

/** A finished run as it travels with its notebook, as JSON: curves are plain arrays, NaN is null. */
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

/** What is known of a run beside its curve and its rollouts. */
export type RecordedFacts = Omit<RecordedRun, "curves" | "rollouts">;

/** What a run of the store is recorded with; `commit` is that of the program that ran it, where there is one. */
export function factsOf(run: Run, commit: string | null): RecordedFacts {
  const job = run.job as Job | null;
  return {
    notebook: run.notebook,
    cell: run.cell,
    recordedAt: new Date(run.updatedAt).toISOString(),
    commit,
    engine: run.engine,
    adapter: run.adapter,
    seed: run.seed,
    metrics: run.metrics,
    likeness: job?.kind === "agentic" ? likeness(job) : null,
    sampledFrom: sampledFromOf(job),
  };
}

/** A run as it is recorded; figures of the curve keep six digits. */
export function recordRun(facts: RecordedFacts, curve: Curve, rollouts: readonly Rollout[]): RecordedRun {
  const { step, columns, evaluations } = curve;
  const { notebook, cell, recordedAt, commit, engine, adapter, seed, metrics } = facts;
  return {
    notebook,
    cell,
    recordedAt,
    commit,
    engine,
    adapter,
    seed,
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
    metrics,
    rollouts,
    likeness: facts.likeness,
    sampledFrom: facts.sampledFrom,
  };
}

/** The rollouts that a run is recorded with; none of a run without an agent. */
export async function keptRollouts(
  store: { rollouts(query: RolloutQuery): Promise<readonly Rollout[]> },
  run: Run,
): Promise<Rollout[]> {
  if (run.kind !== "agentic") return [];
  const runId = run.id;
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

const rounded = (values: Float64Array): (number | null)[] =>
  Array.from(values, (value) => (Number.isFinite(value) ? Number(value.toPrecision(6)) : null));

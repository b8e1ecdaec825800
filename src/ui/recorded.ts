import type { Rollout } from "../store/records.ts";
import { shareOf, type Baseline, type SampledFrom } from "../train/baseline.ts";
import type { Curve } from "../train/events.ts";

/** What a recorded run of a cell came to, as `notebooks/<id>.results.json` keeps it. */
export interface RecordedRun {
  readonly notebook: string;
  readonly cell: string;
  /** ISO 8601. */
  readonly recordedAt: string;
  /** Of the program that ran it; null where that is not known. */
  readonly commit: string | null;
  readonly engine: string;
  readonly adapter: string;
  readonly seed: number;
  readonly curve: Curve;
  readonly metrics: Readonly<Record<string, number>>;
  readonly rollouts: readonly Rollout[];
  /** Of a run with an agent, what another must share to be compared with it (`likeness`); null of others. */
  readonly likeness: string | null;
  /** Of filtered cloning, whose rollouts it imitated; null of others. */
  readonly sampledFrom: SampledFrom | null;
}

/** A baseline that was recorded with the notebook, and the cell that trained it. */
export type RecordedBaseline = Baseline & Pick<RecordedRun, "cell" | "engine" | "adapter" | "commit">;

/** What recorded filtered cloning came to that shares `likeness`: from the start's rollouts, then from its own. */
export const recordedBaselines = (
  likeness: string | null,
  recorded: readonly RecordedRun[],
): RecordedBaseline[] =>
  likeness === null
    ? []
    : (["start", "current"] as const).flatMap((sampledFrom): RecordedBaseline[] => {
        const found = recorded.find((it) => it.likeness === likeness && it.sampledFrom === sampledFrom);
        const share = found && shareOf(found.metrics, "evaluation.greedy");
        if (!share) return [];
        const { cell, engine, adapter, commit, seed, curve } = found;
        return [
          { ...share, sampledFrom, cell, engine, adapter, commit, seed, rollouts: curve.step.at(-1) ?? 0 },
        ];
      });

/** Of each kind of filtered cloning what was trained here, else what was recorded with the notebook. */
export const shownBaselines = (
  here: readonly Baseline[],
  recorded: readonly RecordedBaseline[],
): (Baseline | RecordedBaseline)[] =>
  (["start", "current"] as const).flatMap(
    (kind) => [...here, ...recorded].find(({ sampledFrom }) => sampledFrom === kind) ?? [],
  );

type Fields = Readonly<Record<string, unknown>>;

/** Recorded runs in a results file: one, or a list; what is not a recorded run is left out. */
export function recordedRuns(file: unknown): RecordedRun[] {
  const entries: unknown[] = Array.isArray(file) ? file : [file];
  return entries.flatMap((entry) => {
    if (typeof entry !== "object" || entry === null) return [];
    const { notebook, cell, recordedAt, commit, engine, adapter, seed, curves, metrics, rollouts } =
      entry as Fields;
    const { likeness, sampledFrom } = entry as Fields;
    if (typeof notebook !== "string" || typeof cell !== "string") return [];
    const curve = (Array.isArray(curves) ? curves[0] : curves) as Fields | undefined;
    if (typeof curve !== "object") return [];
    return [
      {
        notebook,
        cell,
        recordedAt: String(recordedAt),
        commit: typeof commit === "string" ? commit : null,
        engine: String(engine),
        adapter: String(adapter),
        seed: Number(seed),
        curve: curveFrom(curve),
        metrics: (metrics ?? {}) as Readonly<Record<string, number>>,
        rollouts: Array.isArray(rollouts) ? (rollouts as Rollout[]) : [],
        likeness: typeof likeness === "string" ? likeness : null,
        sampledFrom: sampledFrom === "start" || sampledFrom === "current" ? sampledFrom : null,
      },
    ];
  });
}

function curveFrom({ step, columns, evaluations }: Fields): Curve {
  const measured = (evaluations ?? {}) as Fields;
  return {
    runId: "",
    step: numbers(step),
    columns: Object.fromEntries(
      Object.entries((columns ?? {}) as Fields).map(([name, values]) => [name, numbers(values)]),
    ),
    evaluations: {
      step: numbers(measured["step"]),
      mean: numbers(measured["mean"]),
      low: numbers(measured["low"]),
      high: numbers(measured["high"]),
    },
  };
}

/** JSON writes "nothing measured" as null. */
const numbers = (values: unknown): Float64Array =>
  Float64Array.from(
    (Array.isArray(values) ? values : []) as (number | null)[],
    (value) => value ?? Number.NaN,
  );

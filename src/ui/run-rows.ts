import type { TableData } from "../notebook/table-data.ts";
import type { Run } from "../store/records.ts";
import { runLabels, settings } from "./run-differences.ts";
import { tableOf } from "../notebook/table-data.ts";

/** One run as a row: what sets it apart, and how good it became. */
export interface RunRow {
  readonly run: Run;
  readonly label: string;
  /** "run 2": where there is no room for the label. */
  readonly short: string;
  /** Mean of the last evaluation; null before the first. */
  readonly score: number | null;
  /** By setting: its value, for the settings that differ between the rows. */
  readonly settings: ReadonlyMap<string, string>;
}

export interface RunRows {
  readonly rows: readonly RunRow[];
  /** Settings that differ, by path. */
  readonly differing: readonly string[];
}

/** What every job has and nobody compares. */
const ignored = /^(name|kind|reward\.source|reward\.code|environment\.|agent\.|tasks\.)/;

/** Mean of the run's last evaluation. */
const scoreOf = ({ metrics }: Run): number | null =>
  Object.entries(metrics).find(([name]) => /^evaluation\.\w+\.mean$/.test(name))?.[1] ??
  metrics["rollout.return.last100"] ??
  null;

/** Rows of runs, newest first, with the settings that are not the same in all of them. */
export function runRows(runs: readonly Run[]): RunRows {
  const labels = runLabels(runs);
  const all = runs.map((run) => settings(run.job));
  const paths = [...new Set(all.flatMap((map) => [...map.keys()]))].filter((path) => !ignored.test(path));
  const differing = paths.filter((path) => new Set(all.map((map) => map.get(path))).size > 1);
  return {
    differing,
    rows: runs.map((run, i) => ({
      run,
      label: labels[i]!.full,
      short: labels[i]!.short,
      score: scoreOf(run),
      settings: new Map(differing.map((path) => [path, all[i]!.get(path) ?? "–"])),
    })),
  };
}

export type RunOrder = "created" | "score" | "steps" | "name";

/** The rows that a text is in, in an order; what has no score comes last. */
export function arrange(
  rows: readonly RunRow[],
  filter: string,
  order: RunOrder,
  descending: boolean,
): RunRow[] {
  const wanted = filter.toLowerCase();
  const fits = ({ run, label, settings: own }: RunRow): boolean =>
    [label, run.name, run.cell ?? "", run.status, ...own.values()].some((text) =>
      text.toLowerCase().includes(wanted),
    );
  const sign = descending ? -1 : 1;
  const compare = (a: RunRow, b: RunRow): number => {
    switch (order) {
      case "created":
        return sign * (a.run.createdAt - b.run.createdAt);
      case "steps":
        return sign * (a.run.step - b.run.step);
      case "name":
        return sign * a.label.localeCompare(b.label);
      case "score":
        if (a.score === null || b.score === null) return Number(a.score === null) - Number(b.score === null);
        return sign * (a.score - b.score);
    }
  };
  return rows.filter(fits).sort(compare);
}

/** The rows as a table, for export. */
export function runTable({ rows, differing }: RunRows): TableData {
  const table = tableOf(
    rows.map(({ run, label, score, settings: own }) => ({
      id: run.id,
      run: label,
      cell: run.cell ?? "",
      status: run.status,
      score,
      steps: run.step,
      updates: run.update,
      seed: run.seed,
      engine: run.engine ?? "",
      adapter: run.adapter ?? "",
      began: new Date(run.createdAt),
      seconds: run.activeTime / 1_000,
      ...Object.fromEntries(differing.map((path) => [path, own.get(path) ?? ""])),
    })),
  );
  return table ?? { rows: 0, columns: [] };
}

import type { LightningStore } from "./records.ts";
import { orderRows, type RowOrder, type SpanColumns } from "./span-columns.ts";
import { spanNames } from "./span.ts";

/** Column-wise curve of one run, one entry per update (or evaluation); NaN where nothing was measured. */
export interface CurveColumns {
  readonly runId: string;
  /** Environment steps done; in an agentic run, rollouts made; in a supervised one, examples seen. */
  readonly step: Float64Array;
  /** Every numeric attribute of the update spans, by name. */
  readonly columns: Readonly<Record<string, Float64Array>>;
  /** Mean return of greedy episodes with its range; in an agentic run, share of successes with its interval; in a supervised one, held-out loss. */
  readonly evaluations: {
    readonly step: Float64Array;
    readonly mean: Float64Array;
    readonly low: Float64Array;
    readonly high: Float64Array;
  };
}

/** Where the spans of each kind of run keep what a curve shows. */
const sources = {
  simulated: {
    update: spanNames.update,
    evaluation: spanNames.evaluation,
    step: "step",
    mean: "mean",
    low: "low",
    high: "high",
  },
  agentic: {
    update: spanNames.agenticUpdate,
    evaluation: spanNames.agenticEvaluation,
    step: "rollouts",
    mean: "success",
    low: "successLow",
    high: "successHigh",
  },
  supervised: {
    update: spanNames.supervisedUpdate,
    evaluation: spanNames.supervisedEvaluation,
    step: "examples",
    mean: "loss",
    low: "low",
    high: "high",
  },
} as const;

/** Reads a run's curve from Arrow columns and the tail, without making spans or reading those of rollouts. */
export async function curveColumns(
  store: Pick<LightningStore, "columns">,
  runId: string,
): Promise<CurveColumns> {
  const batches = await store.columns({ runId, rolloutId: null });
  const found = Object.values(sources).map((source) => ({
    source,
    updates: rowsNamed(batches, source.update),
  }));
  const { source, updates } = found.find(({ updates: rows }) => rows.length > 0) ?? found[0]!;
  const evaluations = rowsNamed(batches, source.evaluation);
  const metrics = new Set(batches.flatMap((batch) => batch.numericKeys(source.update)));
  metrics.delete(source.step);
  return {
    runId,
    step: gather(batches, updates, source.step),
    columns: Object.fromEntries([...metrics].map((key) => [key, gather(batches, updates, key)])),
    evaluations: {
      step: gather(batches, evaluations, source.step),
      mean: gather(batches, evaluations, source.mean),
      low: gather(batches, evaluations, source.low),
      high: gather(batches, evaluations, source.high),
    },
  };
}

const rowsNamed = (batches: readonly SpanColumns[], name: string): RowOrder =>
  orderRows(batches, (batch, row) => batch.nameAt(row) === name);

function gather(batches: readonly SpanColumns[], order: RowOrder, key: string): Float64Array {
  const columns = batches.map((batch) => batch.numbers(key));
  const values = new Float64Array(order.length);
  for (let i = 0; i < values.length; i++) values[i] = columns[order.batch[i]!]![order.row[i]!]!;
  return values;
}

import type { LightningStore } from "./records.ts";
import { orderRows, type RowOrder, type SpanColumns } from "./span-columns.ts";
import { spanNames } from "./span.ts";

/** Column-wise curve of one run, one entry per update (or evaluation); NaN where nothing was measured. */
export interface CurveColumns {
  readonly runId: string;
  /** Environment steps done. */
  readonly step: Float64Array;
  /** Every numeric attribute of the update spans, by name. */
  readonly columns: Readonly<Record<string, Float64Array>>;
  readonly evaluations: {
    readonly step: Float64Array;
    readonly mean: Float64Array;
    readonly low: Float64Array;
    readonly high: Float64Array;
  };
}

/** Reads a run's curve from Arrow columns and the tail, without making spans. */
export async function curveColumns(
  store: Pick<LightningStore, "columns">,
  runId: string,
): Promise<CurveColumns> {
  const batches = await store.columns({ runId });
  const updates = rowsNamed(batches, spanNames.update);
  const evaluations = rowsNamed(batches, spanNames.evaluation);
  const metrics = new Set(batches.flatMap((batch) => batch.numericKeys(spanNames.update)));
  metrics.delete("step");
  return {
    runId,
    step: gather(batches, updates, "step"),
    columns: Object.fromEntries([...metrics].map((key) => [key, gather(batches, updates, key)])),
    evaluations: {
      step: gather(batches, evaluations, "step"),
      mean: gather(batches, evaluations, "mean"),
      low: gather(batches, evaluations, "low"),
      high: gather(batches, evaluations, "high"),
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

import type { Span } from "../store/records.ts";
import { simulatedSpanId } from "../store/span.ts";

/** What a span must say; the rest has defaults. */
export interface SpanFields {
  readonly runId: string;
  readonly sequence: number;
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly startTime: number;
  readonly endTime: number;
  readonly attributes: Span["attributes"];
  /** Default `{runId}/{sequence}`, the same whenever the same work is done again. */
  readonly spanId?: string;
  /** Default the run's id. */
  readonly traceId?: string;
  readonly parentId?: string | null;
  readonly rolloutId?: string | null;
  readonly attemptId?: string | null;
  /** Default "ok". */
  readonly status?: Span["status"];
}

export const createSpan = (fields: SpanFields): Span => ({
  spanId: fields.spanId ?? simulatedSpanId(fields.runId, fields.sequence),
  traceId: fields.traceId ?? fields.runId,
  parentId: fields.parentId ?? null,
  runId: fields.runId,
  rolloutId: fields.rolloutId ?? null,
  attemptId: fields.attemptId ?? null,
  sequence: fields.sequence,
  name: fields.name,
  status: fields.status ?? "ok",
  startTime: fields.startTime,
  endTime: fields.endTime,
  attributes: fields.attributes,
});

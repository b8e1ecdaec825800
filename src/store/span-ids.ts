import type { Span } from "./records.ts";
import { holdsRollout } from "./rollout-zone.ts";
import { decodeSegment } from "./segment.ts";
import { rolloutNumberOf, simulatedSpanId, spanKey } from "./span.ts";
import type { Bookkeeping, Segment, StorageTransaction } from "./storage.ts";
import { unpackGroup } from "./tail-group.ts";

export interface FreshSpans {
  readonly spans: readonly Span[];
  readonly series: Bookkeeping["series"];
  readonly nextTracedRollout: number;
}

/** Ids of the tail and of some segments, of one version of a run. */
interface KnownIds {
  version: number;
  readonly ids: Set<string>;
  /** Numbers of the segments whose ids are among them. */
  readonly segments: Set<number>;
  /** The segments there were, read when first needed; what was sealed since is known. */
  catalogue: readonly Segment[] | null;
}

/** Beyond this many the ids of a run are forgotten, and read again where they are needed. */
const mostKnown = 100_000;

/**
 * Tells new spans from repeated ones. Ids made from the sequence, or from rollout, attempt and sequence, are settled by
 * the run's bookkeeping row alone when they come in order, as a trainer's do. Any other id is looked up: a rollout's
 * in the tail and in the segments that hold the rollout, any other in all segments. What was read
 * is kept for as long as this tab is the only one that writes to the run.
 */
export class SpanIds {
  readonly #known = new Map<string, KnownIds>();

  /** Spans that the store does not have. Remembers nothing before `committed`. */
  async filter(
    transaction: StorageTransaction,
    book: Bookkeeping,
    spans: readonly Span[],
  ): Promise<FreshSpans> {
    const { runId } = book;
    let { series, nextTracedRollout } = book;
    const fresh: Span[] = [];
    const added = new Set<string>();
    for (const span of spans) {
      const { spanId, sequence, rolloutId } = span;
      const key = keyOf(span);
      const inSeries = spanId === simulatedSpanId(runId, sequence);
      const rollout = rolloutNumberOf(runId, rolloutId);
      const inRollout = rollout >= 0 && spanId.startsWith(`${rolloutId!}/`);
      const beyond = inSeries
        ? series === null || sequence > series.last || sequence < series.first
        : inRollout && rollout >= book.nextTracedRollout;
      if (added.has(key)) continue;
      if (!beyond) {
        const known = await this.#idsOf(transaction, book, inSeries ? null : rolloutId);
        if (known.has(key)) continue;
      }
      if (inSeries) {
        series = {
          first: Math.min(series?.first ?? sequence, sequence),
          last: Math.max(series?.last ?? sequence, sequence),
        };
      }
      nextTracedRollout = Math.max(nextTracedRollout, rollout + 1);
      added.add(key);
      fresh.push(span);
    }
    return { spans: fresh, series, nextTracedRollout };
  }

  /** After a write: what was known at `before` is known at `after`, with `spans`. */
  committed(before: Bookkeeping | null, after: Bookkeeping, spans: readonly Span[]): void {
    const known = this.#known.get(after.runId);
    if (!known) return;
    if (known.version !== before?.version || known.ids.size > mostKnown) {
      this.forget(after.runId);
      return;
    }
    known.version = after.version;
    for (const span of spans) known.ids.add(keyOf(span));
    // What was sealed came from the tail.
    for (let number = before.nextSegment; number < after.nextSegment; number++) known.segments.add(number);
  }

  forget(runId: string): void {
    this.#known.delete(runId);
  }

  /** All ids among which one of this rollout can be; null asks for all of the run. */
  async #idsOf(
    transaction: StorageTransaction,
    book: Bookkeeping,
    rolloutId: string | null,
  ): Promise<ReadonlySet<string>> {
    const { runId, version, nextSegment } = book;
    let known = this.#known.get(runId);
    if (known?.version !== version) {
      known = { version, ids: new Set(), segments: new Set(), catalogue: null };
      for (const { value } of await transaction.list("tail", runId)) {
        for (const span of unpackGroup(value)) known.ids.add(keyOf(span));
      }
      this.#known.set(runId, known);
    }
    if (known.segments.size === nextSegment) return known.ids;
    known.catalogue ??= (await transaction.list("segments", runId)).map(({ value }) => value);
    for (const segment of known.catalogue) {
      if (known.segments.has(segment.number) || !mayHold(segment, rolloutId)) continue;
      known.segments.add(segment.number);
      const bytes =
        segment.damage === null ? await transaction.get("blobs", [runId, segment.number]) : undefined;
      if (!bytes) continue;
      try {
        const columns = decodeSegment(bytes);
        for (let row = 0; row < columns.length; row++) {
          const rollout = columns.rolloutIdAt(row);
          known.ids.add(spanKey(columns.spanIdAt(row), rollout, columns.attemptIdAt(row)));
        }
      } catch {
        // Reading the run names it; its ids cannot be known.
      }
    }
    return known.ids;
  }
}

const keyOf = ({ spanId, rolloutId, attemptId }: Span): string => spanKey(spanId, rolloutId, attemptId);

const mayHold = ({ runId, rollouts }: Segment, rolloutId: string | null): boolean =>
  rolloutId === null || rollouts === null || holdsRollout(rollouts, runId, rolloutId);

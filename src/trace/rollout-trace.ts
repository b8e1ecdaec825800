import type { Span } from "../store/records.ts";
import { rolloutIdOf, rolloutSpanId } from "../store/span.ts";
import { createSpan } from "./create-span.ts";

/** Where a span stands in the trace of its rollout. */
export interface SpanPlace {
  readonly runId: string;
  readonly rolloutId: string;
  readonly attemptId: string;
  /** Number of the attempt, from 1. */
  readonly attempt: number;
  /** Number within the rollout, counted through all of its attempts, from 0. */
  readonly sequence: number;
  readonly parentId: string | null;
}

/** The id of the span at a place: `{rollout}/{attempt}/{sequence}`. */
export const spanIdAt = ({ rolloutId, attempt, sequence }: SpanPlace): string =>
  rolloutSpanId(rolloutId, attempt, sequence);

/** The span that stands there. */
export const spanAt = (
  place: SpanPlace,
  body: Pick<Span, "name" | "status" | "startTime" | "endTime" | "attributes">,
): Span =>
  createSpan({
    ...body,
    runId: place.runId,
    rolloutId: place.rolloutId,
    attemptId: place.attemptId,
    sequence: place.sequence,
    spanId: spanIdAt(place),
    parentId: place.parentId,
    traceId: place.rolloutId,
  });

/**
 * Numbers the spans of one rollout. Each attempt has a root; what happens in it hangs below. The same spans asked for
 * in the same order get the same ids.
 */
export class RolloutTrace {
  readonly #runId: string;
  readonly #rolloutId: string;
  #next = 0;

  /** `number` is the rollout's within its run. */
  constructor(runId: string, number: number) {
    this.#runId = runId;
    this.#rolloutId = rolloutIdOf(runId, number);
  }

  /** Begins an attempt (from 1): the place of its root. `attemptId` defaults to `{rollout}.{attempt}`. */
  attempt(attempt: number, attemptId = `${this.#rolloutId}.${attempt}`): SpanPlace {
    return {
      runId: this.#runId,
      rolloutId: this.#rolloutId,
      attemptId,
      attempt,
      sequence: this.#next++,
      parentId: null,
    };
  }

  /** The next place below `parent`. */
  below(parent: SpanPlace): SpanPlace {
    return { ...parent, sequence: this.#next++, parentId: spanIdAt(parent) };
  }
}

import type { Rollout, RolloutQuery, Span, SpanQuery } from "../store/records.ts";

/** Where rollouts and their spans come from: the trainer's store, or a recorded run. */
export interface RolloutSource {
  rollouts(query: RolloutQuery): Promise<readonly Rollout[]>;
  spans(query: SpanQuery): Promise<readonly Span[]>;
}

/** Rollouts that are in memory already, answered as the store answers; their spans were not kept. */
export const rolloutsInMemory = (rollouts: readonly Rollout[]): RolloutSource => ({
  rollouts(query) {
    const found = rollouts
      .filter(
        (rollout) =>
          (query.mode === undefined || rollout.mode === query.mode) &&
          (query.update === undefined || rollout.update === query.update) &&
          (query.group === undefined || rollout.group === query.group) &&
          rollout.number > (query.afterNumber ?? -1) &&
          rollout.number < (query.beforeNumber ?? Infinity),
      )
      .sort((a, b) => (query.order === "newest" ? b.number - a.number : a.number - b.number));
    return Promise.resolve(found.slice(0, query.limit));
  },
  spans: () => Promise.resolve([]),
});

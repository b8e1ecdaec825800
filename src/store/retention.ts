import type { Run } from "./records.ts";
import { runHasEnded } from "./state-machines.ts";

/** What is kept. A rule that is left out removes nothing. */
export interface Retention {
  /** The newest so many of the runs that have ended. */
  readonly runs?: number;
  /** What ended, or last changed, at most so many milliseconds ago. */
  readonly age?: number;
}

export interface Removed {
  /** Ids of the runs that were deleted. */
  readonly runs: readonly string[];
  /** Rollouts that were deleted out of runs that stay. */
  readonly rollouts: number;
}

/** Those of `runs`, newest first, that a retention does not keep. Runs that go on stay; the one of rollouts from the queue never ends. */
export const expiredRuns = (
  runs: readonly Run[],
  { runs: newest = Infinity, age = Infinity }: Retention,
  now: number,
): Run[] =>
  runs
    .filter(({ status }) => runHasEnded(status))
    .filter(({ updatedAt }, place) => place >= newest || updatedAt < now - age);

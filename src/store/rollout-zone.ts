import type { Span } from "./records.ts";
import { rolloutNumberOf } from "./span.ts";
import type { RolloutZone } from "./storage.ts";

/** Whose spans these are; the rows are sorted by rollout. */
export function rolloutZone(rows: readonly Span[]): RolloutZone {
  const ranges: number[] = [];
  const others = new Set<string>();
  let none = false;
  let previous: string | null = null;
  for (const { runId, rolloutId } of rows) {
    if (rolloutId !== null && rolloutId === previous) continue;
    previous = rolloutId;
    const number = rolloutNumberOf(runId, rolloutId);
    const last = ranges.length - 1;
    if (rolloutId === null) none = true;
    else if (number < 0) others.add(rolloutId);
    else if (last > 0 && number <= ranges[last]! + 1) ranges[last] = number;
    else ranges.push(number, number);
  }
  return { ranges: Int32Array.from(ranges), others: [...others], none };
}

/** May a span of this rollout be inside? */
export function holdsRollout(
  { ranges, others, none }: RolloutZone,
  runId: string,
  id: string | null,
): boolean {
  if (id === null) return none;
  const number = rolloutNumberOf(runId, id);
  if (number < 0) return others.includes(id);
  for (let i = 0; i < ranges.length; i += 2) {
    if (number >= ranges[i]! && number <= ranges[i + 1]!) return true;
  }
  return false;
}

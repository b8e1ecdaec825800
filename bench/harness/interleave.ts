export interface Timing {
  readonly median: number;
  readonly least: number;
  readonly runs: number;
}

/** Of times in ms. */
export function timing(times: readonly number[]): Timing {
  const sorted = [...times].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, least: sorted[0]!, runs: sorted.length };
}

/**
 * Times contestants in turn, round after round, so that whatever else the machine does falls on all of them. Each
 * is run until the device is done. A contestant that has no time left in `budget` drops out, and the others go on.
 */
export async function interleave<Name extends string>(
  contestants: Readonly<Record<Name, () => Promise<unknown>>>,
  options: {
    /** Most rounds; three of them are run whatever the budget. */
    readonly rounds: number;
    /** ms for all rounds together; default 30 s. */
    readonly budget?: number;
    /** Rounds that are not counted; default 1. */
    readonly warmUp?: number;
    /** Runs of the named contestants in one turn, of which the mean counts; default 1. */
    readonly repeats?: Partial<Readonly<Record<Name, number>>>;
  },
): Promise<Record<Name, Timing>> {
  const { rounds, budget = 30_000, warmUp = 1, repeats = {} } = options;
  const names = Object.keys(contestants) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  const start = performance.now();
  for (let round = -warmUp; round < rounds; round++) {
    if (round >= 3 && performance.now() - start > budget) break;
    for (const name of names) {
      const count: number = (repeats as Record<Name, number | undefined>)[name] ?? 1;
      const before = performance.now();
      for (let i = 0; i < count; i++) await contestants[name]();
      if (round >= 0) times[name].push((performance.now() - before) / count);
    }
  }
  return Object.fromEntries(names.map((name) => [name, timing(times[name])])) as Record<Name, Timing>;
}

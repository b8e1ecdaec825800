import { attemptsOf } from "./attempts.ts";
import { listBooks, readBook } from "./books.ts";
import type { Attempt } from "./lightning-records.ts";
import type { Rollout, Run, Span } from "./records.ts";
import { readRollout } from "./rollout-writer.ts";
import { checkPage, rowFilter, rowOrder, selectPage, type Page, type PageQuery } from "./query.ts";
import type { StorageTransaction, TableName } from "./storage.ts";

export interface FindRollouts extends PageQuery<Rollout> {
  /** Only this run's; default all runs', run by run. */
  readonly runId?: string;
}

/** An attempt and whose it is. */
export interface FoundAttempt extends Attempt {
  readonly rolloutId: string;
}

export interface FindAttempts extends PageQuery<FoundAttempt> {
  /** Always holds: only those of this rollout; default all rollouts', in the order of creation. */
  readonly rolloutId?: string;
  /** Always holds: only those of this run's rollouts. */
  readonly runId?: string;
}

export interface FindSpans extends PageQuery<Span> {
  /** Always holds, whatever the logic. */
  readonly rolloutId: string;
  /** Always holds; "latest" names the rollout's last attempt. */
  readonly attemptId?: string;
}

/** Rows read at once. */
const pageRows = 2000;

/**
 * One page of rollouts. Reads them in stretches and keeps only those of the page, unless they are sorted; without a filter
 * nothing beyond the page is read. `total` of a run is known from its bookkeeping.
 */
export async function findRollouts(
  transaction: StorageTransaction,
  query: FindRollouts,
): Promise<Page<Rollout>> {
  checkPage(query as PageQuery<never>);
  const { runId, sortBy, sortOrder = "asc", limit = null, offset = 0 } = query;
  const books =
    runId === undefined
      ? await listBooks(transaction)
      : [await readBook(transaction, runId)].filter((book) => book !== undefined);
  const newest = sortBy === undefined && sortOrder === "desc";
  if (newest) books.reverse();
  const wanted = rowFilter<Rollout>(query);
  const filters = Object.keys(query.filter ?? {}).length > 0;
  const end = limit === null ? Infinity : offset + limit;
  const order = newest ? "newest" : "oldest";
  const found: Rollout[] = [];
  let total = 0;
  const counted = sortBy === undefined && !filters;
  for (const { runId: run, statistics } of books) {
    const before = total;
    let range = {};
    while (!(counted && total >= end)) {
      const rows = await transaction.page("rollouts", run, { ...range, limit: pageRows, order });
      for (const row of rows) {
        if (!wanted(row)) continue;
        if (sortBy !== undefined || (total >= offset && total < end)) found.push(row);
        total++;
      }
      const last = rows.at(-1);
      if (!last || rows.length < pageRows) break;
      range = order === "oldest" ? { after: last.number } : { before: last.number };
    }
    if (counted) total = before + statistics.rollouts;
  }
  if (sortBy === undefined) return { items: found, limit, offset, total };
  found.sort(rowOrder<Rollout>(sortBy, sortOrder));
  return { items: found.slice(offset, limit === null ? undefined : end), limit, offset, total };
}

/** One page of runs. */
export async function findRuns(transaction: StorageTransaction, query: PageQuery<Run>): Promise<Page<Run>> {
  const runs = await transaction.list("runs");
  return selectPage(
    runs.map(({ value }) => value),
    query,
  );
}

export const attemptTables: readonly TableName[] = ["runs", "rollouts", "rolloutIds"];

/** One page of attempts. Without a rollout it reads all rollouts of the run, or of all runs. */
export async function findAttempts(
  transaction: StorageTransaction,
  query: FindAttempts,
): Promise<Page<FoundAttempt>> {
  checkPage(query as PageQuery<never>);
  const { rolloutId, runId } = query;
  const found: FoundAttempt[] = [];
  const add = (rollout: Rollout | undefined): void => {
    if (!rollout || (runId !== undefined && rollout.runId !== runId)) return;
    for (const attempt of attemptsOf(rollout)) found.push({ ...attempt, rolloutId: rollout.id });
  };
  if (rolloutId !== undefined) add(await readRollout(transaction, rolloutId));
  else {
    const runs =
      runId === undefined ? (await transaction.list("runs")).map(({ value }) => value.id) : [runId];
    for (const run of runs) {
      for (let after = -1; ;) {
        const rows = await transaction.page("rollouts", run, { after, limit: pageRows });
        rows.forEach(add);
        if (rows.length < pageRows) break;
        after = rows.at(-1)!.number;
      }
    }
  }
  return selectPage(found, query);
}

/** One page of a rollout's spans, by sequence unless sorted otherwise. */
export function selectFound(spans: readonly Span[], attemptId: string | null, query: FindSpans): Page<Span> {
  const own = attemptId === null ? spans : spans.filter((span) => span.attemptId === attemptId);
  return selectPage(own, { sortBy: "sequence", ...query });
}

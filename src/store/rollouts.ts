import { FulguriteError } from "../gpu/error.ts";
import type { Rollout, RolloutQuery } from "./records.ts";
import { isCount, rolloutIdOf } from "./span.ts";
import type { StorageTransaction } from "./storage.ts";

/** Rows read at once where most may be unwanted. */
const pageRows = 1000;

/** Throws "store/invalid-rollout" for a row that could not be found again. */
export function checkRollout({ id, runId, number, update, group }: Rollout): void {
  if (isCount(number) && isCount(update) && isCount(group) && id === rolloutIdOf(runId, number)) return;
  // Ids of their own are given by the queue, which keeps where they are.
  throw new FulguriteError(
    "store/invalid-rollout",
    `Rollout ${id} is number ${number} of run ${runId}, update ${update}, group ${group}.`,
    "Number rollouts, updates and groups with whole numbers from 0; the id is the run's id, a slash and the number.",
  );
}

/** The wanted rollouts, by number. Update and group are looked up, the other fields compared row by row. */
export async function readRollouts(transaction: StorageTransaction, query: RolloutQuery): Promise<Rollout[]> {
  const { runId, mode, update, group, limit = Infinity, order = "oldest" } = query;
  let { afterNumber: after = -1, beforeNumber: before = Infinity } = query;
  const wanted = (rollout: Rollout): boolean =>
    (mode === undefined || rollout.mode === mode) &&
    (update === undefined || rollout.update === update) &&
    (group === undefined || rollout.group === group) &&
    rollout.number > after &&
    rollout.number < before;
  if (update !== undefined || group !== undefined) {
    const rows = await (group === undefined
      ? transaction.find("update", runId, update!)
      : transaction.find("group", runId, group));
    const found = rows.filter(wanted);
    if (order === "newest") found.reverse();
    return found.slice(0, limit);
  }
  const found: Rollout[] = [];
  while (found.length < limit) {
    const page = { after, before, order, limit: mode === undefined ? limit : pageRows };
    const rows = await transaction.page("rollouts", runId, page);
    for (const row of rows) if (wanted(row) && found.length < limit) found.push(row);
    const last = rows.at(-1);
    if (!last || rows.length < page.limit) break;
    if (order === "newest") before = last.number;
    else after = last.number;
  }
  return found;
}

/** Rough bytes of a row on disk. */
export const estimateRolloutBytes = (rollout: Rollout): number => 60 + estimate(rollout, 4);

function estimate(value: unknown, depth: number): number {
  if (typeof value === "string") return value.length + 4;
  if (ArrayBuffer.isView(value)) return value.byteLength + 16;
  if (typeof value !== "object" || value === null || depth === 0) return 9;
  let bytes = 4;
  for (const [key, inner] of Object.entries(value)) bytes += key.length + estimate(inner, depth - 1);
  return bytes;
}

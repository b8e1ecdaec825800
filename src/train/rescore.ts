import { compareRewards, type RewardComparison } from "../reward/rescore.ts";
import type { RewardHost } from "../runner/index.ts";
import type { LightningStore } from "../store/records.ts";
import { totalReward } from "./credit.ts";

export interface RescoreResult {
  readonly rollouts: readonly {
    readonly id: string;
    readonly number: number;
    readonly group: number;
    readonly update: number;
    readonly old: number | null;
    readonly new: number | null;
  }[];
  /** Rollouts that the new reward failed on, by reason. */
  readonly failures: Readonly<Record<string, number>>;
  readonly comparison: RewardComparison;
}

/** Newest rollouts a re-scoring looks at. */
const RESCORED = 2048;

/** What another reward would have said of a run's newest stored rollouts; spends no new one. */
export async function rescore(
  store: LightningStore,
  runId: string,
  host: Pick<RewardHost, "score">,
): Promise<RescoreResult> {
  const stored = await store.rollouts({ runId, mode: "train", order: "newest", limit: RESCORED });
  const rollouts = stored.filter(({ status }) => status === "succeeded");
  const outcomes = await host.score(
    rollouts.map(({ id, task, result }) => ({ rolloutId: id, task, result, transcript: [] })),
  );
  const failures: Record<string, number> = {};
  const rows = rollouts.map(({ id, number, group, update, reward }, i) => {
    const outcome = outcomes[i]!;
    if (!outcome.ok) failures[outcome.reason] = (failures[outcome.reason] ?? 0) + 1;
    return { id, number, group, update, old: reward, new: outcome.ok ? totalReward(outcome) : null };
  });
  return {
    rollouts: rows,
    failures,
    comparison: compareRewards({ rollouts: rows.map((row) => ({ ...row, group: String(row.group) })) }),
  };
}

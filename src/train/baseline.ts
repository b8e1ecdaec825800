import type { Run } from "../store/records.ts";
import type { Job } from "./job.ts";

/** What filtered cloning came to on the same tasks; see `cloningBaseline`. */
export interface Baseline {
  readonly runId: string;
  /** Share of the held-out tasks solved greedily, with its 95 % interval. */
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** Names of the figures that a run's metrics keep of its baseline. */
export const baselineFigures = ({ mean, low, high }: Baseline): Record<string, number> => ({
  "baseline.filteredCloning.mean": mean,
  "baseline.filteredCloning.low": low,
  "baseline.filteredCloning.high": high,
});

/** The baseline in a run's metrics; null where it had none. */
export function baselineOf(metrics: Readonly<Record<string, number>>): Omit<Baseline, "runId"> | null {
  const [mean, low, high] = ["mean", "low", "high"].map(
    (name) => metrics[`baseline.filteredCloning.${name}`],
  );
  return mean === undefined || low === undefined || high === undefined ? null : { mean, low, high };
}

/** Whether the job learns by reinforcement, so that its result means something beside filtered cloning's alone. */
export const wantsBaseline = (job: Job | null | undefined): boolean =>
  job?.kind === "agentic" && job.algorithm.kind === "grpo";

/**
 * The newest run among `runs` that trained the same agent, reward and network on the same tasks by filtered cloning to its
 * end, one of the start's rollouts before others; null where there is none, or `run` does not learn by reinforcement.
 */
export function cloningBaseline(run: Pick<Run, "job">, runs: readonly Run[]): Baseline | null {
  const job = run.job as Job | null;
  if (job?.kind !== "agentic" || !wantsBaseline(job)) return null;
  const wanted = likeness(job);
  // What the start's own rollouts teach comes first: the other imitates a policy that learns meanwhile.
  const newest = [...runs].sort(
    (a, b) => Number(isOfStart(b)) - Number(isOfStart(a)) || (a.id < b.id ? 1 : -1),
  );
  const found = newest.find((other) => {
    const like = other.job as Job | null;
    return (
      other.status === "succeeded" &&
      like?.kind === "agentic" &&
      like.algorithm.kind === "filtered-cloning" &&
      like.tasks.heldOut.length === job.tasks.heldOut.length &&
      likeness(like) === wanted
    );
  });
  if (!found) return null;
  const [mean, low, high] = ["mean", "low", "high"].map((name) => found.metrics[`evaluation.greedy.${name}`]);
  if (mean === undefined || low === undefined || high === undefined) return null;
  return { runId: found.id, mean, low, high };
}

function isOfStart({ job }: Run): boolean {
  const { kind, algorithm } = (job ?? {}) as Partial<Extract<Job, { kind: "agentic" }>>;
  return kind === "agentic" && algorithm?.kind === "filtered-cloning" && algorithm.sampledFrom === "start";
}

/** What two jobs must have in common to be compared; seeds and how they begin may differ. */
function likeness({ agent, reward, tasks, policy, algorithm }: Extract<Job, { kind: "agentic" }>): string {
  const { alphabet, words, pairs, width, layers, heads, feedForward, maxLength } = policy;
  const network = [alphabet, words, pairs, width, layers, heads, feedForward, maxLength];
  const evaluated = tasks.heldOut.slice(0, algorithm.evaluationTasks);
  return JSON.stringify([
    agent.code,
    agent.entry,
    reward.code,
    reward.entry,
    evaluated,
    network,
    algorithm.successAt,
  ]);
}

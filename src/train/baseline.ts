import { encodeCloneable } from "../adapter/exchange/cloneable-json.ts";
import type { Run } from "../store/records.ts";
import type { CodeSource } from "../runner/agent-source.ts";
import type { AgenticJob, Job } from "./job.ts";

/** Whose rollouts filtered cloning imitated: those of the run's start, or the policy's own as it learned. */
export type SampledFrom = "start" | "current";

/** What filtered cloning came to on the same tasks; see `cloningBaselines`. */
export interface Baseline {
  /** Share of the held-out tasks solved greedily, with its 95 % interval. */
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly sampledFrom: SampledFrom;
  readonly seed: number;
  /** That it was trained on. */
  readonly rollouts: number;
}

/** Names of the figures that a run's metrics keep of its baseline. */
export const baselineFigures = ({ mean, low, high }: Baseline): Record<string, number> => ({
  "baseline.filteredCloning.mean": mean,
  "baseline.filteredCloning.low": low,
  "baseline.filteredCloning.high": high,
});

/** The baseline in a run's metrics; null where it had none. */
export const baselineOf = (metrics: Readonly<Record<string, number>>): Share | null =>
  shareOf(metrics, "baseline.filteredCloning");

type Share = Pick<Baseline, "mean" | "low" | "high">;

/** A share with its interval, as metrics keep it. */
export function shareOf(metrics: Readonly<Record<string, number>>, name: string): Share | null {
  const [mean, low, high] = ["mean", "low", "high"].map((part) => metrics[`${name}.${part}`]);
  return mean === undefined || low === undefined || high === undefined ? null : { mean, low, high };
}

/** Whether the job learns by reinforcement, so that its result means something beside filtered cloning's alone. */
export const wantsBaseline = (job: Job | null | undefined): job is AgenticJob =>
  job?.kind === "agentic" && job.algorithm.kind === "grpo";

/** Of a job of filtered cloning, whose rollouts it imitates; null for any other. */
export const sampledFromOf = (job: Job | null | undefined): SampledFrom | null =>
  job?.kind === "agentic" && job.algorithm.kind === "filtered-cloning"
    ? (job.algorithm.sampledFrom ?? "current")
    : null;

/**
 * Of the newest runs among `runs` that trained the same agent, reward and network on the same tasks by filtered cloning to
 * their end: one that imitated the start's rollouts, then one that made them anew with every update. Empty where there is
 * none, or `run` does not learn by reinforcement.
 */
export function cloningBaselines(run: Pick<Run, "job">, runs: readonly Run[]): Baseline[] {
  const job = run.job as Job | null;
  if (!wantsBaseline(job)) return [];
  const wanted = likeness(job);
  const newest = [...runs].sort((a, b) => (a.id < b.id ? 1 : -1));
  return (["start", "current"] as const).flatMap((sampledFrom): Baseline[] => {
    const found = newest.find((other) => {
      const like = other.job as Job | null;
      return (
        other.status === "succeeded" &&
        like?.kind === "agentic" &&
        sampledFromOf(like) === sampledFrom &&
        like.tasks.heldOut.length === job.tasks.heldOut.length &&
        likeness(like) === wanted
      );
    });
    const share = found && shareOf(found.metrics, "evaluation.greedy");
    return share ? [{ ...share, sampledFrom, seed: found.seed, rollouts: found.step }] : [];
  });
}

/**
 * What two jobs must have in common to be compared, as 16 hexadecimal digits: agent, reward, evaluated tasks, network and
 * what counts as a success; seeds, budgets and how they begin may differ.
 */
export function likeness({ agent, reward, tasks, policy, algorithm }: AgenticJob): string {
  const { alphabet, words, pairs, width, layers, heads, feedForward, maxLength, adapters, softPrompt } =
    policy;
  // By name: what a policy does without leaves no trace, also what later versions add.
  const network = {
    ...{ alphabet, words, pairs, width, layers, heads, feedForward, maxLength },
    ...{ adapters, softPrompt },
  };
  const code = ({ code, entry, values }: CodeSource): unknown => [code, entry, encodeCloneable(values).json];
  const evaluated = tasks.heldOut.slice(0, algorithm.evaluationTasks);
  return digest(JSON.stringify([code(agent), code(reward), evaluated, network, algorithm.successAt]));
}

/** Two FNV-1a sums with different beginnings: tells texts apart, and keeps no secret. */
function digest(text: string): string {
  let [first, second] = [0x811c9dc5, 0x9dc5811c];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    first = Math.imul(first ^ unit, 0x01000193);
    second = Math.imul(second ^ (unit + i), 0x01000193);
  }
  return [first, second].map((sum) => (sum >>> 0).toString(16).padStart(8, "0")).join("");
}

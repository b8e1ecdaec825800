import { rolloutRewardDefinition } from "../reward/index.ts";
import { agentDefinition } from "../train/define-agent.ts";
import type { Job } from "../train/job.ts";

/** The code that a training ran with, as text that can be compared. */
export interface TrainedWith {
  readonly reward: string;
  /** "" where no agent was trained. */
  readonly agent: string;
}

/** What a stored or present job trains with. */
export const trainedWith = (job: Job): TrainedWith =>
  job.kind === "agentic"
    ? { reward: codeText(job.reward), agent: codeText(job.agent) }
    : { reward: job.reward ? stepText(job.reward) : "", agent: "" };

/**
 * Names of the rewards and agents among a cell's `values` that the training did not run with. A reward none of
 * whose kind was trained with counts; where one of several was, the others may be for something else.
 */
export function changedSince(training: TrainedWith, values: Iterable<readonly [string, unknown]>): string[] {
  const found: Record<keyof TrainedWith, { name: string; text: string }[]> = { reward: [], agent: [] };
  for (const [name, value] of values) {
    const agent = agentDefinition(value);
    const reward = rolloutRewardDefinition(value);
    if (agent) found.agent.push({ name, text: codeText(agent.source()) });
    else if (reward) found.reward.push({ name, text: codeText(reward.source()) });
    else if (isStepReward(value)) found.reward.push({ name, text: stepText(value) });
  }
  return (["reward", "agent"] as const).flatMap((part) =>
    found[part].some(({ text }) => text === training[part]) ? [] : found[part].map(({ name }) => name),
  );
}

interface StepText {
  readonly source: string;
  readonly constants: Readonly<Record<string, number | readonly number[]>>;
}

const isStepReward = (value: unknown): value is StepText =>
  typeof value === "object" && value !== null && (value as { kind?: unknown }).kind === "step-reward";

const stepText = ({ source, constants }: StepText): string => canonical([source, constants]);

const codeText = ({ code, entry, values }: { code: string; entry: string; values: unknown }): string =>
  canonical([code, entry, values]);

/** JSON with the keys of plain objects in order: the store may give them back in another. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, entry: unknown) =>
    typeof entry === "object" && entry !== null && !Array.isArray(entry) && !ArrayBuffer.isView(entry)
      ? Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)))
      : typeof entry === "bigint"
        ? String(entry)
        : entry,
  );

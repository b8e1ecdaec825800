import { rolloutRewardDefinition } from "../reward/index.ts";
import { agentDefinition } from "../train/define-agent.ts";
import type { CellGraph } from "./graph.ts";
import type { KernelCell } from "./kernel-cell.ts";
import { codeText, stepText, type StepText, type TrainedWith } from "./trained-with.ts";

/**
 * Names by which a cell's training from before this kernel differs from what it would be trained with now; none while a
 * cell that it needs waits or runs.
 */
export function changedSinceTraining(
  cell: KernelCell,
  graph: CellGraph,
  find: (id: string) => KernelCell,
): readonly string[] {
  if (!cell.trainedWith) return [];
  const values: [string, unknown][] = [];
  for (const [name, from] of graph.dependencies.get(cell.id)!) {
    const dependency = find(from);
    if (dependency.queued || dependency.run) return [];
    if (dependency.values?.has(name)) values.push([name, dependency.values.get(name)]);
  }
  return changedSince(cell.trainedWith, values);
}

/**
 * Names of the rewards and agents among a cell's `values` that the training did not run with. A reward none of
 * whose kind was trained with counts; where one of several was, the others may be for something else.
 */
function changedSince(training: TrainedWith, values: Iterable<readonly [string, unknown]>): string[] {
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

const isStepReward = (value: unknown): value is StepText =>
  typeof value === "object" && value !== null && (value as { kind?: unknown }).kind === "step-reward";

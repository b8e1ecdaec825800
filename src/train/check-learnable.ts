import type { RowCounts } from "../adapter/training-rows.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { LanguageAlgorithm } from "../rl/grpo.ts";
import type { MadeRollout } from "./rollout-batch.ts";

/** Whether the policy said anything in any of the rollouts. */
export const saidAnything = (rollouts: readonly MadeRollout[]): boolean =>
  rollouts.some(({ final }) => final.calls.some(({ responseTokens }) => responseTokens.length > 0));

/**
 * Throws where a run's first rollouts have nothing that a policy could learn from, although they have rewards: it would go on
 * to its end, and be as it began. `heard`: the policy has said something before them.
 */
export function checkLearnable(
  rollouts: readonly MadeRollout[],
  counts: RowCounts,
  { promptLength }: LanguageAlgorithm,
  heard: boolean,
): void {
  if (!heard && !saidAnything(rollouts)) {
    const refusal = rollouts
      .flatMap(({ final }) => final.calls)
      .findLast(({ error }) => error !== null)?.error;
    throw new FulguriteError(
      "train/nothing-said",
      refusal == null
        ? `The agent asked the model nothing in ${rollouts.length} rollouts: there is nothing to learn from.`
        : `The model answered none of the agent's requests in ${rollouts.length} rollouts: ${refusal}`,
      refusal == null
        ? "Let the agent ask it, for example with `await llm.chat(task)`."
        : "Mend the agent cell and run again.",
    );
  }
  if (counts.rows === 0 || counts.promptTooLong < counts.rows) return;
  const shortest = Math.min(
    ...rollouts.flatMap(({ final }) =>
      final.calls.slice(0, 1).map(({ promptTokens }) => promptTokens.length),
    ),
  );
  throw new FulguriteError(
    "train/prompts-too-long",
    `No prompt fits into the algorithm's promptLength of ${promptLength} tokens; the shortest has ${shortest}.`,
    `Pass a promptLength that they fit into, such as ${2 ** Math.ceil(Math.log2(shortest))}.`,
  );
}

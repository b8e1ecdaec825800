import type { Rollout } from "../store/records.ts";

/** One held-out task and what the agent answered to it, evaluation by evaluation, oldest first. */
export interface AnswerHistory {
  readonly task: unknown;
  readonly answers: readonly Rollout[];
}

/**
 * Evaluations by task, in the order in which tasks first came. Of several samples of one evaluation the first
 * is kept, of a rollout made twice the later.
 */
export function answerHistories(evaluations: readonly Rollout[]): AnswerHistory[] {
  const histories = new Map<string, { task: unknown; answers: Map<number, Rollout> }>();
  for (const rollout of [...evaluations].sort((a, b) => a.number - b.number)) {
    if (rollout.mode !== "evaluation") continue;
    const key = JSON.stringify(rollout.task);
    let history = histories.get(key);
    if (!history) histories.set(key, (history = { task: rollout.task, answers: new Map() }));
    const known = history.answers.get(rollout.update);
    if (!known || rollout.sample <= known.sample) history.answers.set(rollout.update, rollout);
  }
  return [...histories.values()].map(({ task, answers }) => ({
    task,
    answers: [...answers.values()].sort((a, b) => a.update - b.update),
  }));
}

/** At most `count` of `answers`, spread over the whole run, newest first: the last and the first are always there. */
export function spread<T>(answers: readonly T[], count: number): T[] {
  const last = answers.length - 1;
  if (last < count) return [...answers].reverse();
  const picked = Array.from({ length: count }, (_, i) => answers[Math.round((i * last) / (count - 1))]!);
  return picked.reverse();
}

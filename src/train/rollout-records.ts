import type { Rollout, Span } from "../store/records.ts";
import { rolloutIdOf } from "../store/span.ts";
import { emissionSpans, rewardSpan, rolloutSpan } from "../trace/agentic-spans.ts";
import { RolloutTrace } from "../trace/rollout-trace.ts";
import { meanScore } from "./credit.ts";
import type { MadeRollout } from "./rollout-batch.ts";

export interface RolloutRole {
  readonly update: number;
  readonly mode: Rollout["mode"];
  /** NaN where there is none. */
  readonly reward: number;
  readonly advantage: number | null;
}

/** A finished rollout as the store keeps it. */
export function rolloutRecord(runId: string, made: MadeRollout, role: RolloutRole): Rollout {
  const { number, group, sample, task, attempts, final, score } = made;
  const { update, mode, reward, advantage } = role;
  const failed = score !== null && !score.ok;
  return {
    id: rolloutIdOf(runId, number),
    runId,
    number,
    update,
    mode,
    group,
    sample,
    task,
    status: failed ? "failed" : final.status,
    reason: failed ? `reward-${score.reason}` : final.reason,
    message: failed ? score.message : final.message,
    result: final.result ?? null,
    reward: Number.isNaN(reward) ? null : reward,
    components: score?.ok
      ? Object.fromEntries(Object.entries(score.components).map(([name, value]) => [name, meanScore(value)]))
      : {},
    advantage: Number.isNaN(reward) ? null : advantage,
    attempts: attempts.length,
    calls: final.calls.length,
    inputTokens: final.calls.reduce((sum, { usage }) => sum + usage.promptTokens, 0),
    outputTokens: final.calls.reduce((sum, { usage }) => sum + usage.completionTokens, 0),
    policyVersion: final.calls.at(-1)?.policyVersion ?? 0,
    startTime: attempts[0]!.startTime,
    endTime: final.endTime,
  };
}

/** The spans of a rollout: a root for each attempt; below it its calls and emissions; the reward below the last. */
export function rolloutSpans(record: Rollout, { attempts, score }: MadeRollout, agent: string): Span[] {
  const trace = new RolloutTrace(record.runId, record.number);
  const spans: Span[] = [];
  attempts.forEach((attempt, i) => {
    const place = trace.attempt(attempt.attempt);
    const { status, reason, message, startTime, endTime } = attempt;
    const { update, mode, group, sample } = record;
    spans.push(
      rolloutSpan(place, { agent, update, mode, group, sample, status, reason, message, startTime, endTime }),
    );
    spans.push(...emissionSpans(trace, place, attempt.emissions, endTime, attempt.calls));
    if (i < attempts.length - 1 || !score) return;
    spans.push(
      rewardSpan(trace.below(place), {
        reward: record.reward,
        components: record.components,
        reason: score.ok ? null : score.reason,
        message: score.ok ? null : score.message,
        startTime: endTime,
        endTime,
      }),
    );
  });
  return spans;
}

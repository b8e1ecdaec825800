import { FulguriteError } from "../gpu/error.ts";
import type { Attempt, AttemptChange, AttemptStatus, RolloutConfig } from "./lightning-records.ts";
import type { Rollout } from "./records.ts";
import {
  attemptAfterSpan,
  attemptTransitions,
  checkTransition,
  rolloutEvents,
  rolloutIsFinished,
  type RolloutEvent,
} from "./state-machines.ts";

/** No time limits, one attempt. */
export const defaultConfig: RolloutConfig = {
  timeout: null,
  unresponsive: null,
  maxAttempts: 1,
  retryOn: [],
};

export const configOf = (rollout: Rollout): RolloutConfig => rollout.config ?? defaultConfig;

/** Throws "store/invalid-config" for limits that mean nothing. */
export function fullConfig(config: Partial<RolloutConfig> = {}): RolloutConfig {
  const full = { ...defaultConfig, ...config };
  const { timeout, unresponsive, maxAttempts } = full;
  const limits = [timeout, unresponsive].every((limit) => limit === null || limit >= 0);
  if (limits && Number.isInteger(maxAttempts) && maxAttempts >= 1) return full;
  throw new FulguriteError(
    "store/invalid-config",
    `A rollout cannot have ${maxAttempts} attempts, a timeout of ${timeout} and ${unresponsive} milliseconds of silence.`,
    "Give it one attempt or more, and limits that are not negative.",
  );
}

/** The attempt's id in rollouts that a training run made by itself. */
export const attemptIdOf = (rolloutId: string, sequence: number): string => `${rolloutId}.${sequence}`;

/**
 * Every attempt, oldest first. Where the row lists none, the last is the rollout itself; earlier ones, of which stores
 * before version 3 kept only the number, count as failed (their spans know more).
 */
export function attemptsOf(rollout: Rollout): readonly Attempt[] {
  if (rollout.attemptList) return rollout.attemptList;
  const { id, attempts, startTime, endTime, status } = rollout;
  return Array.from({ length: attempts }, (_, i): Attempt => {
    const last = i === attempts - 1;
    return {
      id: attemptIdOf(id, i + 1),
      sequence: i + 1,
      status: last ? (status === "queuing" || status === "requeuing" ? "preparing" : status) : "failed",
      startTime,
      endTime: last ? endTime : startTime,
      workerId: null,
      lastHeartbeat: null,
      metadata: null,
    };
  });
}

export const latestAttempt = (rollout: Rollout): Attempt | null => attemptsOf(rollout).at(-1) ?? null;

/** Undefined where the rollout has no such attempt. */
export const findAttempt = (rollout: Rollout, id: string): Attempt | undefined =>
  id === "latest"
    ? (latestAttempt(rollout) ?? undefined)
    : attemptsOf(rollout).find((attempt) => attempt.id === id);

/** The version after a change, of a run, a rollout or an attempt. */
export const changed = ({ version = 1 }: { readonly version?: number }): { readonly version: number } => ({
  version: version + 1,
});

/** With one more attempt, however many it may have. */
export function withNewAttempt(rollout: Rollout, id: string, workerId: string | null, now: number): Rollout {
  const attempts = attemptsOf(rollout);
  const attempt: Attempt = {
    id,
    sequence: attempts.length + 1,
    status: "preparing",
    startTime: now,
    endTime: null,
    workerId,
    lastHeartbeat: null,
    metadata: null,
    version: 1,
  };
  return {
    ...rollout,
    ...changed(rollout),
    status: rolloutEvents.attempt[rollout.status] ?? rollout.status,
    endTime: null,
    reason: null,
    message: null,
    attempts: attempts.length + 1,
    attemptList: [...attempts, attempt],
  };
}

function eventOf(rollout: Rollout, { status, sequence }: Attempt): RolloutEvent | null {
  const { retryOn, maxAttempts } = configOf(rollout);
  switch (status) {
    case "running":
      return "span";
    case "succeeded":
      return "success";
    case "failed":
    case "timeout":
    case "unresponsive":
      return retryOn.includes(status) && sequence < maxAttempts ? "retry" : "failure";
    case "preparing":
    case "cancelled":
      return null;
  }
}

/** Replaces one of its attempts; only the latest moves the rollout. */
function withAttempt(rollout: Rollout, attempt: Attempt, moved: boolean, now: number): Rollout {
  const attempts = attemptsOf(rollout);
  const attemptList = attempts.map((other) => (other.sequence === attempt.sequence ? attempt : other));
  const next = { ...rollout, ...changed(rollout), attemptList };
  if (!moved || attempt.sequence !== attempts.length) return next;
  const event = eventOf(rollout, attempt);
  const status = event === null ? undefined : rolloutEvents[event][rollout.status];
  if (status === undefined || status === rollout.status) return next;
  const ended = rolloutIsFinished(status);
  return {
    ...next,
    status,
    endTime: ended ? now : null,
    reason: status === "failed" ? attempt.status : null,
    message: null,
  };
}

/** Nobody saw the end of an attempt that was given up on. */
const hasEnd = (status: AttemptStatus): boolean => status === "succeeded" || status === "failed";

/** Throws "store/transition" where the attempt cannot become what is asked. */
export function withChangedAttempt(
  rollout: Rollout,
  attempt: Attempt,
  change: AttemptChange,
  now: number,
): Rollout {
  const status = change.status ?? attempt.status;
  checkTransition(
    attemptTransitions,
    `Attempt ${attempt.id} of rollout ${rollout.id}`,
    attempt.status,
    status,
  );
  const moved = status !== attempt.status;
  const next: Attempt = {
    ...attempt,
    ...changed(attempt),
    status,
    endTime: moved && hasEnd(status) ? now : attempt.endTime,
    workerId: change.workerId ?? attempt.workerId,
    lastHeartbeat: change.lastHeartbeat ?? attempt.lastHeartbeat,
    metadata: change.metadata ?? attempt.metadata,
  };
  return withAttempt(rollout, next, moved, now);
}

/** After a span of the attempt: a sign of life, whatever became of it; an unresponsive one is back. */
export function withSign(rollout: Rollout, attempt: Attempt, now: number): Rollout {
  const status = attemptAfterSpan[attempt.status] ?? attempt.status;
  const next = { ...attempt, ...changed(attempt), status, lastHeartbeat: now };
  return withAttempt(rollout, next, status !== attempt.status, now);
}

/** What a watchdog makes of the attempt now; null where there is nothing to say. Times in milliseconds. */
export function overdue(rollout: Rollout, attempt: Attempt, now: number): "timeout" | "unresponsive" | null {
  const { timeout, unresponsive } = configOf(rollout);
  if (attempt.status !== "preparing" && attempt.status !== "running") return null;
  if (timeout !== null && now - attempt.startTime > timeout) return "timeout";
  const lastSign = attempt.lastHeartbeat ?? attempt.startTime;
  return unresponsive !== null && now - lastSign > unresponsive ? "unresponsive" : null;
}

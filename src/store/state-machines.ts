import { FulguriteError } from "../gpu/error.ts";
import type { AttemptStatus, RolloutStatus } from "./lightning-records.ts";
import type { RunStatus } from "./records.ts";

/** What may follow each status. */
type Transitions<Status extends string> = Readonly<Record<Status, readonly Status[]>>;

/** A running run without an owner is paused. What has ended stays so; a failed run may go back to its last checkpoint. */
export const runTransitions: Transitions<RunStatus> = {
  queued: ["running", "paused", "succeeded", "failed", "cancelled"],
  running: ["paused", "succeeded", "failed", "cancelled"],
  paused: ["running", "succeeded", "failed", "cancelled"],
  succeeded: [],
  failed: ["paused"],
  cancelled: [],
};

/**
 * What may become of an attempt. A timeout is given up on for good, but whoever ran it may still tell how it ended;
 * an unresponsive one may come back.
 */
export const attemptTransitions: Transitions<AttemptStatus> = {
  preparing: ["running", "succeeded", "failed", "timeout", "unresponsive", "cancelled"],
  running: ["succeeded", "failed", "timeout", "unresponsive", "cancelled"],
  unresponsive: ["running", "succeeded", "failed", "timeout", "cancelled"],
  timeout: ["succeeded", "failed"],
  succeeded: [],
  failed: [],
  cancelled: [],
};

/** What a span makes of its attempt; any other status stays as it is. */
export const attemptAfterSpan: Readonly<Partial<Record<AttemptStatus, AttemptStatus>>> = {
  preparing: "running",
  unresponsive: "running",
};

/** What a caller may make of a rollout. A finished one can only be queued again. */
export const rolloutTransitions: Transitions<RolloutStatus> = {
  queuing: ["requeuing", "preparing", "running", "succeeded", "failed", "cancelled"],
  requeuing: ["queuing", "preparing", "running", "succeeded", "failed", "cancelled"],
  preparing: ["queuing", "requeuing", "running", "succeeded", "failed", "cancelled"],
  running: ["queuing", "requeuing", "preparing", "succeeded", "failed", "cancelled"],
  succeeded: ["queuing", "requeuing"],
  failed: ["queuing", "requeuing"],
  timeout: ["queuing", "requeuing"],
  cancelled: ["queuing", "requeuing"],
};

/** What happens to the latest attempt, as its rollout sees it. "retry": it ended badly and another may be made. */
export type RolloutEvent = "attempt" | "span" | "success" | "retry" | "failure";

/**
 * What becomes of a rollout when something happens to its latest attempt; where nothing is said it stays. A rollout
 * that failed because its attempt was given up on still succeeds when that attempt does; one that was cancelled, or
 * has succeeded, is moved by a new attempt only.
 */
export const rolloutEvents: Readonly<
  Record<RolloutEvent, Readonly<Partial<Record<RolloutStatus, RolloutStatus>>>>
> = {
  attempt: {
    queuing: "preparing",
    requeuing: "preparing",
    preparing: "preparing",
    running: "preparing",
    succeeded: "preparing",
    failed: "preparing",
    timeout: "preparing",
    cancelled: "preparing",
  },
  span: { queuing: "running", requeuing: "running", preparing: "running" },
  success: {
    queuing: "succeeded",
    requeuing: "succeeded",
    preparing: "succeeded",
    running: "succeeded",
    failed: "succeeded",
  },
  retry: { queuing: "requeuing", requeuing: "requeuing", preparing: "requeuing", running: "requeuing" },
  failure: { queuing: "failed", requeuing: "failed", preparing: "failed", running: "failed" },
};

export const runHasEnded = (status: RunStatus): boolean =>
  status === "succeeded" || status === "failed" || status === "cancelled";

export const rolloutIsFinished = (status: RolloutStatus): boolean =>
  status === "succeeded" || status === "failed" || status === "timeout" || status === "cancelled";

export const rolloutWaits = (status: RolloutStatus): boolean =>
  status === "queuing" || status === "requeuing";

/** Throws "store/transition" where `to` may not follow `from`; staying is always allowed. */
export function checkTransition<Status extends string>(
  transitions: Transitions<Status>,
  what: string,
  from: Status,
  to: Status,
): void {
  if (from === to || transitions[from].includes(to)) return;
  const next = transitions[from];
  throw new FulguriteError(
    "store/transition",
    `${what} is ${from} and cannot become ${to}.`,
    next.length === 0
      ? "What has ended stays as it is; start another."
      : `It can become ${next.join(", ")}; read it again, somebody else may have changed it.`,
  );
}

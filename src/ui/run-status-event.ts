import type { Run } from "../store/records.ts";

/** A run's status, as a view of it came to know it. */
export class RunStatusEvent extends Event {
  readonly runId: string;
  readonly status: Run["status"];
  /** Why it is so, as the view says. */
  readonly reason: string | null;
  constructor(runId: string, status: Run["status"], reason: string | null = null) {
    super("fulgurite-run-status", { bubbles: true, composed: true });
    this.runId = runId;
    this.status = status;
    this.reason = reason;
  }
}

declare global {
  interface WindowEventMap {
    "fulgurite-run-status": RunStatusEvent;
  }
}

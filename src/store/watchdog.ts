import type { StoreAccess } from "./access.ts";
import { latestAttempt, overdue, withChangedAttempt } from "./attempts.ts";
import type { Rollout } from "./records.ts";
import { RolloutWriter } from "./rollout-writer.ts";
import type { TableName } from "./storage.ts";
import { workerFollows } from "./workers.ts";
import { runTables } from "./write.ts";

const tables: readonly TableName[] = [...runTables, "rolloutIds", "queue", "watched", "workers"];

/**
 * Ends attempts that missed their time limits: too long since they began ("timeout"), or since their last sign of life
 * ("unresponsive"). There is no timer; it looks when the store is asked for something, at most once an interval.
 */
export class Watchdog {
  readonly #access: StoreAccess;
  readonly #interval: number;
  #last = -Infinity;
  #looking: Promise<void> | null = null;

  /** `interval` in milliseconds; 0: every time. */
  constructor(access: StoreAccess, interval: number) {
    this.#access = access;
    this.#interval = interval;
  }

  /** The first time at once; whoever asks while it looks waits for that. */
  look(): Promise<void> {
    if (this.#looking) return this.#looking;
    const now = this.#access.now();
    if (now - this.#last < this.#interval) return Promise.resolve();
    this.#last = now;
    this.#looking = this.#look(now).finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #look(now: number): Promise<void> {
    if (!(await this.#anyOverdue(now))) return;
    const ended = await this.#access.transaction(tables, { mode: "readwrite" }, async (transaction) => {
      const writer = new RolloutWriter(transaction, now);
      const found: Rollout[] = [];
      for (const { key, value } of await transaction.list("watched")) {
        const rollout = await transaction.get("rollouts", [value.runId, value.number]);
        const attempt = rollout && latestAttempt(rollout);
        if (!attempt) {
          transaction.delete("watched", key);
          continue;
        }
        const status = overdue(rollout, attempt, now);
        if (status === null) continue;
        const after = withChangedAttempt(rollout, attempt, { status }, now);
        await writer.save(rollout, after);
        await workerFollows(transaction, after.id, latestAttempt(after)!, now);
        found.push(after);
      }
      return found;
    });
    for (const runId of new Set(ended.map((rollout) => rollout.runId)))
      this.#access.announce({ runId, kinds: ["rollouts", "workers"] });
  }

  /** Looking costs no write where there is nothing to end. */
  #anyOverdue(now: number): Promise<boolean> {
    return this.#access.transaction(["watched", "rollouts"], { mode: "readonly" }, async (transaction) => {
      for (const { value } of await transaction.list("watched")) {
        const rollout = await transaction.get("rollouts", [value.runId, value.number]);
        const attempt = rollout && latestAttempt(rollout);
        if (!attempt || overdue(rollout, attempt, now) !== null) return true;
      }
      return false;
    });
  }
}

import type { StoreAccess } from "./access.ts";
import { compactOnce, isWorthwhile } from "./compaction.ts";
import { removalTables, removeRollouts, removeRun } from "./removal.ts";
import { expiredRuns, type Removed, type Retention } from "./retention.ts";
import { outsideRunId } from "./rollout-writer.ts";
import { rolloutIsFinished } from "./state-machines.ts";
import { isFull } from "./store-errors.ts";
import { runTables } from "./write.ts";

/** Rollouts that one transaction removes: it rewrites the segments that hold them, each of about 1 MB. */
const removedAtOnce = 512;

/** Joins small segments, deletes, and keeps to a retention. Whatever the process is killed in stays whole: all or nothing. */
export class Upkeep {
  readonly #access: StoreAccess;
  readonly #forget: (runId: string) => void;
  /** Scans of this tab that go on, by run. */
  readonly #scans = new Map<string, number>();

  /** `forget` drops what the store itself remembers of a run that was deleted. */
  constructor(access: StoreAccess, forget: (runId: string) => void) {
    this.#access = access;
    this.#forget = forget;
  }

  /** While a scan goes on, segments are not joined by themselves: it could not tell what it has seen. Returns its end. */
  scanning(runId: string): () => void {
    this.#scans.set(runId, (this.#scans.get(runId) ?? 0) + 1);
    return () => {
      const left = this.#scans.get(runId)! - 1;
      if (left > 0) this.#scans.set(runId, left);
      else this.#scans.delete(runId);
    };
  }

  /** Joins what is worth it, unless the run is being scanned; `ended`: all there is to join, as nothing will follow. */
  async tidy(runId: string, ended: boolean): Promise<void> {
    if (this.#scans.has(runId)) return;
    if (!ended) {
      const segments = await this.#access.transaction(
        ["bookkeeping", "runs", "segments"],
        { mode: "readonly" },
        (transaction) => this.#access.catalogue.segments(transaction, runId),
      );
      if (!isWorthwhile(segments)) return;
    }
    await this.#compact(runId, ended);
  }

  /** Joins all small segments of a run. */
  compact(runId: string): Promise<void> {
    return this.#compact(runId, true);
  }

  /** One transaction a group, so that whoever writes meanwhile waits for 4,096 rows at most. */
  async #compact(runId: string, all: boolean): Promise<void> {
    for (let skip = 0; ;) {
      const done = await this.#access.transaction(
        runTables,
        { mode: "readwrite", durability: "strict" },
        (transaction) => compactOnce(transaction, runId, this.#access.catalogue, { all, skip }),
      );
      if (!done) return;
      if (done.written) {
        const { before, after } = done.written;
        this.#access.ids.forget(runId);
        this.#access.tails.added(before, after, []);
      } else skip++;
    }
  }

  /**
   * On a full disk browsers refuse even the few bytes that say that a run is gone, and take what only deletes: then it goes
   * without them.
   */
  async deleteRun(runId: string): Promise<void> {
    try {
      await this.#remove(runId, true);
    } catch (error) {
      if (!isFull(error)) throw error;
      await this.#remove(runId, false);
    }
    this.#forget(runId);
    this.#access.announce({
      runId,
      kinds: ["runs", "rollouts", "spans", "checkpoints", "resources"],
      removed: true,
    });
  }

  #remove(runId: string, note: boolean): Promise<void> {
    return this.#access.transaction(
      removalTables,
      { mode: "readwrite", durability: "strict" },
      (transaction) => removeRun(transaction, runId, { note }),
    );
  }

  /** See `LightningStore.deleteRollouts`. */
  async deleteRollouts(runId: string, numbers: readonly number[]): Promise<number> {
    const sorted = [...new Set(numbers)].sort((a, b) => a - b);
    let removed = 0;
    for (let from = 0; from < sorted.length; from += removedAtOnce) {
      const done = await this.#access.transaction(
        removalTables,
        { mode: "readwrite", durability: "strict" },
        (transaction) =>
          removeRollouts(
            transaction,
            runId,
            sorted.slice(from, from + removedAtOnce),
            this.#access.catalogue,
          ),
      );
      if (done === 0) continue;
      removed += done;
      this.#access.ids.forget(runId);
      this.#access.tails.forget(runId);
      this.#access.announce({ runId, kinds: ["rollouts", "spans"], removed: true });
    }
    return removed;
  }

  /** See `LightningStore.retain`. */
  async retain(retention: Retention): Promise<Removed> {
    const { age = Infinity } = retention;
    const now = this.#access.now();
    const runs = await this.#access.transaction(["runs"], { mode: "readonly" }, (transaction) =>
      transaction.list("runs"),
    );
    const newestFirst = runs.map(({ value }) => value).reverse();
    const gone = expiredRuns(newestFirst, retention, now);
    for (const { id } of gone) await this.deleteRun(id);
    return {
      runs: gone.map(({ id }) => id),
      rollouts: age === Infinity ? 0 : await this.#removeOldRollouts(now - age),
    };
  }

  /** The run of rollouts from outside never ends: they go one by one. */
  async #removeOldRollouts(oldest: number): Promise<number> {
    const rollouts = await this.#access.transaction(["rollouts"], { mode: "readonly" }, (transaction) =>
      transaction.page("rollouts", outsideRunId, {}),
    );
    const old = rollouts.filter(
      ({ status, endTime }) => rolloutIsFinished(status) && endTime !== null && endTime < oldest,
    );
    return this.deleteRollouts(
      outsideRunId,
      old.map(({ number }) => number),
    );
  }
}

import type { StoreAccess } from "./access.ts";
import type { Attempt, Worker } from "./lightning-records.ts";
import { selectPage, type Page, type PageQuery } from "./query.ts";
import type { StorageTransaction } from "./storage.ts";

const newWorker = (id: string): Worker => ({
  id,
  status: "unknown",
  heartbeatStats: null,
  lastHeartbeat: null,
  lastDequeue: null,
  lastBusy: null,
  lastIdle: null,
  rolloutId: null,
  attemptId: null,
  version: 0,
});

async function change(
  transaction: StorageTransaction,
  id: string,
  make: (worker: Worker) => Partial<Worker>,
): Promise<Worker> {
  const before = (await transaction.get("workers", id)) ?? newWorker(id);
  const after: Worker = { ...before, ...make(before), version: before.version + 1 };
  transaction.put("workers", id, after);
  return after;
}

const idle = (worker: Worker, now: number): Partial<Worker> => ({
  status: "idle",
  lastIdle: worker.status === "idle" ? worker.lastIdle : now,
  rolloutId: null,
  attemptId: null,
});

/** What the state of its attempt makes of a worker: busy until it ends; unknown where nobody saw the end. */
export async function workerFollows(
  transaction: StorageTransaction,
  rolloutId: string,
  { id: attemptId, status, workerId }: Attempt,
  now: number,
): Promise<void> {
  if (workerId === null) return;
  await change(transaction, workerId, (worker) => {
    const ended = status !== "preparing" && status !== "running";
    // It has taken other work since.
    if (ended && worker.attemptId !== null && worker.attemptId !== attemptId) return {};
    if (status === "succeeded" || status === "failed" || status === "cancelled") return idle(worker, now);
    if (ended) return { status: "unknown", rolloutId: null, attemptId: null };
    const same = worker.status === "busy" && worker.attemptId === attemptId;
    return { status: "busy", lastBusy: same ? worker.lastBusy : now, rolloutId, attemptId };
  });
}

/** It asked for work; without any it is idle. */
export const workerAsked = (
  transaction: StorageTransaction,
  id: string,
  found: boolean,
  now: number,
): Promise<Worker> =>
  change(transaction, id, (worker) => ({ ...(found ? {} : idle(worker, now)), lastDequeue: now }));

/** Those who take rollouts from the queue. */
export class Workers {
  readonly #access: StoreAccess;

  constructor(access: StoreAccess) {
    this.#access = access;
  }

  get(id: string): Promise<Worker | undefined> {
    return this.#access.transaction(["workers"], { mode: "readonly" }, (transaction) =>
      transaction.get("workers", id),
    );
  }

  /** By id unless sorted otherwise. */
  async find(query: PageQuery<Worker> = {}): Promise<Page<Worker>> {
    const rows = await this.#access.transaction(["workers"], { mode: "readonly" }, (transaction) =>
      transaction.list("workers"),
    );
    return selectPage(
      rows.map(({ value }) => value),
      query,
    );
  }

  /** A sign of life, with what the worker says of itself; makes the worker where it is new. */
  async heartbeat(id: string, stats?: Readonly<Record<string, unknown>>): Promise<Worker> {
    const now = this.#access.now();
    const worker = await this.#access.transaction(["workers"], { mode: "readwrite" }, (transaction) =>
      change(transaction, id, ({ heartbeatStats }) => ({
        lastHeartbeat: now,
        heartbeatStats: stats ?? heartbeatStats,
      })),
    );
    this.#access.announce({ runId: null, kinds: ["workers"] });
    return worker;
  }
}

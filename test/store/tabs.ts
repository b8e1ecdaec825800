import { IndexedDbStorage } from "../../src/store/indexeddb-storage.ts";
import type { AttemptedRollout, RolloutSpan } from "../../src/store/rollout-queue.ts";
import { openStore } from "../../src/store/open.ts";
import type { Span } from "../../src/store/records.ts";
import { auditStorage } from "./audit.ts";
import { makeRun, updates } from "./contract.ts";

// What tabs do to one store at the same time; each function runs in a page.

const name = "tabs";
/** Commits of a tab to its own run, and as many to the run that all of them write. */
const rounds = 30;
const size = 10;
const shared = "both";

const updatesOf = (spans: readonly Span[]): unknown[] => spans.map((span) => span.attributes["update"]);
const isSeries = (spans: readonly Span[]): boolean => updatesOf(spans).every((update, i) => update === i + 1);

/** Before the tabs begin: the run that all write, and rollouts in the queue. */
export async function prepareTabs(rollouts: number): Promise<void> {
  const store = await openStore({ name });
  await store.commit({ run: makeRun(shared) });
  await store.queue.enqueue(Array.from({ length: rollouts }, (_, task) => ({ task })));
  store.close();
}

const spanOf = ({ rollout, attempt }: AttemptedRollout, own: string, sequence: number): RolloutSpan => ({
  spanId: `s${sequence}`,
  traceId: rollout.id,
  parentId: null,
  rolloutId: rollout.id,
  attemptId: attempt.id,
  sequence,
  name: own,
  status: "ok",
  startTime: 1,
  endTime: 2,
  attributes: {},
});

/**
 * Writes, seals and reads in turn, and works off the queue; the rollouts that it took. Every tab writes the same spans to
 * the shared run, so each has to be there once.
 */
export async function workInTab(own: string): Promise<string[]> {
  const store = await openStore({ name });
  const taken: string[] = [];
  const takeOne = async (): Promise<boolean> => {
    const [work] = await store.queue.dequeue({ workerId: own });
    if (!work) return false;
    const { rollout, attempt } = work;
    taken.push(rollout.id);
    await store.queue.addSpans([spanOf(work, own, 1), spanOf(work, own, 2)]);
    await store.queue.updateAttempt(rollout.id, attempt.id, { status: "succeeded" });
    return true;
  };
  await store.commit({ run: makeRun(own) });
  for (let i = 0; i < rounds; i++) {
    for (const run of [own, shared])
      await store.commit({ spans: updates(run, size * i + 1, size * i + size) });
    if (i % 7 === 0) await store.seal(shared);
    await takeOne();
    if (i % 5 === 0 && !isSeries(await store.spans({ runId: shared })))
      throw new Error("a reader saw spans twice, out of order, or not at all");
  }
  while (await takeOne());
  store.close();
  return taken;
}

/** What the tabs did wrong, in words, given who took which rollouts. */
export async function wrongAfterTabs(taken: Readonly<Record<string, readonly string[]>>): Promise<string[]> {
  const store = await openStore({ name });
  const wrong: string[] = [];
  for (const run of [...Object.keys(taken), shared]) {
    const spans = await store.spans({ runId: run });
    if (spans.length !== rounds * size || !isSeries(spans)) wrong.push(`${run} has ${spans.length} spans`);
  }
  const all = Object.values(taken).flat();
  const { items, total } = await store.findRollouts();
  if (new Set(all).size !== all.length) wrong.push("a rollout was taken twice");
  if (all.length !== total) wrong.push(`${all.length} of ${total} rollouts were taken`);
  for (const { id, status } of items) if (status !== "succeeded") wrong.push(`rollout ${id} is ${status}`);
  for (const [own, ids] of Object.entries(taken)) {
    for (const rolloutId of ids) {
      const names = (await store.findSpans({ rolloutId })).items.map((span) => span.name);
      if (names.join() !== [own, own].join())
        wrong.push(`rollout ${rolloutId} has spans ${names.join()} instead of two of ${own}`);
    }
  }
  wrong.push(...(await store.problems()).map(({ message }) => message));
  store.close();
  const storage = new IndexedDbStorage(name);
  wrong.push(...(await auditStorage(storage)));
  storage.close();
  return wrong;
}

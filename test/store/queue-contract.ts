import type { StoreChange } from "../../src/store/access.ts";
import { attemptsOf, latestAttempt } from "../../src/store/attempts.ts";
import { liveQuery } from "../../src/store/changes.ts";
import { TransactionalStore } from "../../src/store/lightning-store.ts";
import type { Resource, RolloutConfig, RolloutStatus } from "../../src/store/lightning-records.ts";
import type { RolloutSpan } from "../../src/store/rollout-queue.ts";
import { agenticUpdate } from "./agentic-batch.ts";
import { expectCode, expectSame, makeRun, type OpenStorage } from "./contract.ts";

/** A store with a clock of its own; every look at it takes a millisecond. */
function clocked(open: OpenStorage, watchInterval = 0) {
  const clock = { time: 1_000_000 };
  const store = new TransactionalStore(open(), { now: () => ++clock.time, watchInterval });
  const pass = (milliseconds: number): void => {
    clock.time += milliseconds;
  };
  return { store, queue: store.queue, clock, pass };
}

const span = (
  rolloutId: string,
  attemptId: string,
  spanId: string,
  sequence: number | null = null,
  name = "note",
): RolloutSpan => ({
  spanId,
  traceId: "t",
  parentId: null,
  rolloutId,
  attemptId,
  sequence,
  name,
  status: "ok",
  startTime: 1,
  endTime: 2,
  attributes: {},
});

const retrying: Partial<RolloutConfig> = { maxAttempts: 2, retryOn: ["failed", "timeout", "unresponsive"] };

/** A rollout that was taken: its id and its attempt's. */
async function taken({ queue }: ReturnType<typeof clocked>, config: Partial<RolloutConfig> = {}) {
  const [rollout] = await queue.enqueue([{ task: "t", config }]);
  const [work] = await queue.dequeue({ workerId: "w" });
  expectSame(work?.rollout.id, rollout!.id, "taken");
  return { id: rollout!.id, attemptId: work!.attempt.id };
}

/** Statuses of the rollout and its attempts. */
async function states({ queue }: ReturnType<typeof clocked>, id: string): Promise<string[]> {
  const rollout = (await queue.get(id))!;
  return [rollout.status, ...attemptsOf(rollout).map(({ status }) => status)];
}

type Case = (open: OpenStorage) => Promise<void>;

/** The behaviours of Agent Lightning's store (tests/store/test_core.py) as cases of our own, for every storage. */
export const queueContract: Readonly<Record<string, Case>> = {
  async "hands out rollouts first in, first out, each once"(open) {
    const it = clocked(open);
    const { queue } = it;
    expectSame(await queue.dequeue(), [], "empty");
    const made = await queue.enqueue(["a", "b", "c", "d"].map((task) => ({ task, mode: "train" as const })));
    expectSame(
      made.map(({ status, attempts, task }) => [status, attempts, task]),
      ["a", "b", "c", "d"].map((task) => ["queuing", 0, task]),
      "queuing, no attempt",
    );
    expectSame(await queue.dequeue({ limit: 0 }), [], "none asked for");
    await queue.update(made[1]!.id, { status: "cancelled" });
    const first = await queue.dequeue({ limit: 2 });
    expectSame(
      first.map(({ rollout, attempt }) => [rollout.task, rollout.status, attempt.sequence, attempt.status]),
      [
        ["a", "preparing", 1, "preparing"],
        ["c", "preparing", 1, "preparing"],
      ],
      "in order, without the cancelled one",
    );
    const [a, b] = await Promise.all([queue.dequeue({ limit: 5 }), queue.dequeue({ limit: 5 })]);
    expectSame(
      [...a, ...b].map(({ rollout }) => rollout.task),
      ["d"],
      "the rest, once",
    );
    const many = await queue.enqueue(Array.from({ length: 150 }, (_, task) => ({ task })));
    const parts = await Promise.all(Array.from({ length: 15 }, () => queue.dequeue({ limit: 10 })));
    const ids = parts.flat().map(({ rollout }) => rollout.id);
    expectSame([...ids].sort(), many.map(({ id }) => id).sort(), "150 among 15, no one twice");
  },

  async "serves callers at the same time as if one came after the other"(open) {
    const it = clocked(open);
    const { queue, store } = it;
    const asked = await Promise.all(
      Array.from({ length: 20 }, (_, caller) =>
        queue.enqueue([{ task: [caller, 0] }, { task: [caller, 1] }, { id: "same", task: "same" }]),
      ),
    );
    expectSame(new Set(asked.flat().map(({ id }) => id)).size, 41, "two of each, and one of all");
    expectSame((await store.statistics()).rollouts, 41, "counted");
    expectSame(
      asked.every(([first, second]) => first!.number + 1 === second!.number),
      true,
      "each call's own in a row",
    );

    const { rollout, attempt } = await queue.start({ task: "spans" });
    const added = await Promise.all(
      Array.from({ length: 20 }, (_, caller) =>
        queue.addSpans([span(rollout.id, attempt.id, `s${caller}`), span(rollout.id, attempt.id, "same")]),
      ),
    );
    const kept = added.flat().filter((one) => one !== null);
    expectSame(
      [kept.length, new Set(kept.map(({ sequence }) => sequence)).size],
      [21, 21],
      "every span once, no sequence id twice",
    );

    const { resources } = store;
    const prompt = { p: { type: "prompt_template", template: "x", engine: "f-string" } } as const;
    const versions = await Promise.all(Array.from({ length: 10 }, () => resources.update("r", prompt)));
    expectSame(
      versions.map(({ version }) => version).sort((a, b) => a - b),
      Array.from({ length: 10 }, (_, i) => i + 1),
      "versions",
    );

    const late = await queue.start({ task: "late", config: { timeout: 1, ...retrying } });
    it.clock.time += 10_000;
    const looks = await Promise.all(Array.from({ length: 5 }, () => queue.dequeue({ limit: 100 })));
    const again = looks.flat().filter((work) => work.rollout.id === late.rollout.id);
    expectSame(
      again.map((work) => work.attempt.sequence),
      [2],
      "ended and tried again once, however many look",
    );
  },

  async "creates a rollout once for a caller's id"(open) {
    const { queue, store } = clocked(open);
    const [first] = await queue.enqueue([{ id: "mine", task: 1 }]);
    const again = await queue.enqueue([
      { id: "mine", task: 2 },
      { id: "mine/7", task: 3 },
      { id: "mine/7", task: 4 },
    ]);
    expectSame(again[0], first, "as it was");
    expectSame(again[2], again[1], "within one call");
    expectSame((await queue.get("mine/7"))?.task, 3, "an id with a slash");
    const started = await queue.start({ id: "mine", task: 5 });
    expectSame(started.rollout.task, 1, "started");
    expectSame((await queue.start({ id: "mine", task: 5 })).attempt.id, started.attempt.id, "one attempt");
    expectSame((await store.statistics()).rollouts, 2, "counted once");
    expectSame(await queue.get("none"), undefined, "none");
    expectSame(await queue.get("outside/0"), undefined, "its place is not its id");
  },

  async "tries again where the configuration says so, and no more often"(open) {
    const it = clocked(open);
    const { id, attemptId } = await taken(it, retrying);
    await it.queue.updateAttempt(id, attemptId, { status: "failed" });
    expectSame(await states(it, id), ["requeuing", "failed"], "first");
    expectSame((await it.queue.get(id))?.endTime, null, "not finished");
    const [second] = await it.queue.dequeue();
    expectSame([second?.rollout.id, second?.attempt.sequence], [id, 2], "second attempt");
    await it.queue.updateAttempt(id, "latest", { status: "timeout" });
    expectSame(await states(it, id), ["failed", "failed", "timeout"], "no third");
    const rollout = (await it.queue.get(id))!;
    expectSame(latestAttempt(rollout)?.endTime, null, "nobody saw the end of a timeout");
    expectSame([rollout.endTime !== null, rollout.reason], [true, "timeout"], "ended");
    expectSame(await it.queue.dequeue(), [], "queue");
    const other = await taken(it, { maxAttempts: 5, retryOn: ["timeout"] });
    await it.queue.updateAttempt(other.id, "latest", { status: "failed" });
    expectSame(await states(it, other.id), ["failed", "failed"], "not on failure");
  },

  async "makes attempts by hand beyond the limit, and only the latest counts"(open) {
    const it = clocked(open);
    const { id, attemptId } = await taken(it);
    const second = await it.queue.startAttempt(id, "w2");
    const third = await it.queue.startAttempt(id);
    expectSame([second.attempt.sequence, third.attempt.sequence], [2, 3], "numbers");
    await it.queue.updateAttempt(id, attemptId, { status: "failed" });
    await it.queue.addSpans([span(id, second.attempt.id, "s")]);
    expectSame(await states(it, id), ["preparing", "failed", "running", "preparing"], "older ones");
    await it.queue.updateAttempt(id, "latest", { status: "succeeded" });
    expectSame(await states(it, id), ["succeeded", "failed", "running", "succeeded"], "the latest");
    await expectCode(it.queue.startAttempt("none"), "store/unknown-rollout");
    await expectCode(it.queue.updateAttempt(id, "none", {}), "store/unknown-attempt");
    await it.queue.startAttempt(id);
    expectSame((await it.queue.get(id))?.status, "preparing", "begun again");
  },

  async "takes spans for signs of life"(open) {
    const it = clocked(open);
    const { id, attemptId } = await taken(it);
    await it.queue.addSpans([span(id, attemptId, "1")]);
    expectSame(await states(it, id), ["running", "running"], "first span");
    const before = latestAttempt((await it.queue.get(id))!)!.lastHeartbeat!;
    await it.queue.addSpans([span(id, attemptId, "2")]);
    const after = latestAttempt((await it.queue.get(id))!)!.lastHeartbeat!;
    expectSame(after > before, true, "heartbeat");
    expectSame(await it.queue.addSpans([span(id, attemptId, "2", 9)]), [null], "a duplicate");
    expectSame(latestAttempt((await it.queue.get(id))!)!.lastHeartbeat, after, "is no sign of life");
    await it.queue.updateAttempt(id, attemptId, { status: "unresponsive" });
    expectSame(await states(it, id), ["failed", "unresponsive"], "given up on");
    await it.queue.addSpans([span(id, attemptId, "3")]);
    expectSame(await states(it, id), ["failed", "running"], "back");
    await it.queue.updateAttempt(id, attemptId, { status: "timeout" });
    await it.queue.addSpans([span(id, attemptId, "4")]);
    expectSame(await states(it, id), ["failed", "timeout"], "a timeout stays");
    await it.queue.updateAttempt(id, attemptId, { status: "succeeded" });
    expectSame(await states(it, id), ["succeeded", "succeeded"], "unless its end is told");
    await expectCode(it.queue.updateAttempt(id, attemptId, { status: "failed" }), "store/transition");
  },

  async "lets an attempt recover while its rollout waits for the next"(open) {
    const it = clocked(open);
    for (const [end, expected] of [
      ["running", ["running", "running"]],
      ["succeeded", ["succeeded", "succeeded"]],
      ["failed", ["requeuing", "failed"]],
    ] as const) {
      const { id, attemptId } = await taken(it, retrying);
      await it.queue.updateAttempt(id, attemptId, { status: "unresponsive" });
      expectSame(await states(it, id), ["requeuing", "unresponsive"], "waits");
      if (end === "running") await it.queue.addSpans([span(id, attemptId, "s")]);
      else await it.queue.updateAttempt(id, attemptId, { status: end });
      expectSame(await states(it, id), expected, end);
      expectSame((await it.queue.dequeue()).length, end === "failed" ? 1 : 0, `queue after ${end}`);
    }
    const late = await taken(it, retrying);
    await it.queue.updateAttempt(late.id, late.attemptId, { status: "unresponsive" });
    await it.queue.dequeue();
    await it.queue.addSpans([span(late.id, late.attemptId, "s")]);
    await it.queue.updateAttempt(late.id, late.attemptId, { status: "succeeded" });
    expectSame(await states(it, late.id), ["preparing", "succeeded", "preparing"], "too late to count");
  },

  async "ends attempts that miss their time limits"(open) {
    const it = clocked(open);
    const slow = await taken(it, { timeout: 1000 });
    const silent = await taken(it, { unresponsive: 500, timeout: 100_000, ...retrying });
    const free = await taken(it);
    it.pass(400);
    await it.queue.addSpans([span(slow.id, slow.attemptId, "a"), span(silent.id, silent.attemptId, "b")]);
    expectSame((await it.store.workers.get("w"))?.status, "busy", "busy");
    it.pass(450);
    expectSame(await states(it, silent.id), ["running", "running"], "from the last heartbeat");
    it.pass(200);
    expectSame(await states(it, slow.id), ["failed", "timeout"], "from the start, whatever it says");
    expectSame(await states(it, silent.id), ["requeuing", "unresponsive"], "silent");
    expectSame(await states(it, free.id), ["preparing", "preparing"], "without limits");
    it.pass(1e9);
    const [again] = await it.queue.dequeue();
    expectSame([again?.rollout.id, again?.attempt.sequence], [silent.id, 2], "another attempt");
    await it.queue.update(silent.id, { status: "cancelled" });
    it.pass(1e9);
    expectSame((await states(it, silent.id))[0], "cancelled", "a cancelled one is left alone");
  },

  async "looks for missed limits once an interval"(open) {
    const it = clocked(open, 10_000);
    const { id } = await taken(it, { timeout: 100 });
    it.pass(5000);
    expectSame(await states(it, id), ["preparing", "preparing"], "it has looked already");
    it.pass(6000);
    expectSame(await states(it, id), ["failed", "timeout"], "after the interval");
  },

  async "numbers spans over all attempts of a rollout"(open) {
    const it = clocked(open);
    const { id, attemptId } = await taken(it);
    const other = await taken(it);
    expectSame(await it.queue.nextSequences([id, other.id, id, id]), [1, 1, 2, 3], "in order of asking");
    await it.queue.addSpans([span(id, attemptId, "a", 100)]);
    expectSame(await it.queue.nextSequences([id]), [101], "after an explicit one");
    await it.queue.addSpans([span(id, attemptId, "b", 5)]);
    const [kept] = await it.queue.addSpans([span(id, attemptId, "c")]);
    expectSame(kept?.sequence, 102, "without one");
    expectSame(await it.queue.nextSequences(["ghost"]), [1], "unknown");
    expectSame(await it.queue.nextSequences(["ghost"]), [2], "unknown, again");
    await it.store.commit({ run: makeRun("r", { kind: "agentic" }), ...agenticUpdate("r", 1, 2) });
    expectSame(await it.queue.nextSequences(["r/1"]), [3], "after the spans of a training run");
  },

  async "keeps a span once within its attempt, and none of unknown ones"(open) {
    const it = clocked(open);
    const { id, attemptId } = await taken(it);
    const second = await it.queue.startAttempt(id);
    const other = await taken(it);
    const same = [
      span(id, attemptId, "x"),
      span(id, second.attempt.id, "x"),
      span(other.id, other.attemptId, "x"),
    ];
    expectSame((await it.queue.addSpans(same)).every(Boolean), true, "the same id in three attempts");
    await it.store.seal("outside");
    const again = await new TransactionalStore(open()).queue.addSpans(same);
    expectSame(again, [null, null, null], "again, from a segment");
    await expectCode(it.queue.addSpans([span(id, "ghost", "y")]), "store/unknown-attempt");
    const mixed = [span(id, attemptId, "z"), span("ghost", attemptId, "z")];
    await expectCode(it.queue.addSpans(mixed), "store/unknown-rollout");
    const found = await it.store.findSpans({ rolloutId: id });
    expectSame(
      found.items.map((item) => [item.spanId, item.attemptId]),
      [
        ["x", attemptId],
        ["x", second.attempt.id],
      ],
      "all or nothing",
    );
  },

  async "gives resources versions, each set its own"(open) {
    const { store, queue, clock } = clocked(open);
    const { resources } = store;
    const prompt = (template: string) => ({
      p: { type: "prompt_template", template, engine: "f-string" } as const,
    });
    expectSame(await resources.latest(), undefined, "none");
    const first = await resources.add(prompt("one"));
    const second = await resources.update(first.id, prompt("two"));
    expectSame([first.version, second.version], [1, 2], "versions");
    expectSame(second.createTime, first.createTime, "created once");
    expectSame(second.updateTime > first.updateTime, true, "updated");
    const own = await resources.update("own", prompt("three"));
    expectSame([own.version, (await resources.latest())?.id], [1, "own"], "made by an update");
    await resources.update(first.id, prompt("four"));
    expectSame((await resources.latest())?.id, first.id, "the latest follows updates");
    const [rollout] = await queue.enqueue([{ task: 1 }]);
    expectSame(rollout?.resourcesId, first.id, "frozen in at the queue");
    expectSame((await queue.enqueue([{ task: 1, resourcesId: "later" }]))[0]?.resourcesId, "later", "given");
    expectSame(await resources.get(first.id, 2), second, "an older version");
    expectSame(
      (await resources.versions(first.id)).map(({ version }) => version),
      [1, 2, 3],
      "history",
    );
    const page = await resources.find({ sortBy: "version", sortOrder: "desc", limit: 1 });
    expectSame([page.items[0]?.id, page.total], [first.id, 2], "found");
    const kept = await resources.keep("run code", prompt("x"), "r");
    expectSame(
      (await resources.keep("run code", prompt("x"), "r")).version,
      kept.version,
      "the same is kept",
    );
    expectSame((await resources.keep("run code", prompt("y"), "r")).version, 2, "another is a version");
    const captured = (...values: unknown[]): Record<string, Resource> => ({
      agent: {
        type: "code",
        role: "agent",
        source: "",
        constants: { big: 1n, map: new Map([["a", values]]) },
      },
    });
    const versions: number[] = [];
    for (const constants of [captured(1), captured(1), captured(2), captured(Number.NaN), captured(-0)])
      versions.push((await resources.keep("captured", constants, "r")).version);
    expectSame(versions, [1, 1, 2, 3, 4], "whatever code may capture is compared");
    expectSame((await resources.latest())?.id, first.id, "a run's own record is not for rollouts");
    expectSame(clock.time > 0, true, "clock");
  },

  async "remembers workers"(open) {
    const it = clocked(open);
    const { workers } = it.store;
    expectSame(await workers.get("w"), undefined, "none");
    await it.queue.dequeue({ workerId: "w" });
    const idle = (await workers.get("w"))!;
    expectSame(
      [idle.status, idle.lastDequeue !== null, idle.lastIdle !== null],
      ["idle", true, true],
      "in vain",
    );
    const { id, attemptId } = await taken(it);
    const busy = (await workers.get("w"))!;
    expectSame([busy.status, busy.rolloutId, busy.attemptId], ["busy", id, attemptId], "busy");
    const beat = await workers.heartbeat("w", { cpu: 1 });
    expectSame(
      [beat.status, beat.heartbeatStats, beat.lastBusy],
      ["busy", { cpu: 1 }, busy.lastBusy],
      "heartbeat",
    );
    expectSame((await workers.heartbeat("w")).heartbeatStats, { cpu: 1 }, "says nothing new");
    await it.queue.updateAttempt(id, attemptId, { status: "succeeded" });
    const done = (await workers.get("w"))!;
    expectSame([done.status, done.rolloutId, done.attemptId], ["idle", null, null], "idle");
    const lost = await taken(it);
    await it.queue.updateAttempt(lost.id, "latest", { status: "timeout" });
    expectSame((await workers.get("w"))?.status, "unknown", "after a timeout");
    const silent = await taken(it);
    await it.queue.updateAttempt(silent.id, "latest", { status: "unresponsive" });
    expectSame((await workers.get("w"))?.status, "unknown", "silent");
    await it.queue.addSpans([span(silent.id, silent.attemptId, "1")]);
    const heard = (await workers.get("w"))!;
    expectSame([heard.status, heard.attemptId], ["busy", silent.attemptId], "heard of again");
    await it.queue.updateAttempt(silent.id, "latest", { status: "timeout" });
    await it.queue.start({ task: 1 }, "v");
    const page = await workers.find({ filter: { status: { within: ["busy"] } } });
    expectSame([page.items.map((worker) => worker.id), page.total], [["v"], 1], "found");
    const both = await workers.find({
      filter: { status: { exact: "busy" }, id: { contains: "w" } },
      logic: "or",
      sortBy: "id",
      sortOrder: "desc",
    });
    expectSame(
      both.items.map((worker) => worker.id),
      ["w", "v"],
      "either",
    );
  },

  async "waits for rollouts, here and in other tabs"(open) {
    const { queue } = new TransactionalStore(open());
    const rollouts = await queue.enqueue([{ task: 1 }, { task: 2 }]);
    const [a, b] = rollouts.map(({ id }) => id) as [string, string];
    expectSame(await queue.waitFor([a, "ghost"], { timeout: 0 }), [], "none yet");
    expectSame(await queue.waitFor([]), [], "nothing asked for");
    const both = queue.waitFor([b, a]);
    const one = queue.waitFor([a]);
    await queue.update(a, { status: "succeeded" });
    expectSame(
      (await one).map(({ id }) => id),
      [a],
      "one",
    );
    expectSame(
      (await queue.waitFor([a, b, "ghost"], { timeout: 20 })).map(({ id }) => id),
      [a],
      "by then",
    );
    await queue.update(b, { status: "cancelled" });
    expectSame(
      (await both).map(({ id }) => id),
      [b, a],
      "both, in the order asked",
    );
    expectSame((await queue.waitFor([a, b])).length, 2, "finished already");
    expectSame(await queue.waitFor(["ghost"]), [], "not waited for");
    expectSame((await queue.waitFor(["ghost", a, b])).length, 2, "nor beside others");
    const [open3] = await queue.enqueue([{ task: 3 }]);
    const abort = new AbortController();
    const endless = queue.waitFor([open3!.id], { signal: abort.signal });
    abort.abort();
    expectSame(await endless, [], "until told");
  },

  async "keeps a feed of finished rollouts"(open) {
    const it = clocked(open);
    const { queue, store } = it;
    expectSame(await queue.finished(), { items: [], nextAfter: 0, total: 0 }, "empty");
    const { id, attemptId } = await taken(it);
    await queue.updateAttempt(id, attemptId, { status: "succeeded" });
    await store.commit({ run: makeRun("r", { kind: "agentic" }), ...agenticUpdate("r", 1, 5) });
    await store.commit(agenticUpdate("r", 1, 5));
    const [second] = await queue.enqueue([{ task: 2 }]);
    await queue.update(second!.id, { status: "cancelled" });
    const ids = ({ items }: { items: readonly { rolloutId: string }[] }) =>
      items.map((item) => item.rolloutId);
    const all = await queue.finished();
    const run = Array.from({ length: 5 }, (_, i) => `r/${i}`);
    expectSame(ids(all), [id, ...run, second!.id], "in order, once");
    expectSame([all.nextAfter, all.total], [7, 7], "cursor");
    let after = 0;
    const pages: string[] = [];
    for (let i = 0; i < 4; i++) {
      const page = await queue.finished({ after, limit: 2 });
      pages.push(...ids(page));
      after = page.nextAfter;
    }
    expectSame(pages, ids(all), "in pages");
    expectSame(ids(await queue.finished({ after: 99 })), [], "past the end");
    await store.deleteRun("r");
    const left = await queue.finished({ after: 3 });
    expectSame(
      [ids(left), left.nextAfter, left.total],
      [[second!.id], 7, 7],
      "the deleted keep their places",
    );
  },

  async "finds rollouts by any field, with pages and totals"(open) {
    const it = clocked(open);
    const { store, queue } = it;
    await store.commit({ run: makeRun("r", { kind: "agentic" }), ...agenticUpdate("r", 1, 40) });
    const made = await queue.enqueue(
      Array.from({ length: 6 }, (_, i) => ({ id: `out-${i}`, task: i, mode: "evaluation" as const })),
    );
    await queue.update("out-2", { status: "failed" });
    await queue.update("out-4", { status: "succeeded" });
    const find = async (query: Parameters<typeof store.findRollouts>[0]): Promise<[string[], number]> => {
      const { items, total } = await store.findRollouts(query);
      return [items.map((item) => item.id), total];
    };
    const status = (...within: RolloutStatus[]) => ({ status: { within } });
    expectSame(await find({ filter: status("failed") }), [["out-2"], 1], "status");
    const either = { filter: { ...status("failed"), id: { exact: "r/3" } }, logic: "or" as const };
    expectSame(await find(either), [["out-2", "r/3"], 2], "either");
    expectSame(await find({ ...either, logic: "and" }), [[], 0], "both");
    expectSame(
      await find({ filter: { id: { contains: "ut-" } }, offset: 4, limit: 9 }),
      [["out-4", "out-5"], 6],
      "contains",
    );
    expectSame(await find({ limit: 2, offset: 5 }), [["out-5", "r/0"], 46], "a page over two runs");
    expectSame(await find({ offset: 90 }), [[], 46], "past the end");
    expectSame(
      (await find({ runId: "r", limit: 3, sortOrder: "desc" }))[0],
      ["r/39", "r/38", "r/37"],
      "newest",
    );
    const best = await find({ runId: "r", sortBy: "reward", sortOrder: "desc", limit: 2 });
    expectSame(best, [["r/4", "r/9"], 40], "the best");
    const ends = await find({ filter: { id: { contains: "out" } }, sortBy: "endTime", limit: 3 });
    expectSame(ends[0], ["out-2", "out-4", "out-0"], "a missing time is the latest");
    const low = { reward: { atLeast: 0.5, atMost: 0.8 } };
    expectSame((await find({ runId: "r", filter: low }))[1], 16, "between");
    await expectCode(store.findRollouts({ limit: 0 }), "store/invalid-query");
    await expectCode(store.findRollouts({ offset: -1 }), "store/invalid-query");
    expectSame(made.length, 6, "made");
  },

  async "finds runs and attempts as it finds rollouts, and counts their versions"(open) {
    const { store, queue } = clocked(open);
    for (const [id, name, seed] of [
      ["01", "pole", 3],
      ["02", "cart and pole", 1],
      ["03", "words", 2],
    ] as const)
      await store.commit({ run: makeRun(id, { name, seed, status: "running" }) });
    await store.commit({ run: makeRun("02", { name: "cart and pole", seed: 1, status: "failed" }) });
    const runs = async (query: Parameters<typeof store.findRuns>[0]) => {
      const { items, total } = await store.findRuns(query);
      return [...items.map(({ id }) => id), total];
    };
    expectSame(await runs({}), ["01", "02", "03", 3], "all, in the order of creation");
    expectSame(await runs({ sortBy: "seed", limit: 2 }), ["02", "03", 3], "the first by seed");
    expectSame(await runs({ sortOrder: "desc", limit: 1, offset: 1 }), ["02", 3], "a page");
    expectSame(await runs({ filter: { name: { contains: "pole" } } }), ["01", "02", 2], "contains");
    const either = { status: { exact: "failed" }, seed: { atLeast: 3 } };
    expectSame(await runs({ filter: either, logic: "or" }), ["01", "02", 2], "either");
    expectSame(await runs({ filter: either }), [0], "both");
    expectSame(
      (await store.runs()).map(({ id, version }) => [id, version ?? 1]),
      [
        ["03", 1],
        ["02", 2],
        ["01", 1],
      ],
      "newest first, with versions",
    );
    const { rollout, attempt } = await queue.start({ task: 1, runId: "01" }, "w");
    expectSame(attempt.version, 1, "an attempt's first");
    await queue.updateAttempt(rollout.id, "latest", { lastHeartbeat: 7 });
    await queue.updateAttempt(rollout.id, "latest", { status: "failed" });
    await queue.startAttempt(rollout.id, "v");
    const other = await queue.start({ task: 2, runId: "03" });
    await store.commit({
      run: makeRun("04", { kind: "agentic" }),
      rollouts: agenticUpdate("04", 1, 3).rollouts,
    });
    const attempts = async (query: Parameters<typeof store.findAttempts>[0]) => {
      const { items, total } = await store.findAttempts(query);
      return [items.map((each) => `${each.rolloutId}: ${each.sequence} ${each.status}`), total];
    };
    const [one, two] = [rollout.id, other.rollout.id];
    expectSame(
      await attempts({ rolloutId: one }),
      [[`${one}: 1 failed`, `${one}: 2 preparing`], 2],
      "of a rollout",
    );
    expectSame((await store.findAttempts({ rolloutId: one })).items[0]?.version, 3, "versions");
    expectSame(await attempts({ rolloutId: "ghost" }), [[], 0], "of none");
    expectSame((await store.findAttempts({ runId: "04" })).total, 3, "of a run");
    expectSame((await store.findAttempts({})).total, 6, "of all");
    expectSame(
      await attempts({ filter: { status: { exact: "preparing" } }, sortBy: "workerId", sortOrder: "desc" }),
      [[`${one}: 2 preparing`, `${two}: 1 preparing`], 2],
      "sorted, with a null",
    );
    const late = await store.findAttempts({ sortBy: "lastHeartbeat", limit: 1 });
    expectSame([late.items[0]?.lastHeartbeat, late.total], [7, 6], "times that are missing come last");
  },

  async "finds spans within their rollout"(open) {
    const it = clocked(open);
    const { id, attemptId } = await taken(it);
    const other = await taken(it);
    const names = ["tool", "reward", "tool call"];
    await it.queue.addSpans(names.map((name, i) => span(id, attemptId, `s${i}`, 3 - i, name)));
    const second = await it.queue.startAttempt(id);
    await it.queue.addSpans([span(id, second.attempt.id, "s9"), span(other.id, other.attemptId, "s1")]);
    const find = async (query: object): Promise<string[]> =>
      (await it.store.findSpans({ rolloutId: id, ...query })).items.map((item) => item.spanId);
    expectSame(await find({}), ["s2", "s1", "s0", "s9"], "by sequence");
    expectSame(await find({ attemptId: "latest" }), ["s9"], "of the latest attempt");
    expectSame(await find({ filter: { name: { contains: "tool" } } }), ["s2", "s0"], "contains");
    const or = { filter: { name: { exact: "reward" }, spanId: { exact: "s9" } }, logic: "or" };
    expectSame(await find(or), ["s1", "s9"], "either");
    expectSame(await find({ sortBy: "name", offset: 1, limit: 2 }), ["s1", "s0"], "by name");
    expectSame((await it.store.findSpans({ rolloutId: "ghost" })).total, 0, "unknown rollout");
  },

  async "counts without reading rollouts"(open) {
    const it = clocked(open);
    const first = await taken(it, retrying);
    await it.queue.addSpans([span(first.id, first.attemptId, "a"), span(first.id, first.attemptId, "b")]);
    await it.queue.updateAttempt(first.id, "latest", { status: "failed" });
    await it.queue.dequeue();
    await it.queue.updateAttempt(first.id, "latest", { status: "succeeded" });
    await it.queue.update(first.id, { reward: 0.5, metadata: { z: 1 } });
    await it.queue.enqueue([{ task: 1 }]);
    const { spans, rollouts, attempts, statuses, rewards } = await it.store.statistics("outside");
    expectSame([spans, rollouts, attempts], [2, 2, 2], "totals");
    expectSame([statuses.succeeded, statuses.queuing, statuses.requeuing], [1, 1, 0], "by status");
    expectSame(rewards, { none: { count: 1, sum: 0.5 } }, "rewards");
    expectSame((await it.queue.get(first.id))?.version, 8, "a version for every change");
    await it.store.deleteRun("outside");
    expectSame((await it.store.statistics()).rollouts, 0, "after deleting");
    expectSame(await it.queue.get(first.id), undefined, "gone");
    const [again] = await it.queue.enqueue([{ id: first.id, task: 2 }]);
    expectSame([again?.task, (await it.queue.dequeue()).length], [2, 1], "its id is free again");
  },

  async "follows what others write"(open) {
    const store = new TransactionalStore(open());
    const counts: number[] = [];
    let wake: () => void = () => undefined;
    const stop = liveQuery(store, {
      read: async () => (await store.findRollouts({ runId: "outside" })).total,
      concerns: ({ kinds }: StoreChange) => kinds.includes("rollouts"),
      onResult: (count) => {
        counts.push(count);
        wake();
      },
    });
    const until = async (count: number): Promise<void> => {
      while (counts.at(-1) !== count) await new Promise<void>((resolve) => (wake = resolve));
    };
    await until(0);
    await store.queue.enqueue([{ task: 1 }, { task: 2 }]);
    await until(2);
    await store.deleteRun("outside");
    await until(0);
    stop();
    await store.queue.enqueue([{ task: 3 }]);
    expectSame(counts.at(-1), 0, "stopped");
  },
};

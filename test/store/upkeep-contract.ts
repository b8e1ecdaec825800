import { TransactionalStore } from "../../src/store/lightning-store.ts";
import type { Span } from "../../src/store/records.ts";
import { addStatistics, noStatistics, statisticsOf } from "../../src/store/statistics.ts";
import { agenticUpdate, makeRollout, rolloutSpans } from "./agentic-batch.ts";
import { checkWhole } from "./audit.ts";
import { expectCode, expectSame, makeRun, updates, type OpenStorage } from "./contract.ts";

const longText = (spans: readonly Span[]): Span[] =>
  spans.map((span, i) =>
    i % 3 === 0 ? { ...span, attributes: { ...span.attributes, note: `${span.spanId} `.repeat(40) } } : span,
  );

/** Updates of eight rollouts each, with tokens and long texts, sealed one by one; the last stay in the tail. */
export async function smallSegments(store: TransactionalStore, runId: string, count: number): Promise<void> {
  await store.commit({ run: makeRun(runId, { kind: "agentic" }) });
  for (let update = 1; update <= count; update++) {
    const { rollouts, spans } = agenticUpdate(runId, update, 8);
    await store.commit({ rollouts, spans: longText(spans) });
    if (update < count) await store.seal(runId);
  }
}

export const upkeepContract: Readonly<Record<string, (open: OpenStorage) => Promise<void>>> = {
  async "joins small segments, and every reader finds the same"(open) {
    const [storage, store, other] = [open(), new TransactionalStore(open()), new TransactionalStore(open())];
    await smallSegments(store, "r", 6);
    expectSame(await checkWhole(storage, "r"), 10, "segments");
    const before = await other.spans({ runId: "r" });
    const rollout = await other.spans({ runId: "r", rolloutId: "r/9" });
    // The other tab knows the ids of some segments now, and of the rest which segments they are in.
    await other.commit({ spans: longText(agenticUpdate("r", 1, 8).spans).slice(0, 3) });
    await store.compact("r");
    expectSame(await checkWhole(storage, "r"), 2, "joined");
    for (const each of [other, store, new TransactionalStore(open())]) {
      expectSame(await each.spans({ runId: "r" }), before, "spans");
      expectSame(await each.spans({ runId: "r", rolloutId: "r/9" }), rollout, "of a rollout");
      await each.commit({ spans: longText(agenticUpdate("r", 2, 8).spans) });
    }
    expectSame(await store.spans({ runId: "r" }), before, "still once");
    await Promise.all([store.compact("r"), other.compact("r")]);
    expectSame(await checkWhole(storage, "r"), 2, "nothing left to join");
  },

  async "joins by itself when a run ends, and now and then before"(open) {
    const [storage, store] = [open(), new TransactionalStore(open())];
    await smallSegments(store, "r", 3);
    await store.commit({ run: makeRun("r", { kind: "agentic", status: "succeeded" }) });
    expectSame(await checkWhole(storage, "r"), 2, "at the end");
    await store.commit({ run: makeRun("long") });
    for (let i = 0; i < 20; i++) {
      await store.commit({ spans: updates("long", 20 * i + 1, 20 * i + 20) });
      await store.seal("long");
    }
    await store.commit({ spans: updates("long", 401, 402) });
    expectSame((await checkWhole(storage, "long")) < 8, true, "now and then");
    const found = (await store.spans({ runId: "long" })).map(({ attributes }) => attributes["update"]);
    expectSame(
      found,
      Array.from({ length: 402 }, (_, i) => i + 1),
      "in order",
    );
  },

  async "deletes rollouts out of every segment, and all figures follow"(open) {
    const [storage, store, other] = [open(), new TransactionalStore(open()), new TransactionalStore(open())];
    await smallSegments(store, "r", 6);
    await store.compact("r");
    await store.commit(agenticUpdate("r", 7, 8));
    const all = await other.spans({ runId: "r" });
    await other.spans({ runId: "r", rolloutId: "r/17" });
    const told: unknown[] = [];
    store.subscribe((change) => told.push(change));
    // One of many, all of a sealed stretch, some of the tail, one that was never there.
    const gone = [3, 16, 17, 18, 19, 20, 21, 22, 23, 41, 55, 999];
    expectSame(await store.deleteRollouts("r", gone), 11, "how many");
    expectSame(told, [{ runId: "r", kinds: ["rollouts", "spans"], removed: true }], "told");
    const ids = new Set(gone.map((number) => `r/${number}`));
    const left = all.filter(({ rolloutId }) => rolloutId === null || !ids.has(rolloutId));
    await checkWhole(storage, "r");
    for (const each of [store, other, new TransactionalStore(open())]) {
      expectSame(await each.spans({ runId: "r" }), left, "spans");
      expectSame(await each.spans({ runId: "r", rolloutId: "r/17" }), [], "of a rollout");
      const rollouts = await each.rollouts({ runId: "r" });
      expectSame(rollouts.length, 45, "rollouts");
      const figures = rollouts.reduce((sum, row) => addStatistics(sum, statisticsOf(row)), {
        ...noStatistics,
        spans: left.length,
      });
      expectSame(await each.statistics("r"), figures, "statistics");
      expectSame((await each.queue.finished()).items.length, 45, "feed");
    }
    // A trainer that makes one of them again brings it back whole.
    await other.commit({
      rollouts: [makeRollout("r", 17, 3)],
      spans: longText(agenticUpdate("r", 3, 8).spans),
    });
    expectSame((await store.spans({ runId: "r", rolloutId: "r/17" })).length, 3, "made again");
    await checkWhole(storage, "r");
  },

  async "drops a segment whose rollouts all go, though it cannot be read"(open) {
    const [storage, store] = [open(), new TransactionalStore(open())];
    await smallSegments(store, "r", 4);
    const segments = await storage.transaction(["segments"], { mode: "readonly" }, (t) =>
      t.list("segments", "r"),
    );
    const broken = segments.filter(({ value }) => value.rollouts?.none === false).slice(0, 2);
    await storage.transaction(["blobs"], { mode: "readwrite" }, (t) => {
      for (const { key } of broken) t.put("blobs", key, new Uint8Array(9));
      return Promise.resolve();
    });
    const again = new TransactionalStore(open());
    await again.deleteRollouts("r", [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    await again.spans({ runId: "r" });
    expectSame(
      (await again.problems()).map(({ code, segment }) => [code, segment]),
      [["store/corrupt-segment", broken[1]!.value.number]],
      "the other is set aside",
    );
    await checkWhole(storage, "r");
    await again.compact("r");
    expectSame((await again.problems()).length, 1, "and stays so");
    await again.deleteRun("r");
    expectSame(await again.problems(), [], "until the run goes");
  },

  async "does not delete what is under way"(open) {
    const store = new TransactionalStore(open());
    const { id, number, runId } = (await store.queue.start({ task: 1 })).rollout;
    await expectCode(store.deleteRollouts(runId, [number]), "store/rollout-under-way");
    await store.queue.update(id, { status: "cancelled" });
    expectSame(await store.deleteRollouts(runId, [number]), 1, "finished");
    expectSame(await store.queue.get(id), undefined, "gone");
  },

  async "a run about to start keeps its resources while the run before is deleted"(open) {
    const store = new TransactionalStore(open());
    const code = { agent: { type: "code", role: "agent", source: "same", constants: {} } } as const;
    const start = async (id: string, between = async (): Promise<void> => undefined): Promise<void> => {
      const { id: set, version } = await store.resources.keep("cell", code, id);
      await between();
      await store.commit({ run: makeRun(id, { kind: "agentic", resources: { id: set, version } }) });
    };
    await start("a");
    await start("b", () => store.deleteRun("a"));
    expectSame((await store.resources.get("cell", 1))?.resources, code, "still there");
    await store.deleteRun("b");
    expectSame(await store.resources.get("cell"), undefined, "goes with the last");
  },

  async "a deleted run leaves nothing behind that only it had"(open) {
    const [storage, store] = [open(), new TransactionalStore(open())];
    const prompt = (template: string) =>
      ({ p: { type: "prompt_template", template, engine: "f-string" } }) as const;
    const started = async (id: string, template: string): Promise<void> => {
      const { id: set, version } = await store.resources.keep("cell", prompt(template), id);
      const run = makeRun(id, { kind: "agentic", resources: { id: set, version } });
      await store.commit({ run, ...agenticUpdate(id, 1, 8) });
    };
    await started("a", "one");
    await started("b", "two");
    await started("c", "two");
    await started("d", "three");
    const versions = async () => (await store.resources.versions("cell")).map(({ version }) => version);
    expectSame(await versions(), [1, 2, 3], "versions");
    await store.deleteRun("b");
    expectSame(await versions(), [1, 2, 3], "another run has it");
    await store.deleteRun("d");
    expectSame(await versions(), [1, 2], "nobody has it");
    expectSame((await store.resources.get("cell"))?.version, 2, "latest");
    await started("e", "four");
    expectSame((await store.resources.get("cell"))?.version, 4, "no number twice");
    const feed = await store.queue.finished();
    expectSame([feed.items.length, feed.nextAfter, feed.total], [24, 40, 40], "feed");
    for (const id of ["a", "c", "e"]) await store.deleteRun(id);
    expectSame(await store.resources.get("cell"), undefined, "resources");
    const tables = ["tail", "segments", "blobs", "tokens", "rollouts", "finished", "resources"] as const;
    const rows = await storage.transaction(tables, { mode: "readonly" }, (t) =>
      Promise.all(tables.map((table) => t.list(table))),
    );
    expectSame(
      rows.map(({ length }) => length),
      tables.map(() => 0),
      "rows",
    );
  },

  async "a run begun anew is not taken for the one before"(open) {
    const [store, other] = [new TransactionalStore(open()), new TransactionalStore(open())];
    const add = async (label: string): Promise<string> => {
      const { rollout, attempt } = await store.queue.start({ task: label });
      const { id } = rollout;
      const span = rolloutSpans(makeRollout("outside", 1, 1))[2]!;
      const attemptId = attempt.id;
      await store.queue.addSpans([{ ...span, rolloutId: id, attemptId, spanId: "s", sequence: 1 }]);
      await store.seal("outside");
      await store.queue.updateAttempt(id, attemptId, { status: "succeeded" });
      return id;
    };
    const first = await add("one");
    expectSame((await other.spans({ runId: "outside", rolloutId: first })).length, 1, "first");
    await store.deleteRun("outside");
    const second = await add("two");
    expectSame((await other.spans({ runId: "outside", rolloutId: second })).length, 1, "second");
    expectSame((await other.spans({ runId: "outside" })).length, 1, "only");
  },

  async "keeps to a retention by number and by age"(open) {
    const now = 1_000_000;
    const store = new TransactionalStore(open(), { now: () => now });
    const ended = (id: string, updatedAt: number) =>
      store.commit({ run: makeRun(id, { status: "succeeded", updatedAt }), spans: updates(id, 1, 2) });
    await ended("01", 100);
    await ended("02", now - 10);
    await ended("03", now - 10);
    await ended("04", now - 10);
    await store.commit({ run: makeRun("00", { status: "paused", updatedAt: 1 }) });
    const [young] = await store.queue.enqueue([{ task: 1 }]);
    await store.queue.update(young!.id, { status: "cancelled" });
    const ids = async () => (await store.runs()).map(({ id }) => id).filter((id) => id !== "outside");
    expectSame(await store.retain({ age: 500_000 }), { runs: ["01"], rollouts: 0 }, "by age");
    expectSame(await store.retain({ runs: 2 }), { runs: ["02"], rollouts: 0 }, "by number");
    expectSame(await ids(), ["04", "03", "00"], "what stays");
    const later = new TransactionalStore(open(), { now: () => now + 600_000 });
    expectSame(await later.retain({ runs: 9, age: 500_000 }), { runs: ["04", "03"], rollouts: 1 }, "both");
    expectSame(await ids(), ["00"], "what goes on stays");
    expectSame((await store.statistics("outside")).rollouts, 0, "old rollouts from outside");
    expectSame(await store.retain({}), { runs: [], rollouts: 0 }, "no rule");
  },
};

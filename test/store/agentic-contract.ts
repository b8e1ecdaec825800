import { curveColumns } from "../../src/store/curve.ts";
import { TransactionalStore } from "../../src/store/lightning-store.ts";
import type { Checkpoint, Rollout, Span } from "../../src/store/records.ts";
import { chunkKey, type Storage } from "../../src/store/storage.ts";
import { agenticEvaluationSpan } from "../../src/trace/agentic-spans.ts";
import { agenticUpdate, makeRollout, rolloutSpans } from "./agentic-batch.ts";
import { expectCode, expectSame, makeRun, type OpenStorage } from "./contract.ts";

const run = (id: string) => makeRun(id, { kind: "agentic" });

/** By number of the rollout, the run's own first. */
function inOrder(runId: string, spans: readonly Span[]): Span[] {
  const number = ({ rolloutId }: Span): number =>
    rolloutId === null ? -1 : Number(rolloutId.slice(runId.length + 1));
  return [...spans].sort((a, b) => number(a) - number(b) || a.sequence - b.sequence);
}

/** Of a blob's or a chunk's key. */
const segmentOf = (number: number): number =>
  number < chunkKey(0, 0) ? number : (number - chunkKey(0, 0)) / (chunkKey(1, 0) - chunkKey(0, 0));

/** The same storage, telling which blobs are opened. */
function watched(inner: Storage): { storage: Storage; opened: string[] } {
  const opened: string[] = [];
  const storage: Storage = {
    transaction: (tables, options, body) =>
      inner.transaction(tables, options, (transaction) =>
        body({
          ...transaction,
          get: (table, key) => {
            if (table === "blobs" || table === "tokens") opened.push(`${table} ${segmentOf(Number(key[1]))}`);
            return transaction.get(table, key);
          },
        }),
      ),
    estimate: () => inner.estimate(),
    persist: () => inner.persist(),
    close: () => {
      inner.close();
    },
  };
  return { storage, opened };
}

const numbers = (rollouts: readonly Rollout[]): number[] => rollouts.map(({ number }) => number);

/** Cases of agentic runs, for every storage. */
export const agenticContract: Readonly<Record<string, (open: OpenStorage) => Promise<void>>> = {
  async "finds rollouts by mode, update and group, page by page"(open) {
    const store = new TransactionalStore(open());
    const all = Array.from({ length: 2500 }, (_, number) =>
      makeRollout("r", number, 1 + Math.floor(number / 500), {
        mode: number % 500 >= 480 ? "evaluation" : "train",
        group: Math.floor(number / 8),
        ...(number === 7 ? { reward: null, status: "timeout", reason: "timed-out", result: undefined } : {}),
      }),
    );
    await store.commit({ run: run("r"), rollouts: all.slice(1000) });
    await store.commit({ run: run("rr"), rollouts: [makeRollout("rr", 3, 1)] });
    await store.commit({ rollouts: all.slice(0, 1000) });
    const again = new TransactionalStore(open());
    const find = async (query: object) => numbers(await again.rollouts({ runId: "r", ...query }));
    expectSame(await again.rollouts({ runId: "r" }), all, "all");
    expectSame(await find({ group: 3 }), [24, 25, 26, 27, 28, 29, 30, 31], "group");
    const second = all.filter(({ update }) => update === 2);
    expectSame(await find({ update: 2 }), numbers(second), "update");
    const evaluated = all.filter(({ mode }) => mode === "evaluation");
    expectSame(await find({ mode: "evaluation" }), numbers(evaluated), "mode");
    expectSame(
      await find({ mode: "evaluation", update: 3, limit: 5, order: "newest" }),
      [1499, 1498, 1497, 1496, 1495],
      "newest",
    );
    expectSame(
      await find({ mode: "evaluation", order: "newest", limit: 70 }),
      numbers(evaluated).reverse().slice(0, 70),
      "over many rows",
    );
    expectSame(
      await find({ mode: "evaluation", limit: 70 }),
      numbers(evaluated).slice(0, 70),
      "from the start",
    );
    expectSame(await find({ update: 2, group: 62 }), [500, 501, 502, 503], "update and group");
    expectSame(await find({ afterNumber: 2497 }), [2498, 2499], "after");
    expectSame(await find({ limit: 3 }), [0, 1, 2], "first page");
    expectSame(await find({ limit: 3, order: "newest" }), [2499, 2498, 2497], "last page");
    expectSame(
      await find({ limit: 2, order: "newest", beforeNumber: 2 }),
      [1, 0],
      "the page before, to the start",
    );
    expectSame(await find({ limit: 9, order: "newest", beforeNumber: 2 }), [1, 0], "less than a page");
    expectSame(await find({ beforeNumber: 4, afterNumber: 1, order: "newest" }), [3, 2], "between");
    expectSame(await find({ beforeNumber: 0 }), [], "before all");
    const paged: number[] = [];
    for (;;) {
      const beforeNumber = paged.at(-1);
      const page = await find({
        mode: "evaluation",
        order: "newest",
        limit: 30,
        ...(beforeNumber === undefined ? {} : { beforeNumber }),
      });
      if (page.length === 0) break;
      paged.push(...page);
    }
    expectSame(paged, numbers(evaluated).reverse(), "page by page");
    await store.commit({ rollouts: [makeRollout("r", 9, 1, { reward: 0.125, group: 3 })] });
    expectSame((await again.rollouts({ runId: "r", group: 3 }))[0]?.reward, 0.125, "replaced");
    expectSame((await again.rollouts({ runId: "r" })).length, 2500, "not doubled");
    expectSame(await again.rollouts({ runId: "none" }), [], "no such run");
    const bad = { ...makeRollout("r", 2, 1), id: "other" };
    await expectCode(store.commit({ rollouts: [bad] }), "store/invalid-rollout");
    await expectCode(store.commit({ rollouts: [makeRollout("none", 0, 1)] }), "store/unknown-run");
  },

  async "keeps tokens with their spans, in a blob that only their readers open"(open) {
    const { storage, opened } = watched(open());
    const store = new TransactionalStore(storage);
    const { rollouts, spans } = agenticUpdate("r", 1, 20);
    const buffer = new Float32Array(1000).fill(-0.5);
    const view = buffer.subarray(100, 100 + spans[1]!.tokens!.responseIds.length);
    const shared = { ...spans[1]!, tokens: { ...spans[1]!.tokens!, logProbabilities: view } };
    spans[1] = shared;
    const expected = inOrder("r", spans);
    const bare = expected.map((span) => {
      const rest = { ...span } as { tokens?: unknown };
      delete rest.tokens;
      return rest;
    });
    await store.commit({ run: run("r"), rollouts, spans });
    const tail = await store.spans({ runId: "r" });
    expectSame(tail, expected, "tail");
    expectSame(tail[2]!.tokens!.logProbabilities.buffer.byteLength, view.byteLength, "own bytes");
    expectSame(await store.spans({ runId: "r", tokens: false }), bare, "tail without");
    await store.seal("r");
    expectSame(await store.spans({ runId: "r" }), expected, "sealed");
    expectSame(opened, ["blobs 0", "blobs 1", "tokens 1"], "opened");
    opened.length = 0;
    expectSame(await store.spans({ runId: "r", tokens: false }), bare, "sealed without");
    await store.spans({ runId: "r", name: "agentlightning.annotation" });
    expectSame(opened, ["blobs 0", "blobs 1", "blobs 1"], "tokens unopened");
    const uneven = { ...spans[1], tokens: { ...spans[1].tokens!, logProbabilities: new Float32Array(1) } };
    await expectCode(store.commit({ spans: [uneven] }), "store/invalid-span");
  },

  async "opens only the segments of the rollout, or of the run itself"(open) {
    const { storage, opened } = watched(open());
    const store = new TransactionalStore(storage);
    await store.commit({ run: run("r") });
    const all: Span[] = [];
    for (const update of [1, 2, 3]) {
      const commit = agenticUpdate("r", update, 10);
      all.push(...commit.spans);
      await store.commit(commit);
      await store.seal("r");
    }
    const late = agenticUpdate("r", 4, 10);
    await store.commit(late);
    all.push(...late.spans);
    const of = (rolloutId: string | null): Span[] =>
      inOrder(
        "r",
        all.filter((span) => span.rolloutId === rolloutId),
      );
    expectSame(await store.spans({ runId: "r" }), inOrder("r", all), "all");
    opened.length = 0;
    expectSame(await store.spans({ runId: "r", rolloutId: "r/12" }), of("r/12"), "one");
    expectSame(opened, ["blobs 3", "tokens 3"], "opened for one");
    expectSame(await store.spans({ runId: "r", rolloutId: "r/35" }), of("r/35"), "in the tail");
    expectSame(await store.spans({ runId: "r", rolloutId: "other" }), [], "not of this run");
    expectSame(opened.length, 2, "opened nothing more");
    expectSame(await store.spans({ runId: "r", rolloutId: null }), of(null), "the run's own");
    opened.length = 0;
    const curve = await curveColumns(new TransactionalStore(storage), "r");
    expectSame(opened, ["blobs 0", "blobs 2", "blobs 4"], "opened for the curve");
    expectSame(curve.step, new Float64Array([10, 20, 30, 40]), "rollouts");
    expectSame(curve.columns["entropy"], new Float64Array([2, 1, 2 / 3, 0.5]), "entropy");
    const evaluated = {
      update: 2,
      rollouts: 20,
      episodes: 8,
      success: 0.5,
      successLow: 0.2,
      successHigh: 0.8,
    };
    await store.commit({ spans: [agenticEvaluationSpan("r", { ...evaluated, rewardMean: 1 }, 1, 2)] });
    const { evaluations } = await curveColumns(store, "r");
    expectSame([...evaluations.step, ...evaluations.mean, ...evaluations.low], [20, 0.5, 0.2], "evaluation");
  },

  async "writes a rollout's span once, whatever the order"(open) {
    const { storage, opened } = watched(open());
    const store = new TransactionalStore(storage);
    const batches = [1, 2, 3, 4].map((update) => agenticUpdate("r", update, 10));
    const spansOf = (...updates: number[]): Span[] => updates.flatMap((update) => batches[update - 1]!.spans);
    await store.commit({ run: run("r"), ...batches[1] });
    await store.seal("r");
    await store.commit(batches[2]!);
    await store.seal("r");
    expectSame(opened, [], "in order: nothing read");
    await store.commit({ spans: [...spansOf(1), ...spansOf(1, 2)] });
    const other = new TransactionalStore(open());
    await other.commit({ spans: spansOf(3, 4, 1) });
    await store.commit({ spans: spansOf(4, 2) });
    await store.seal("r");
    await store.commit({ spans: spansOf(1, 2, 3, 4) });
    opened.length = 0;
    const few = agenticUpdate("r", 5, 10).spans.slice(0, 6);
    await store.commit({ spans: few });
    await store.seal("r");
    await store.commit({ spans: few.slice(1, 5) });
    expectSame(opened, [], "what was read and what was written since is known");
    await new TransactionalStore(open()).commit({ spans: spansOf(1, 2, 3, 4) });
    expectSame(await store.spans({ runId: "r" }), inOrder("r", [...spansOf(1, 2, 3, 4), ...few]), "once");
    opened.length = 0;
    const fresh = new TransactionalStore(storage);
    await fresh.commit({ spans: rolloutSpans(makeRollout("r", 15, 2)) });
    expectSame(opened, ["blobs 1"], "read to know one rollout's");
    const second = rolloutSpans(makeRollout("r", 15, 2)).map((span) => ({
      ...span,
      spanId: span.spanId.replace(/^r\/15\/1/, "r/15/2"),
      sequence: span.sequence + 3,
    }));
    await store.commit({ spans: second });
    expectSame((await store.spans({ runId: "r", rolloutId: "r/15" })).length, 6, "a second attempt");
  },

  async "keeps an agentic checkpoint, without the rest of its buffers"(open) {
    const store = new TransactionalStore(open());
    const parameters = new Float32Array([0, 1, -0, Number.NaN, 5]).subarray(1, 4);
    const checkpoint: Checkpoint = {
      runId: "r",
      update: 2,
      step: 64,
      createdAt: 5,
      state: {
        kind: "agentic",
        update: 2,
        rollouts: 80,
        language: {
          version: 1,
          parameters,
          firstMoment: parameters.slice(1),
          secondMoment: new Float32Array(0),
          optimizerStep: 2,
        },
      },
    };
    const { rollouts, spans } = agenticUpdate("r", 1, 5);
    const refused = { ...rollouts[4]!, result: () => 0 };
    const failed = await store
      .commit({ run: run("r"), rollouts: [...rollouts.slice(0, 4), refused], spans, checkpoint })
      .then(
        () => false,
        () => true,
      );
    expectSame(failed, true, "what cannot be cloned is refused");
    expectSame(await store.run("r"), undefined, "nothing written");
    await store.commit({ run: run("r"), rollouts, spans, checkpoint });
    const stored = await new TransactionalStore(open()).checkpoint("r");
    expectSame(stored, checkpoint, "checkpoint");
    const { language } = stored!.state as { language: { parameters: Float32Array } };
    expectSame(language.parameters.buffer.byteLength, 12, "buffer");
    expectSame((await store.rollouts({ runId: "r" })).length, 5, "rollouts");
  },

  async "deletes a run's rollouts and tokens with it"(open) {
    const storage = open();
    const store = new TransactionalStore(storage);
    for (const id of ["r", "rr"]) {
      await store.commit({ run: run(id), ...agenticUpdate(id, 1, 10) });
      await store.seal(id);
      await store.commit(agenticUpdate(id, 2, 10));
    }
    const before = (await store.usage()).runs.find(({ runId }) => runId === "r")!.bytes;
    expectSame(before > 20 * 300, true, `counted ${before} bytes`);
    await store.deleteRun("r");
    await expectCode(store.commit({ rollouts: [makeRollout("r", 99, 9)] }), "store/run-deleted");
    expectSame(await store.rollouts({ runId: "r" }), [], "rollouts");
    expectSame(await store.rollouts({ runId: "r", update: 1 }), [], "by update");
    const tables = ["tail", "segments", "blobs", "rollouts", "tokens"] as const;
    const left = await storage.transaction(tables, { mode: "readonly" }, (transaction) =>
      Promise.all(tables.map(async (table) => (await transaction.list(table, "r")).length)),
    );
    expectSame(left, [0, 0, 0, 0, 0], "rows");
    expectSame((await store.rollouts({ runId: "rr" })).length, 20, "the other run");
    expectSame((await store.spans({ runId: "rr" })).length, 62, "its spans");
  },

  async "reads the spans of damaged tokens without them, and says so"(open) {
    const storage = open();
    const store = new TransactionalStore(storage);
    await store.commit({ run: run("r"), ...agenticUpdate("r", 1, 10) });
    await store.seal("r");
    await store.commit(agenticUpdate("r", 2, 10));
    await store.seal("r");
    await storage.transaction(["tokens"], { mode: "readwrite" }, async (transaction) => {
      const blob = (await transaction.get("tokens", ["r", chunkKey(1, 0)]))!;
      blob[blob.length - 20]! ^= 4;
      transaction.put("tokens", ["r", chunkKey(1, 0)], blob);
    });
    const withTokens = async (): Promise<[number, number]> => {
      const spans = await new TransactionalStore(open()).spans({ runId: "r" });
      return [spans.length, spans.filter((span) => span.tokens).length];
    };
    expectSame(await withTokens(), [62, 10], "the rest");
    expectSame(await withTokens(), [62, 10], "the rest, again");
    const problems = await store.problems();
    expectSame(
      problems.map(({ code, segment }) => [code, segment]),
      [["store/corrupt-tokens", 1]],
      "problems",
    );
    expectSame(/tokens of segment 1.*checksum/.test(problems[0]!.message), true, problems[0]!.message);
  },

  async "reads the spans of damaged long texts without them, and says so"(open) {
    const storage = open();
    const store = new TransactionalStore(storage);
    const spans = agenticUpdate("r", 1, 10).spans.map((span, i) => ({
      ...span,
      attributes: { ...span.attributes, document: `${i}: ${"sand ".repeat(200)}` },
    }));
    await store.commit({ run: run("r"), spans });
    await store.seal("r");
    await storage.transaction(["tokens", "segments"], { mode: "readwrite" }, async (transaction) => {
      const texts = (await transaction.get("segments", ["r", 1]))!.texts!;
      const key = ["r", chunkKey(1, texts.chunks[0]!.number)] as const;
      const blob = (await transaction.get("tokens", key))!;
      blob[blob.length >> 1]! ^= 4;
      transaction.put("tokens", key, blob);
    });
    const read = async (): Promise<Span[]> => new TransactionalStore(open()).spans({ runId: "r" });
    const traced = spans.filter(({ rolloutId }) => rolloutId !== null);
    for (const what of ["the rest", "the rest, again"]) {
      const found = await read();
      expectSame(found.length, spans.length, what);
      expectSame(found.filter(({ tokens }) => tokens).length, 10, `${what}: tokens`);
      const texts = found.filter(({ attributes }) => attributes["document"] !== undefined);
      expectSame(texts.length, spans.length - traced.length, `${what}: texts of other segments`);
    }
    const problems = await store.problems();
    expectSame(
      problems.map(({ code, segment }) => [code, segment]),
      [["store/corrupt-texts", 1]],
      "problems",
    );
    expectSame(/long texts of segment 1.*checksum/.test(problems[0]!.message), true, problems[0]!.message);
  },

  async "keeps what agents wrote, letter for letter, through a segment"(open) {
    const store = new TransactionalStore(open());
    const texts = ["plain", "", "\ud800 lone", "🙂 日本", 'quotes " \\ \u0000'];
    const spans = Array.from({ length: 40 }, (_, i) => {
      const [root] = rolloutSpans(makeRollout("r", i, 1));
      const attributes = {
        alike: "the same text again and again",
        all: texts[i % texts.length]!,
        valid: texts[i % 2]!,
        ...(i % 7 === 0 ? { seldom: `only ${i}` } : {}),
        ...(i % 2 ? { mixed: i } : { mixed: "text of some length" }),
        ...(i === 3 ? { nulled: null } : { nulled: "otherwise text of some length" }),
      };
      return { ...root!, attributes };
    });
    await store.commit({ run: run("r"), spans });
    await store.seal("r");
    expectSame(await store.spans({ runId: "r" }), spans, "segment");
    const [columns] = await store.columns({ runId: "r" });
    expectSame(columns!.numericKeys(spans[0]!.name), ["mixed"], "numeric keys");
    expectSame(Number.isNaN(columns!.numbers("alike")[0]), true, "text is no number");
  },
};

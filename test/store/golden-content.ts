import { TransactionalStore } from "../../src/store/lightning-store.ts";
import { MemoryStorage } from "../../src/store/memory-storage.ts";
import { schemaVersion, tableNames, type Storage } from "../../src/store/storage.ts";
import { agenticUpdate, makeRollout } from "./agentic-batch.ts";
import { expectCode, expectSame, makeRun, updates } from "./contract.ts";
import { decodeGolden, encodeGolden } from "./golden-json.ts";

// What the golden file of a version is made of: everything that a store of it can hold.

/** A store whose clock and ids are the same every time. */
function repeatableStore(storage: Storage): TransactionalStore {
  let now = 1_700_000_000_000;
  let byte = 0;
  return new TransactionalStore(storage, {
    now: () => (now += 10),
    randomBytes: (bytes) => {
      for (let i = 0; i < bytes.length; i++) bytes[i] = byte = (byte * 73 + 41) & 255;
    },
    watchInterval: 1e9,
  });
}

const weights = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.fround(i / 7));

const languageState = (update: number) => ({
  kind: "agentic" as const,
  update,
  rollouts: 8 * update,
  language: {
    version: 1 as const,
    parameters: weights(6),
    firstMoment: weights(6),
    secondMoment: weights(6),
    optimizerStep: update,
  },
});

/** Writes all of it. */
export async function writeGoldenContent(storage: Storage): Promise<void> {
  const store = repeatableStore(storage);
  await store.commit({ run: makeRun("01A"), spans: updates("01A", 1, 30) });
  await store.seal("01A");
  await store.commit({ spans: updates("01A", 31, 33) });
  const set = await store.resources.keep("cell", { p: prompt("one") }, "01B");
  const resources = { id: set.id, version: set.version };
  await store.commit({ run: makeRun("01B", { kind: "agentic", resources }) });
  for (let update = 1; update <= 3; update++) {
    const { rollouts, spans } = agenticUpdate("01B", update, 8);
    const long = spans.map((span, i) =>
      i % 4 === 0
        ? { ...span, attributes: { ...span.attributes, note: `${"ö\ud800 ".repeat(100)}${i}`, odd: -0 } }
        : span,
    );
    await store.commit({
      rollouts: rollouts.map((row, i) => (i === 5 ? { ...row, status: "failed", reward: null } : row)),
      spans: long,
      checkpoint: { runId: "01B", update, step: 8 * update, createdAt: 5, state: languageState(update) },
    });
    if (update < 3) await store.seal("01B");
  }
  await store.commit({ rollouts: [makeRollout("01B", 3, 1, { reward: 9, components: { a: Infinity } })] });
  await store.commit({ run: makeRun("01C", { status: "succeeded" }), spans: updates("01C", 1, 4) });
  await store.deleteRun("01C");
  await store.setSetting("draft/cartpole", { text: "const x = 1;", at: [1, 2] });
  await store.resources.add({ p: prompt("shared") });
  await store.resources.update("mine", {
    w: { type: "weights", runId: "01B", update: 3, step: 24, parameters: weights(4) },
  });
  await store.queue.enqueue([
    { task: "waits" },
    { task: "is taken", config: { timeout: 5000, maxAttempts: 2 } },
  ]);
  await store.queue.dequeue({ workerId: "worker" });
  const { rollout, attempt } = await store.queue.start({ task: { deep: [1, null] }, mode: "test" }, "worker");
  const [span] = agenticUpdate("x", 1, 1).spans;
  await store.queue.addSpans([
    { ...span!, rolloutId: rollout.id, attemptId: attempt.id, spanId: "s1", sequence: null },
    { ...span!, rolloutId: rollout.id, attemptId: attempt.id, spanId: "s2", sequence: 7, attributes: {} },
  ]);
  await store.seal(rollout.runId);
  await store.queue.updateAttempt(rollout.id, attempt.id, { status: "succeeded" });
  await store.workers.heartbeat("worker", { load: 0.5 });
  await writeSince4(store);
}

/** What version 3 did not have: joined segments, versions of resources that went. */
async function writeSince4(store: TransactionalStore): Promise<void> {
  await store.commit({ run: makeRun("01D") });
  for (const update of [1, 3, 5]) {
    await store.commit({ spans: updates("01D", update, update + 1) });
    await store.seal("01D");
  }
  await store.compact("01D");
  const { version } = await store.resources.keep("cell", { p: prompt("two") }, "01E");
  await store.commit({ run: makeRun("01E", { resources: { id: "cell", version } }) });
  await store.deleteRun("01E");
}

const prompt = (template: string) => ({ type: "prompt_template", template, engine: "f-string" }) as const;

/** Everything that a store says of what it holds. */
export async function readGoldenContent(storage: Storage): Promise<Readonly<Record<string, unknown>>> {
  const store = repeatableStore(storage);
  const runs = await store.runs();
  const ofRuns = <Result>(read: (runId: string) => Promise<Result>): Promise<[string, Result][]> =>
    Promise.all(runs.map(async ({ id }): Promise<[string, Result]> => [id, await read(id)]));
  return {
    runs,
    spans: await ofRuns((runId) => store.spans({ runId })),
    rollouts: await ofRuns((runId) => store.rollouts({ runId })),
    statistics: await ofRuns((runId) => store.statistics(runId)),
    checkpoints: await ofRuns(async (runId) => (await store.checkpoint(runId)) ?? null),
    problems: await store.problems(),
    setting: await store.setting("draft/cartpole"),
    feed: await store.queue.finished(),
    resources: (await store.resources.find()).items,
    versions: await store.resources.versions("cell"),
    workers: (await store.workers.find()).items,
  };
}

/** All tables, as they lie. */
export const tablesOf = (storage: Storage): Promise<Record<string, unknown>> =>
  storage.transaction(tableNames, { mode: "readonly" }, async (transaction) => {
    const tables: Record<string, unknown> = {};
    for (const name of tableNames) {
      const rows = await transaction.list(name);
      if (rows.length > 0) tables[name] = rows;
    }
    return tables;
  });

/**
 * Everything in a golden file is there after it was brought up to date, and the store goes on from it. In a version that
 * still wrote what this one does, the rows are the same.
 */
export async function checkGolden(storage: Storage, golden: Golden): Promise<void> {
  const expected = decodeGolden(golden.expected) as Readonly<Record<string, unknown>>;
  const found = await readGoldenContent(storage);
  // What JSON leaves out was not there.
  const whole = decodeGolden(JSON.parse(encodeGolden(found))) as typeof found;
  for (const key of Object.keys(expected)) expectSame(whole[key], expected[key], key);
  const store = repeatableStore(storage);
  const { spans } = agenticUpdate("01B", 2, 8);
  const before = await store.spans({ runId: "01B" });
  await store.commit({ spans });
  expectSame(await store.spans({ runId: "01B" }), before, "still once");
  await store.compact("01B");
  expectSame(await store.spans({ runId: "01B" }), before, "joined");
  await store.deleteRollouts("01B", [9]);
  expectSame((await store.spans({ runId: "01B" })).length, before.length - 3, "without one rollout");
  await expectCode(store.commit({ run: makeRun("01C") }), "store/run-deleted");
  expectSame((await store.queue.dequeue()).length, 1, "what waited");
}

/** A version's tables as its writer left them, and what it read from them. */
export interface Golden {
  readonly tables: unknown;
  readonly expected: unknown;
}

/** The golden file of the version that this code is of. */
export async function makeGolden(): Promise<Golden> {
  const storage = new MemoryStorage();
  await writeGoldenContent(storage);
  await storage.transaction(["meta"], { mode: "readwrite" }, (transaction) => {
    transaction.put("meta", "schemaVersion", schemaVersion);
    return Promise.resolve();
  });
  const tables = await tablesOf(storage);
  return { tables, expected: await readGoldenContent(storage) };
}

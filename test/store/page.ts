import type { TrainingState } from "../../src/rl/engine.ts";
import { curveColumns } from "../../src/store/curve.ts";
import { IndexedDbStorage } from "../../src/store/indexeddb-storage.ts";
import { TransactionalStore } from "../../src/store/lightning-store.ts";
import { openStore } from "../../src/store/open.ts";
import { agenticUpdate } from "./agentic-batch.ts";
import { agenticContract } from "./agentic-contract.ts";
import { contract, expectCode, makeRun, updates } from "./contract.ts";
import { checkMigrated, version1Tables } from "./version-1.ts";

const cases = { ...contract, ...agenticContract };

/** What went wrong; null when nothing did. */
async function outcome(work: Promise<void>): Promise<string | null> {
  return work.then(
    () => null,
    (error: unknown) => (error instanceof Error ? `${error.message}\n${error.stack ?? ""}` : String(error)),
  );
}

/** Runs one case of the contract over a fresh IndexedDB; null when it passes. */
async function runContract(name: string): Promise<string | null> {
  const storages: IndexedDbStorage[] = [];
  const open = (): IndexedDbStorage => {
    const storage = new IndexedDbStorage(`contract: ${name}`);
    storages.push(storage);
    return storage;
  };
  const result = await outcome(cases[name]!(open));
  for (const storage of storages) storage.close();
  return result;
}

/** A database as version 1 made it, with its rows; the connection stays open and does not let go by itself. */
function writeVersion1(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => {
      for (const [table, rows] of Object.entries(version1Tables)) {
        const store = request.result.createObjectStore(table);
        for (const { key, value } of rows) store.put(value, typeof key === "string" ? key : [...key]);
      }
    };
    request.onsuccess = () => {
      resolve(request.result);
    };
    request.onerror = () => {
      reject(new Error("version 1 could not be written", { cause: request.error }));
    };
  });
}

/** Opens what version 1 wrote while an old tab holds it, then after that tab let go; null when all is well. */
async function runMigration(): Promise<string | null> {
  const old = await writeVersion1("version 1");
  const storage = new IndexedDbStorage("version 1", { patience: 50 });
  const work = async (): Promise<void> => {
    await expectCode(new TransactionalStore(storage).runs(), "store/blocked");
    old.close();
    await checkMigrated(storage);
  };
  const result = await outcome(work());
  old.close();
  storage.close();
  return result;
}

async function measureCommits(updates: number, what: "all" | "spans" | "rollouts") {
  const name = `measured ${what} ${Math.random()}`;
  const store = await openStore({ name });
  await store.commit({ run: makeRun("m", { kind: "agentic" }) });
  const times: Record<string, number[]> = { commit: [], sealing: [], byUpdate: [], byGroup: [], byRollout: [], curve: [], page: [] };
  const timed = async (key: string, work: () => Promise<unknown>) => {
    const start = performance.now();
    const result = await work();
    times[key]!.push(performance.now() - start);
    return result;
  };
  for (let update = 1; update <= updates; update++) {
    const { spans, rollouts } = agenticUpdate("m", update, 256);
    const commit = what === "all" ? { spans, rollouts } : what === "spans" ? { spans } : { rollouts };
    await timed(update % 3 === 0 ? "sealing" : "commit", () => store.commit(commit));
  }
  for (let i = 0; i < 5; i++) {


    await timed("page", () => store.rollouts({ runId: "m", order: "newest", limit: 100 }));
    await timed("byRollout", () => store.spans({ runId: "m", rolloutId: `m/${5 + 700 * i}` }));
    await timed("curve", () => curveColumns(store, "m"));
  }
  const start = performance.now();
  const all = await store.spans({ runId: "m" });
  const usage = await store.usage();
  const whole = performance.now() - start;
  const storage = new IndexedDbStorage(name);
  const [segments, book] = await storage.transaction(["segments", "bookkeeping"], { mode: "readonly" }, (t) => Promise.all([t.list("segments", "m"), t.get("bookkeeping", "m")]));
  const hot = segments.reduce((s, { value }) => s + value.byteLength, 0);
  const rows = segments.reduce((s, { value }) => s + value.rows, 0);
  const cold = segments.reduce((s, { value }) => s + (value.tokens?.byteLength ?? 0), 0);
  const encode = await import("../../src/store/segment.ts");
  const tokens = await import("../../src/store/token-columns.ts");
  const batch = [1, 2, 3].flatMap((u) => agenticUpdate("m", u, 256).spans).filter((s) => s.rolloutId);
  const t0 = performance.now();
  const bytes = encode.encodeSegment(batch);
  const t1 = performance.now();
  tokens.encodeTokens(batch);
  const t2 = performance.now();
  const decoded = encode.decodeSegment(bytes);
  for (let i = 0; i < decoded.length; i++) decoded.spanAt(i);
  const t3 = performance.now();
  structuredClone(batch);
  const t4 = performance.now();
  store.close();
  return { times, spans: all.length, whole, bytes: usage.bytes, hotPerRow: hot / rows, coldPerRow: cold / rows, rolloutBytes: book?.rolloutBytes, encode: t1 - t0, encodeTokens: t2 - t1, decode: t3 - t2, clone: t4 - t3 };
}

/** Spans of a commit while ingesting; every twentieth commit seals. */
const batch = 100;

/** Commits run, spans and, every fifth time, a checkpoint, and says so each time, until it is killed. */
async function ingest(acknowledge: (update: number) => void): Promise<never> {
  const store = await openStore({ name: "killed" });
  let update = (await store.run("k"))?.update ?? 0;
  for (;;) {
    const from = update + 1;
    update += batch;
    const weights = new Float32Array(4096).fill(update);
    const empty = new Float32Array(0);
    const state = {
      version: 1 as const,
      update,
      parameters: weights,
      firstMoment: empty,
      secondMoment: empty,
      optimizerStep: update,
      environmentState: empty,
      episodeReturn: empty,
      environmentReturn: empty,
      episodeLength: new Uint32Array(0),
    };
    await store.commit({
      run: makeRun("k", { update }),
      spans: updates("k", from, update),
      ...(update % (5 * batch) === 0
        ? { checkpoint: { runId: "k", update, step: update, createdAt: 0, state } }
        : {}),
    });
    acknowledge(update);
  }
}

/** What a killed ingest left behind. */
async function inspect() {
  const store = await openStore({ name: "killed" });
  const storage = new IndexedDbStorage("killed");
  const [run, spans, checkpoint, problems] = await Promise.all([
    store.run("k"),
    store.spans({ runId: "k" }),
    store.checkpoint("k"),
    store.problems(),
  ]);
  const state = checkpoint?.state as TrainingState | undefined;
  const tables = ["bookkeeping", "tail", "segments", "blobs"] as const;
  const [book, tail, segments, blobs] = await storage.transaction(tables, { mode: "readonly" }, (t) =>
    Promise.all([
      t.get("bookkeeping", "k"),
      t.list("tail", "k"),
      t.list("segments", "k"),
      t.list("blobs", "k"),
    ]),
  );
  store.close();
  storage.close();
  return {
    update: run?.update ?? 0,
    inOrderOnce: spans.every((span, i) => span.attributes["update"] === i + 1),
    spans: spans.length,
    checkpoint: checkpoint?.update ?? 0,
    checkpointWhole: state?.parameters.every((weight) => weight === checkpoint?.update) ?? true,
    problems: problems.length,
    tailRows: tail.reduce((sum, { value }) => sum + value.rows.length, 0),
    countedTailRows: book?.tailRows ?? 0,
    segments: segments.map(({ key }) => String(key)),
    blobs: blobs.map(({ key }) => String(key)),
  };
}

export const harness = {
  runContract,
  runMigration,
  measureCommits,
  ingest,
  inspect,
  openStore,
  makeRun,
  updates,
  curveColumns,
};
export type Harness = typeof harness;
Object.assign(globalThis, { harness });

import type { TrainingState } from "../../src/rl/engine.ts";
import { curveColumns } from "../../src/store/curve.ts";
import { IndexedDbStorage } from "../../src/store/indexeddb-storage.ts";
import { TransactionalStore } from "../../src/store/lightning-store.ts";
import { unpackGroup } from "../../src/store/tail-group.ts";
import { openStore } from "../../src/store/open.ts";
import { makeRollout } from "./agentic-batch.ts";
import { agenticContract } from "./agentic-contract.ts";
import { contract, expectCode, makeRun, updates } from "./contract.ts";
import { queueContract } from "./queue-contract.ts";
import { checkMigrated, version1Tables } from "./version-1.ts";
import { checkMigratedFrom2, version2Tables } from "./version-2.ts";

const cases = { ...contract, ...agenticContract, ...queueContract };

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

const past = {
  1: { tables: version1Tables, check: checkMigrated },
  2: { tables: version2Tables, check: checkMigratedFrom2 },
};
export type PastVersion = keyof typeof past;

/** A database as an older version made it, with its rows; the connection stays open and does not let go by itself. */
function writeVersion(name: string, version: PastVersion): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, version);
    request.onupgradeneeded = () => {
      for (const [table, rows] of Object.entries(past[version].tables)) {
        const store = request.result.createObjectStore(table);
        for (const { key, value } of rows) store.put(value, typeof key === "string" ? key : [...key]);
      }
    };
    request.onsuccess = () => {
      resolve(request.result);
    };
    request.onerror = () => {
      reject(new Error(`version ${version} could not be written`, { cause: request.error }));
    };
  });
}

/** Opens what an older version wrote while an old tab holds it, then after that tab let go; null when all is well. */
async function runMigration(version: PastVersion): Promise<string | null> {
  const name = `version ${version}`;
  const old = await writeVersion(name, version);
  const storage = new IndexedDbStorage(name, { patience: 50 });
  const work = async (): Promise<void> => {
    await expectCode(new TransactionalStore(storage).runs(), "store/blocked");
    old.close();
    await past[version].check(storage);
  };
  const result = await outcome(work());
  old.close();
  storage.close();
  return result;
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
      rollouts: [makeRollout("k", update / batch - 1, update)],
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
  const [run, rollouts, spans, checkpoint, problems] = await Promise.all([
    store.run("k"),
    store.rollouts({ runId: "k" }),
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
    batches: rollouts.length,
    newest: rollouts.at(-1)?.update ?? 0,
    checkpoint: checkpoint?.update ?? 0,
    checkpointWhole: state?.parameters.every((weight) => weight === checkpoint?.update) ?? true,
    problems: problems.length,
    tailRows: tail.reduce((sum, { value }) => sum + unpackGroup(value).length, 0),
    countedTailRows: book?.tailRows ?? 0,
    segments: segments.map(({ key }) => String(key)),
    blobs: blobs.map(({ key }) => String(key)),
  };
}

export const harness = {
  runContract,
  runMigration,
  ingest,
  inspect,
  openStore,
  makeRun,
  updates,
  curveColumns,
};
export type Harness = typeof harness;
Object.assign(globalThis, { harness });

import type { TrainingState } from "../../src/rl/engine.ts";
import { curveColumns } from "../../src/store/curve.ts";
import { IndexedDbStorage } from "../../src/store/indexeddb-storage.ts";
import { openStore } from "../../src/store/open.ts";
import { contract, makeRun, updates } from "./contract.ts";

/** Runs one case of the contract over a fresh IndexedDB; null when it passes. */
async function runContract(name: string): Promise<string | null> {
  const database = `contract: ${name}`;
  const storages: IndexedDbStorage[] = [];
  try {
    await contract[name]!(() => {
      const storage = new IndexedDbStorage(database);
      storages.push(storage);
      return storage;
    });
    return null;
  } catch (error) {
    return error instanceof Error ? `${error.message}\n${error.stack ?? ""}` : String(error);
  } finally {
    for (const storage of storages) storage.close();
  }
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

export const harness = { runContract, ingest, inspect, openStore, makeRun, updates, curveColumns };
export type Harness = typeof harness;
Object.assign(globalThis, { harness });

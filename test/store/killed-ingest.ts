import { createSpan } from "../../src/trace/create-span.ts";
import { IndexedDbStorage } from "../../src/store/indexeddb-storage.ts";
import { openStore } from "../../src/store/open.ts";
import type { LightningStore, Span } from "../../src/store/records.ts";
import type { TrainingState } from "../../src/rl/engine.ts";
import { makeRollout, rolloutSpans } from "./agentic-batch.ts";
import { auditStorage } from "./audit.ts";
import { makeRun, same, updates } from "./contract.ts";

const name = "killed";
/** Updates of one commit; every twentieth commit or so seals. */
const batch = 100;
/** Updates of a run; then it ends, and the one before the one before it is deleted. */
const runLength = 3000;

/** How far a writer is: the run it is in, and the last update that was acknowledged. */
export interface Progress {
  readonly run: number;
  readonly update: number;
}

const runId = (writer: string, run: number): string => `${writer}${String(run).padStart(4, "0")}`;

const long = (update: number): string => `answer of ${update}: ${"strike sand ".repeat(600)}`;

/** A long text now and then, so that a segment has cold chunks of both kinds. */
const noteOf = (id: string, update: number): Span =>
  createSpan({
    runId: id,
    sequence: 1e6 + update,
    name: "fulgurite.note",
    startTime: update,
    endTime: update,
    attributes: { text: long(update) },
  });

const checkpointOf = (id: string, update: number) => {
  const weights = new Float32Array(4096).fill(update);
  const empty = new Float32Array(0);
  const state: TrainingState = {
    version: 1,
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
  return { runId: id, update, step: update, createdAt: 0, state };
};

async function newest(store: LightningStore, writer: string): Promise<Progress> {
  const runs = (await store.runs()).filter(({ id }) => id.startsWith(writer));
  const latest = runs[0];
  return latest
    ? { run: Number(latest.id.slice(writer.length)), update: latest.update }
    : { run: 0, update: 0 };
}

/**
 * Goes on where the writer was: commits run, spans, rollouts and, every fifth time, a checkpoint, ends runs, deletes old
 * ones, and says how far it is after each acknowledged commit, until it is killed.
 */
export async function ingest(writer: string, acknowledge: (progress: Progress) => unknown): Promise<never> {
  const store = await openStore({ name });
  let { run, update } = await newest(store, writer);
  for (;;) {
    if (update >= runLength) {
      run++;
      update = 0;
      if (run > 1) await store.deleteRun(runId(writer, run - 2));
    }
    const id = runId(writer, run);
    const from = update + 1;
    update += batch;
    const rollout = makeRollout(id, update / batch - 1, update);
    await store.commit({
      run: makeRun(id, { update, status: update >= runLength ? "succeeded" : "running" }),
      rollouts: [rollout],
      spans: [
        ...updates(id, from, update),
        ...rolloutSpans(rollout),
        ...(update % 1000 === 0 ? [noteOf(id, update)] : []),
      ],
      ...(update % (5 * batch) === 0 ? { checkpoint: checkpointOf(id, update) } : {}),
    });
    acknowledge({ run, update });
  }
}

/** What of one run is not as it was written, in words. */
async function wrongIn(store: LightningStore, id: string, update: number): Promise<string[]> {
  const [rollouts, spans, checkpoint] = await Promise.all([
    store.rollouts({ runId: id }),
    store.spans({ runId: id }),
    store.checkpoint(id),
  ]);
  const wrong: string[] = [];
  const own = spans.filter(({ rolloutId }) => rolloutId === null);
  const notes = own.filter(({ sequence }) => sequence > 1e6);
  const series = own.filter(({ sequence }) => sequence <= 1e6);
  if (!series.every((span, i) => span.attributes["update"] === i + 1) || series.length !== update)
    wrong.push(`${id} has ${series.length} updates of ${update}, or not in order`);
  const wantedNotes = Array.from({ length: Math.floor(update / 1000) }, (_, i) => noteOf(id, 1000 * (i + 1)));
  if (!same(notes, wantedNotes)) wrong.push(`the long texts of ${id} differ`);
  const wanted = Array.from({ length: update / batch }, (_, i) => makeRollout(id, i, (i + 1) * batch));
  if (!same(rollouts, wanted)) wrong.push(`the rollouts of ${id} differ`);
  const traces = spans.filter(({ rolloutId }) => rolloutId !== null);
  if (!same(traces, wanted.flatMap(rolloutSpans))) wrong.push(`the traces of ${id} differ`);
  const kept = update - (update % (5 * batch));
  const state = checkpoint?.state as TrainingState | undefined;
  if ((checkpoint?.update ?? 0) !== kept || state?.parameters.some((weight) => weight !== kept) === true)
    wrong.push(`the checkpoint of ${id} is not that of update ${kept}`);
  return wrong;
}

/** What killed writers left behind: how far each is, what is wrong, and how many bytes the store says it has. */
export async function inspect(writers: readonly string[]): Promise<{
  readonly progress: Readonly<Record<string, Progress>>;
  readonly wrong: readonly string[];
  readonly openMilliseconds: number;
  readonly bytes: number;
}> {
  const began = performance.now();
  const store = await openStore({ name });
  const openMilliseconds = performance.now() - began;
  const wrong: string[] = [];
  const progress: Record<string, Progress> = {};
  const runs = await store.runs();
  for (const writer of writers) {
    const at = (progress[writer] = await newest(store, writer));
    const own = runs.filter(({ id }) => id.startsWith(writer));
    // The one under way, the one before it, and one more where its deletion was not acknowledged.
    if (own.length > 3) wrong.push(`${writer} has ${own.length} runs`);
    for (const { id, update } of own) {
      if (id !== runId(writer, at.run) && update !== runLength) wrong.push(`${id} ended at ${update}`);
      wrong.push(...(await wrongIn(store, id, update)));
    }
  }
  wrong.push(...(await store.problems()).map(({ message }) => message));
  const { runs: sizes } = await store.usage();
  store.close();
  const storage = new IndexedDbStorage(name);
  wrong.push(...(await auditStorage(storage)));
  storage.close();
  return { progress, wrong, openMilliseconds, bytes: sizes.reduce((sum, { bytes }) => sum + bytes, 0) };
}

import type { TrainingState } from "../../src/rl/engine.ts";
import { curveColumns } from "../../src/store/curve.ts";
import { TransactionalStore } from "../../src/store/lightning-store.ts";
import type { AttributeValue, Run, Span } from "../../src/store/records.ts";
import type { Storage } from "../../src/store/storage.ts";
import { createSpan } from "../../src/trace/create-span.ts";
import { evaluationSpan, updateSpan } from "../../src/trace/training-spans.ts";

// One suite over every storage: it runs in Node over memory and in a browser over IndexedDB, so it brings its
// own comparison.

/** Structural equality with Object.is at the leaves: NaN equals NaN, 0 is not -0, types of arrays count. */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a.constructor !== b.constructor) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every(
      (key) => key in b && same((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
    )
  );
}

export function expectSame(actual: unknown, expected: unknown, what: string): void {
  if (same(actual, expected)) return;
  const show = (value: unknown): string => JSON.stringify(value, null, 1)?.slice(0, 1500) ?? String(value);
  throw new Error(`${what}: got ${show(actual)}, expected ${show(expected)}`);
}

export async function expectCode(work: Promise<unknown>, code: string): Promise<Error & { fix: string }> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown as Error & { code: string; fix: string },
  );
  expectSame(error?.code, code, `error code (${String(error)})`);
  return error!;
}

export const makeRun = (id: string, more: Partial<Run> = {}): Run => ({
  id,
  kind: "simulated",
  name: `run ${id}`,
  notebook: "cartpole",
  cell: "train",
  job: { kind: "simulated", environment: "CartPole-v1", constants: { k: 0.1 } },
  seed: 1,
  engine: "cpu",
  adapter: "test",
  status: "running",
  reason: null,
  update: 0,
  updates: 100,
  step: 0,
  steps: 1000,
  createdAt: 1,
  updatedAt: 2,
  activeTime: 0,
  metrics: {},
  ...more,
});

const metrics = (update: number) => ({
  update,
  step: 64 * update,
  policyLoss: -1 / update,
  valueLoss: update / 3,
  entropy: Math.sqrt(update),
  approximateKl: 1e-9 * update,
  clipFraction: 0,
  explainedVariance: -0,
  gradientNorm: Infinity,
  learningRate: 2.5e-4,
  episodes: update % 3,
  episodeReturn: update % 3 === 0 ? Number.NaN : update * 1.1,
  environmentReturn: update % 3 === 0 ? Number.NaN : update,
  episodeLength: update,
  rewardMean: 1,
  optimizerSteps: 3,
  episodeCost: Number.NaN,
  multiplier: Number.NaN,
});

export const updates = (runId: string, from: number, to: number): Span[] =>
  Array.from({ length: to - from + 1 }, (_, i) =>
    updateSpan(runId, metrics(from + i), from + i, from + i + 1),
  );

const evaluation = (runId: string, update: number): Span =>
  evaluationSpan(
    runId,
    { update, step: 64 * update, episodes: 10, mean: update / 7, low: -1, high: update, lengthMean: 3 },
    update,
    update + 0.5,
  );

const state = (): TrainingState => {
  // A view on a larger buffer, with bits that numbers do not keep: NaN payloads, denormals, -0.
  const words = new Uint32Array([0, 0x7fc12345, 0x80000000, 1, 0xff800000, 0x3f800001, 9, 9]);
  const parameters = new Float32Array(words.buffer, 4, 5);
  return {
    version: 1,
    update: 3,
    parameters,
    firstMoment: parameters.slice(1),
    secondMoment: new Float32Array(0),
    optimizerStep: 12,
    environmentState: parameters.slice(),
    episodeReturn: new Float32Array([1, -0]),
    environmentReturn: new Float32Array([1.5, 2]),
    episodeLength: new Uint32Array([7, 0xffffffff]),
  };
};

const bits = (array: Float32Array): number[] => [
  ...new Uint32Array(array.buffer, array.byteOffset, array.length),
];

const odd = (runId: string, sequence: number, attributes: Record<string, AttributeValue>): Span =>
  createSpan({
    runId,
    sequence,
    name: sequence % 2 ? "fulgurite.note" : "näme, 日本 🙂",
    startTime: 1.5,
    endTime: 2.25,
    parentId: sequence % 3 ? `${runId}/0` : null,
    rolloutId: sequence % 4 ? `rollout-${sequence % 4}` : null,
    status: sequence % 2 ? "error" : "unset",
    attributes,
  });

const checkpointOf = (runId: string) => ({ runId, update: 3, step: 192, createdAt: 5, state: state() });

/** A storage to open again: each call opens the same data anew. */
export type OpenStorage = () => Storage;

export const contract: Readonly<Record<string, (open: OpenStorage) => Promise<void>>> = {
  async "keeps runs, newest first, by notebook and cell"(open) {
    const store = new TransactionalStore(open());
    for (const id of ["01A", "01C", "01B"]) await store.commit({ run: makeRun(id) });
    await store.commit({ run: makeRun("01D", { cell: "other", notebook: null }) });
    await store.commit({ run: makeRun("01A", { status: "paused", metrics: { a: 1 } }) });
    const again = new TransactionalStore(open());
    expectSame(
      (await again.runs()).map(({ id }) => id),
      ["01D", "01C", "01B", "01A"],
      "order",
    );
    expectSame((await again.runs({ cell: "train" })).length, 3, "by cell");
    expectSame((await again.runs({ notebook: "cartpole", cell: "other" })).length, 0, "by both");
    expectSame(
      await again.run("01A"),
      makeRun("01A", { status: "paused", metrics: { a: 1 }, version: 2 }),
      "row",
    );
    expectSame(await again.run("none"), undefined, "no such run");
  },

  async "gives spans back in order, from tail and segments alike"(open) {
    const store = new TransactionalStore(open());
    const all = [...updates("r", 1, 30)];
    for (const at of [5, 15, 30])
      all.splice(all.findIndex((s) => s.sequence === 2 * at) + 1, 0, evaluation("r", at));
    await store.commit({ run: makeRun("r"), spans: all.slice(0, 10) });
    await store.seal("r");
    await store.seal("r");
    await store.commit({ spans: all.slice(10, 20) });
    await store.seal("r");
    await store.commit({ spans: all.slice(20, 25).reverse() });
    await store.seal("r");
    await store.commit({ spans: all.slice(25) });
    const again = new TransactionalStore(open());
    expectSame(await again.spans({ runId: "r" }), all, "all");
    expectSame(await again.spans({ runId: "none" }), [], "none");
    const evaluations = all.filter((span) => span.name === "fulgurite.evaluation");
    expectSame(await again.spans({ runId: "r", name: "fulgurite.evaluation" }), evaluations, "by name");
    for (const after of [0, 41, 45, 60]) {
      const late = await again.spans({ runId: "r", afterSequence: after });
      expectSame(
        late,
        all.filter((span) => span.sequence > after),
        `after ${after}`,
      );
    }
  },

  async "keeps every kind of attribute through a segment"(open) {
    const store = new TransactionalStore(open());
    const spans = [
      odd("r", 0, { a: 1, text: "ü\u0000🙂", yes: true, none: null, nan: Number.NaN, rare: -0 }),
      odd("r", 1, { a: Number.NaN, nan: Number.NaN, mixed: "1" }),
      odd("r", 2, { a: -0, nan: -Infinity, mixed: 1, __proto__x: 2, "": 3 }),
      odd("r", 3, {}),
      ...Array.from({ length: 60 }, (_, i) => odd("r", 4 + i, { a: i })),
    ];
    await store.commit({ run: makeRun("r"), spans });
    expectSame(await store.spans({ runId: "r" }), spans, "tail");
    await store.seal("r");
    expectSame(await new TransactionalStore(open()).spans({ runId: "r" }), spans, "segment");
  },

  async "seals by itself at 2,000 rows and at the end of a run"(open) {
    const storage = open();
    const store = new TransactionalStore(storage);
    const counts = (): Promise<number[]> =>
      storage.transaction(["tail", "segments"], { mode: "readonly" }, async (transaction) => {
        const [tail, segments] = await Promise.all([
          transaction.list("tail", "r"),
          transaction.list("segments", "r"),
        ]);
        return [tail.length, ...segments.map(({ value }) => value.rows)];
      });
    await store.commit({ run: makeRun("r"), spans: updates("r", 1, 999) });
    await store.commit({ spans: updates("r", 1000, 1998) });
    await store.commit({ spans: updates("r", 1999, 1999) });
    expectSame(await counts(), [3], "before");
    await store.commit({ spans: updates("r", 2000, 2001) });
    expectSame(await counts(), [0, 2001], "at 2,000");
    await store.commit({ spans: updates("r", 2002, 2010) });
    await store.commit({ run: makeRun("r", { status: "succeeded" }) });
    expectSame(await counts(), [0, 2010], "at the end");
    await store.commit({ spans: updates("r", 2011, 6110) });
    expectSame(await counts(), [0, 2010, 2050, 2050], "in pieces");
    expectSame((await store.spans({ runId: "r" })).length, 6110, "rows");
  },

  async "seals what another tab put into the tail since, not what it remembers of it"(open) {
    const [tab, other] = [new TransactionalStore(open()), new TransactionalStore(open())];
    const expectKept = async (count: number): Promise<void> =>
      expectSame(
        await new TransactionalStore(open()).spans({ runId: "r" }),
        updates("r", 1, count),
        `${count} updates`,
      );
    await tab.commit({ run: makeRun("r"), spans: updates("r", 1, 10) });
    await other.seal("r");
    // As many rows as the first tab remembers.
    await other.commit({ spans: updates("r", 11, 20) });
    await tab.seal("r");
    await expectKept(20);
    await tab.commit({ spans: updates("r", 21, 30) });
    await other.seal("r");
    await other.commit({ spans: updates("r", 31, 40) });
    // Now its memory would be of the tail's version, and as long.
    await tab.commit({ spans: updates("r", 41, 50) });
    await tab.seal("r");
    await expectKept(50);
    await tab.commit({ spans: updates("r", 51, 60) });
    await other.seal("r");
    await other.commit({ spans: updates("r", 61, 70) });
    // So many at once become segments with all of the tail.
    await tab.commit({ spans: updates("r", 71, 2170) });
    await expectKept(2170);
  },

  async "writes a span once, whoever sends it again"(open) {
    const store = new TransactionalStore(open());
    const other = new TransactionalStore(open());
    const spans = updates("r", 1, 20);
    await store.commit({ run: makeRun("r"), spans: [...spans.slice(0, 10), ...spans.slice(0, 3)] });
    await store.commit({ spans: spans.slice(5, 12) });
    await store.seal("r");
    await other.commit({ spans: spans.slice(8, 15) });
    await store.commit({ spans });
    await other.commit({ spans });
    expectSame(await store.spans({ runId: "r" }), spans, "ids from the sequence");
    const free = Array.from({ length: 9 }, (_, i) => ({
      ...odd("r", i, { i }),
      spanId: `random-${(i * 7) % 9}`,
      sequence: 100 + i,
    }));
    await store.commit({ spans: free.slice(0, 5) });
    await other.commit({ spans: free.slice(3, 7) });
    await store.commit({ spans: free.slice(4, 8) });
    await store.seal("r");
    await other.commit({ spans: free });
    await new TransactionalStore(open()).commit({ spans: [...free, ...spans] });
    expectSame(await store.spans({ runId: "r", afterSequence: 99 }), free, "any ids");
    expectSame((await store.spans({ runId: "r" })).length, 29, "in all");
    const foreign = { ...odd("r", 200, {}), spanId: "written by another tab" };
    await other.commit({ spans: [foreign] });
    await store.commit({ spans: updates("r", 200, 201) });
    await store.commit({ spans: [foreign] });
    expectSame((await store.spans({ runId: "r" })).length, 32, "what another tab wrote meanwhile");
  },

  async "keeps a training state bit for bit, without the rest of its buffer"(open) {
    const store = new TransactionalStore(open());
    await store.commit({ run: makeRun("r"), checkpoint: checkpointOf("r") });
    const stored = await new TransactionalStore(open()).checkpoint("r");
    expectSame(stored, checkpointOf("r"), "checkpoint");
    const { parameters } = stored!.state as TrainingState;
    expectSame(bits(parameters), bits(state().parameters), "bits");
    expectSame(parameters.buffer.byteLength, 20, "buffer");
    await store.commit({ checkpoint: { ...checkpointOf("r"), update: 4 } });
    expectSame((await store.checkpoint("r"))?.update, 4, "replaced");
    expectSame(await store.checkpoint("none"), undefined, "no such run");
  },

  async "commits run, spans and checkpoint together or not at all"(open) {
    const store = new TransactionalStore(open());
    await store.commit({ run: makeRun("r"), spans: updates("r", 1, 2) });
    const bad = { ...checkpointOf("r"), state: { ...state(), uncloneable: () => 0 } };
    const refused = await store
      .commit({ run: makeRun("r", { status: "succeeded" }), spans: updates("r", 3, 4), checkpoint: bad })
      .then(
        () => false,
        () => true,
      );
    expectSame(refused, true, "what cannot be cloned is refused");
    expectSame((await store.run("r"))?.status, "running", "run");
    expectSame((await store.spans({ runId: "r" })).length, 2, "spans");
    await expectCode(store.commit({ spans: updates("x", 1, 2) }), "store/unknown-run");
    await expectCode(store.commit({ spans: [odd("r", 0.5, {})] }), "store/invalid-span");
    await expectCode(store.commit({ spans: [odd("r", 9, { a: [1] as never })] }), "store/invalid-span");
  },

  async "deletes all of a run, and a late commit does not bring it back"(open) {
    const storage = open();
    const store = new TransactionalStore(storage);
    const other = new TransactionalStore(open());
    for (const id of ["r", "rr"]) {
      await store.commit({ run: makeRun(id), spans: updates(id, 1, 5), checkpoint: checkpointOf(id) });
      await store.seal(id);
      await other.commit({ spans: updates(id, 6, 9) });
    }
    await store.deleteRun("r");
    await store.deleteRun("none");
    await expectCode(other.commit({ run: makeRun("r"), spans: updates("r", 10, 12) }), "store/run-deleted");
    await expectCode(other.commit({ spans: updates("r", 10, 12) }), "store/run-deleted");
    await other.seal("r");
    expectSame(
      (await other.runs()).map(({ id }) => id),
      ["rr"],
      "runs",
    );
    expectSame(await other.spans({ runId: "r" }), [], "spans");
    expectSame(await other.checkpoint("r"), undefined, "checkpoint");
    expectSame(await other.spans({ runId: "rr" }), updates("rr", 1, 9), "the other run");
    const left = await storage.transaction(["tail", "segments", "blobs"], { mode: "readonly" }, async (t) =>
      Promise.all([t.list("tail", "r"), t.list("segments", "r"), t.list("blobs", "r")]),
    );
    expectSame(left, [[], [], []], "rows");
  },

  async "names a corrupt segment, sets it aside and reads the rest"(open) {
    const storage = open();
    const store = new TransactionalStore(storage);
    await store.commit({ run: makeRun("r") });
    for (const from of [1, 11, 21, 31]) {
      await store.commit({ spans: updates("r", from, from + 9) });
      await store.seal("r");
    }
    await store.commit({ spans: updates("r", 41, 45) });
    expectSame(await store.problems(), [], "none yet");
    await storage.transaction(["blobs"], { mode: "readwrite" }, async (transaction) => {
      const blob = (await transaction.get("blobs", ["r", 1]))!;
      blob[blob.length >> 1]! ^= 1;
      transaction.put("blobs", ["r", 1], blob);
      transaction.delete("blobs", ["r", 2]);
    });
    const expected = [...updates("r", 1, 10), ...updates("r", 31, 45)];
    const again = new TransactionalStore(open());
    expectSame(await again.spans({ runId: "r" }), expected, "the rest");
    expectSame(await again.spans({ runId: "r" }), expected, "the rest, again");
    expectSame((await curveColumns(again, "r")).step.length, 25, "curve");
    const problems = await new TransactionalStore(open()).problems();
    expectSame(
      problems.map(({ code, runId, segment }) => [code, runId, segment]),
      [
        ["store/corrupt-segment", "r", 1],
        ["store/corrupt-segment", "r", 2],
      ],
      "problems",
    );
    expectSame(/sequence 22 to 40\b.*checksum/.test(problems[0]!.message), true, problems[0]!.message);
    await again.commit({ spans: updates("r", 40, 50) });
    expectSame((await again.spans({ runId: "r" })).length, 30, "goes on");
  },

  async "reads a curve as columns from segments and tail"(open) {
    const store = new TransactionalStore(open());
    const spans = [...updates("r", 1, 40), evaluation("r", 20), evaluation("r", 40)];
    await store.commit({ run: makeRun("r"), spans: spans.slice(0, 25) });
    await store.seal("r");
    await store.commit({ spans: spans.slice(25) });
    const curve = await curveColumns(store, "r");
    const all = Array.from({ length: 40 }, (_, i) => metrics(i + 1));
    expectSame(
      curve.step,
      Float64Array.from(all, (m) => m.step),
      "step",
    );
    const keys = Object.keys(metrics(1)).filter((key) => key !== "step") as (keyof ReturnType<
      typeof metrics
    >)[];
    expectSame(Object.keys(curve.columns).sort(), [...keys].sort(), "columns");
    for (const key of keys)
      expectSame(
        curve.columns[key],
        Float64Array.from(all, (m) => m[key]),
        key,
      );
    expectSame(curve.evaluations.step, new Float64Array([1280, 2560]), "evaluation steps");
    expectSame(curve.evaluations.mean, new Float64Array([20 / 7, 40 / 7]), "means");
    expectSame(curve.evaluations.high, new Float64Array([20, 40]), "highest");
    expectSame((await curveColumns(store, "none")).step.length, 0, "no such run");
  },

  async "keeps settings and says what is used"(open) {
    const store = new TransactionalStore(open());
    await store.setSetting("draft", { text: "x", at: [1, 2] });
    await store.setSetting("gone", 1);
    await store.setSetting("gone", undefined);
    await store.commit({ run: makeRun("small"), spans: updates("small", 1, 5) });
    await store.commit({ run: makeRun("large"), spans: updates("large", 1, 500) });
    const again = new TransactionalStore(open());
    expectSame(await again.setting("draft"), { text: "x", at: [1, 2] }, "setting");
    expectSame(await again.setting("gone"), undefined, "removed");
    const usage = await again.usage();
    expectSame(
      usage.runs.map(({ runId }) => runId),
      ["large", "small"],
      "largest first",
    );
    expectSame(usage.bytes > 0, true, "bytes");
  },
};

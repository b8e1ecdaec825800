import { expect, test } from "vitest";
import { agenticUpdate } from "../../test/store/agentic-batch.ts";
import { makeRun, updates } from "../../test/store/contract.ts";
import { TransactionalStore } from "./lightning-store.ts";
import { MemoryStorage } from "./memory-storage.ts";
import type { ScannedBatch } from "./read.ts";

/** Four sealed segments (own spans and rollouts', twice) and a tail. */
async function stored(): Promise<{ store: TransactionalStore; storage: MemoryStorage }> {
  const storage = new MemoryStorage();
  const store = new TransactionalStore(storage);
  await store.commit({ run: makeRun("r") });
  for (const update of [1, 2, 3]) {
    const { rollouts, spans } = agenticUpdate("r", update, 8);
    await store.commit({ rollouts, spans });
    if (update < 3) await store.seal("r");
  }
  return { store, storage };
}

async function collect(batches: AsyncIterable<ScannedBatch>): Promise<ScannedBatch[]> {
  const all: ScannedBatch[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

const ids = (batches: readonly ScannedBatch[]): string[] =>
  batches.flatMap(({ columns }) => Array.from({ length: columns.length }, (_, row) => columns.spanIdAt(row)));

/** Response ids of sealed batches by their lists, and of a tail's rows by themselves. */
const responses = (batches: readonly ScannedBatch[]): number[][] =>
  batches.flatMap(({ columns, tokens }) => [
    ...tokens.flatMap(({ rows, responseIds }) =>
      Array.from(rows, (_, i) =>
        Array.from(responseIds.items.values.subarray(responseIds.offsets[i], responseIds.offsets[i + 1])),
      ),
    ),
    ...Array.from({ length: columns.length }, (_, row) => columns.spanAt(row).tokens).flatMap((own) =>
      own ? [Array.from(own.responseIds)] : [],
    ),
  ]);

test("a scan passes every span once, sealed or not, with its tokens", async () => {
  const { store } = await stored();
  const spans = await store.spans({ runId: "r" });
  const batches = await collect(store.scan({ runId: "r" }));
  expect(batches).toHaveLength(5);
  expect([...ids(batches)].sort()).toEqual(spans.map(({ spanId }) => spanId).sort());
  const wanted = spans.flatMap(({ tokens }) => (tokens ? [Array.from(tokens.responseIds)] : []));
  expect(responses(batches)).toEqual(wanted);
});

test("a scan opens only what may hold a wanted name, and no tokens where none are asked for", async () => {
  const { store } = await stored();
  const ownName = (await store.spans({ runId: "r", rolloutId: null }))[0]!.name;
  const batches = await collect(store.scan({ runId: "r", name: ownName, tokens: false }));
  // The two segments of the run's own spans, and the tail, which is not searched.
  expect(batches.map(({ columns }) => columns.length)).toEqual([1, 1, 25]);
  expect(batches.flatMap(({ tokens }) => tokens)).toEqual([]);
  const whole = await collect(store.scan({ runId: "r", tokens: false }));
  expect(responses(whole.slice(0, -1))).toEqual([]);
});

test("a scan passes over a damaged segment and names it", async () => {
  const { store, storage } = await stored();
  await storage.transaction(["blobs"], { mode: "readwrite" }, (transaction) => {
    transaction.delete("blobs", ["r", 1]);
    return Promise.resolve();
  });
  const batches = await collect(store.scan({ runId: "r" }));
  expect(batches).toHaveLength(4);
  expect((await store.problems()).map(({ code, segment }) => [code, segment])).toEqual([
    ["store/corrupt-segment", 1],
  ]);
});

test("updates alone are scanned in the order of writing", async () => {
  const store = new TransactionalStore(new MemoryStorage());
  await store.commit({ run: makeRun("r"), spans: updates("r", 1, 5000) });
  await store.commit({ spans: updates("r", 5001, 5010) });
  const batches = await collect(store.scan({ runId: "r" }));
  const sequences = batches.flatMap(({ columns }) => Array.from(columns.sequence));
  expect(sequences).toEqual(Array.from({ length: 5010 }, (_, i) => 2 * (i + 1)));
});

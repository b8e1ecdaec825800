import { auditStorage } from "../../test/store/audit.ts";
import { describe, expect, test } from "vitest";
import { agenticContract } from "../../test/store/agentic-contract.ts";
import { agenticUpdate } from "../../test/store/agentic-batch.ts";
import { contract, expectCode, makeRun, updates } from "../../test/store/contract.ts";
import golden3 from "../../test/fixtures/store-version-3.json";
import golden4 from "../../test/fixtures/store-version-4.json";
import golden5 from "../../test/fixtures/store-version-5.json";
import { checkGolden, makeGolden } from "../../test/store/golden-content.ts";
import { FaultyStorage } from "../../test/store/faulty-storage.ts";
import { decodeGolden, encodeGolden } from "../../test/store/golden-json.ts";
import { queueContract } from "../../test/store/queue-contract.ts";
import { upkeepContract } from "../../test/store/upkeep-contract.ts";
import { workspaceContract } from "../../test/store/workspace-contract.ts";
import { checkMigrated, version1Tables } from "../../test/store/version-1.ts";
import { checkMigratedFrom2, version2Tables } from "../../test/store/version-2.ts";
import { crc32 } from "./crc32.ts";
import { xxh32 } from "./xxh32.ts";
import type { StoreChange } from "./access.ts";
import type { Commit } from "./records.ts";
import { TransactionalStore } from "./lightning-store.ts";
import { MemoryStorage, type StoredTables } from "./memory-storage.ts";
import { schemaVersion, StorageFailure, type Storage, type StorageFailureKind } from "./storage.ts";

describe("the store over memory", () => {
  for (const [name, run] of Object.entries({
    ...contract,
    ...agenticContract,
    ...queueContract,
    ...upkeepContract,
    ...workspaceContract,
  })) {
    test(name, async () => {
      const storage = new MemoryStorage();
      await run(() => storage);
    });
  }
});

test("version 1 is brought up to date, and nothing of it is lost", async () => {
  await checkMigrated(new MemoryStorage(version1Tables));
});

test("version 2 is brought up to date, and nothing of it is lost", async () => {
  await checkMigratedFrom2(new MemoryStorage(version2Tables));
});

test("version 3 is brought up to date, and nothing of it is lost", async () => {
  await checkGolden(new MemoryStorage(decodeGolden(golden3.tables) as StoredTables), golden3);
});

test("version 4 is brought up to date, and nothing of it is lost", async () => {
  await checkGolden(new MemoryStorage(decodeGolden(golden4.tables) as StoredTables), golden4);
});

test("this version writes what its golden file has: where it does not, the schema needs a new number", async () => {
  const { schemaVersion: written, tables, expected } = golden5;
  expect(written).toBe(schemaVersion);
  expect(JSON.parse(encodeGolden(await makeGolden()))).toEqual({ tables, expected });
  await checkGolden(new MemoryStorage(decodeGolden(tables) as StoredTables), golden5);
});

/** Fails as told, before or after the transaction took effect. */
function faulty(inner: Storage): { storage: Storage; faults: (StorageFailureKind | "lost-after")[] } {
  const faults: (StorageFailureKind | "lost-after")[] = [];
  const storage: Storage = {
    transaction: async (tables, options, body) => {
      const fault = options.mode === "readwrite" ? faults.shift() : undefined;
      if (fault && fault !== "lost-after") throw new StorageFailure(fault, "told to");
      const result = await inner.transaction(tables, options, body);
      if (fault) throw new StorageFailure("lost", "told to");
      return result;
    },
    estimate: () => Promise.resolve({ bytes: 12_345_678, quota: 12_400_000, persisted: false }),
    persist: () => inner.persist(),
    close: () => {
      inner.close();
    },
  };
  return { storage, faults };
}

describe("when the disk refuses", () => {
  test("a full disk names the largest runs, and what was acknowledged stays", async () => {
    const { storage, faults } = faulty(new MemoryStorage());
    const store = new TransactionalStore(storage);
    await store.commit({ run: makeRun("a", { name: "Pole" }), spans: updates("a", 1, 300) });
    await store.commit({ run: makeRun("b"), spans: updates("b", 1, 10) });
    // Tried again with its size counted anew.
    faults.push("full", "full", "full");
    const error = await expectCode(store.commit({ spans: updates("b", 11, 20) }), "store/full");
    expect(error.message).toContain("12 MB");
    expect(error.fix).toMatch(/"Pole" \(\d+ kB, a\), "run b"/);
    expect(await store.spans({ runId: "b" })).toHaveLength(10);
  });

  test("a full disk takes what only deletes: a run goes at once, for all tabs", async () => {
    const disk = new FaultyStorage(new MemoryStorage());
    const [store, other] = [new TransactionalStore(disk), new TransactionalStore(disk)];
    const shown = (policy: string): Parameters<typeof store.resources.keep>[1] => ({
      policy: { type: "prompt_template", template: policy, engine: "f-string" },
    });
    await store.resources.keep("cell", shown("first"), "b");
    await store.commit({ run: makeRun("b", { resources: { id: "cell", version: 1 } }) });
    await store.commit({ spans: updates("b", 1, 10) });
    await store.resources.keep("cell", shown("second"), "a");
    await store.commit({ run: makeRun("a", { resources: { id: "cell", version: 2 } }) });
    await store.commit({ spans: updates("a", 1, 1500) });
    await store.commit(agenticUpdate("a", 1, 20));
    await store.seal("a");
    // The other tab knows the segments and writes the tail.
    await other.commit({ spans: updates("a", 1501, 1510) });
    expect((await other.spans({ runId: "a" })).length).toBeGreaterThan(1510);
    const told: StoreChange[] = [];
    store.subscribe((change) => told.push(change));

    disk.full = true;
    await expectCode(store.commit({ spans: updates("b", 11, 20) }), "store/full");
    await store.deleteRun("a");
    const expectGone = async (tab: TransactionalStore): Promise<void> => {
      expect((await tab.runs()).map(({ id }) => id)).toEqual(["b"]);
      expect((await tab.usage()).runs.map(({ runId }) => runId)).toEqual(["b"]);
      expect(await tab.spans({ runId: "a" })).toEqual([]);
      expect(await tab.statistics()).toEqual(await tab.statistics("b"));
      expect(await tab.findRollouts()).toMatchObject({ items: [], total: 0 });
      expect(await tab.problems()).toEqual([]);
      expect(await tab.resources.get("cell")).toMatchObject({ version: 1, resources: shown("first") });
      expect((await tab.resources.find()).items.map(({ version }) => version)).toEqual([1]);
      expect(await auditStorage(disk)).toEqual([]);
    };
    for (const tab of [store, other, new TransactionalStore(disk)]) await expectGone(tab);
    expect(told.map(({ runId, removed }) => [runId, removed])).toEqual([["a", true]]);

    disk.full = false;
    // Before anybody could note it: whoever wrote to the run, or starts it, is told, and brings no half of it back.
    const late: Commit[] = [
      { spans: updates("a", 1511, 1520) },
      { run: makeRun("a"), spans: updates("a", 1, 1510) },
      agenticUpdate("a", 2, 2),
    ];
    for (const commit of late) await expectCode(other.commit(commit), "store/run-deleted");
    await other.seal("a");
    await other.compact("a");
    for (const tab of [store, other, new TransactionalStore(disk)]) await expectGone(tab);
    // Room comes later than the deletion: whoever waits in this tab is told for a while.
    await expect.poll(() => told.length, { timeout: 5000 }).toBeGreaterThan(2);
    expect(told[1]).toEqual({ runId: null, kinds: ["runs"], removed: true });
    store.close();
    expect(await other.resources.keep("cell", shown("third"), "c")).toMatchObject({ version: 3 });
  });

  test("a lost connection is tried once more, and nothing is written twice", async () => {
    const { storage, faults } = faulty(new MemoryStorage());
    const store = new TransactionalStore(storage);
    faults.push("lost");
    await store.commit({ run: makeRun("a"), spans: updates("a", 1, 3) });
    faults.push("lost-after");
    const free = updates("a", 4, 6).map((span) => ({ ...span, spanId: `free-${span.sequence}` }));
    await store.commit({ spans: [...updates("a", 4, 6), ...free] });
    faults.push("lost-after");
    await store.seal("a");
    expect(await store.spans({ runId: "a" })).toHaveLength(9);
    faults.push("lost", "lost");
    await expectCode(store.commit({ spans: updates("a", 7, 8) }), "store/failed");
    await store.commit({ spans: updates("a", 7, 8) });
    expect(await store.spans({ runId: "a" })).toHaveLength(11);
  });

  test("a seal that fails costs the commit nothing and is a problem until it succeeds", async () => {
    const { storage, faults } = faulty(new MemoryStorage());
    const store = new TransactionalStore(storage);
    await store.commit({ run: makeRun("a"), spans: updates("a", 1, 750) });
    await store.commit({ spans: updates("a", 751, 1500) });
    const fail = async (): Promise<void> => {
      // The commit passes, its seal does not.
      const inner = storage.transaction.bind(storage);
      let writes = 0;
      Object.assign(storage, {
        transaction: (...parameters: Parameters<Storage["transaction"]>) => {
          if (parameters[1].mode === "readwrite" && ++writes === 2) faults.push("full", "full", "full");
          return inner(...parameters);
        },
      });
      await store.commit({ spans: updates("a", 1501, 2000) });
      Object.assign(storage, { transaction: inner });
    };
    await fail();
    expect((await store.problems()).map(({ code }) => code)).toEqual(["store/full"]);
    expect(await store.spans({ runId: "a" })).toHaveLength(2000);
    await store.seal("a");
    expect(await store.problems()).toEqual([]);
    expect(await store.spans({ runId: "a" })).toHaveLength(2000);
  });
});

test("xxh32 gives the values of its specification, at every length and alignment", () => {
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  expect(xxh32(text(""))).toBe(0x02cc5d05);
  expect(xxh32(text("abc"))).toBe(0x32d153ff);
  expect(xxh32(text("Nobody inspects the spammish repetition"))).toBe(0xe2293b2f);
  const whole = text("Nobody inspects the spammish repetition, nobody");
  const shifted = new Uint8Array(whole.length + 1);
  shifted.set(whole, 1);
  expect(xxh32(shifted.subarray(1))).toBe(xxh32(whole));
});

test("crc32 gives the check value of its catalogue entry, at every alignment", () => {
  const bytes = new TextEncoder().encode("123456789");
  expect(crc32(bytes)).toBe(0xcbf43926);
  expect(crc32(new Uint8Array())).toBe(0);
  expect(crc32(new TextEncoder().encode("The quick brown fox jumps over the lazy dog"))).toBe(0x414fa339);
});

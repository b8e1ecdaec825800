import * as nodeFiles from "node:fs";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { FolderStorage } from "../../src/store/folder-storage.ts";
import { TransactionalStore } from "../../src/store/lightning-store.ts";
import { MemoryStorage } from "../../src/store/memory-storage.ts";
import { openStore } from "../../src/store/open.ts";
import { agenticContract } from "./agentic-contract.ts";
import { contract, makeRun, updates } from "./contract.ts";
import { faults, FaultyStorage, type Fault } from "./faulty-storage.ts";

const folders: string[] = [];
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "fulgurite-folder-"));
  folders.push(folder);
  return folder;
}
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

type Step = "seal" | "many" | { readonly commits: readonly number[] };

/** What a writer does: commits of some spans, several at once, and seals between them. */
const plan: fc.Arbitrary<Step[]> = fc.array<Step>(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        commits: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
      }),
    },
    { weight: 1, arbitrary: fc.constant("seal" as const) },
    { weight: 1, arbitrary: fc.constant("many" as const) },
  ),
  { minLength: 1, maxLength: 8 },
);
const faultList = fc.array(fc.constantFrom<Fault>(...faults), { maxLength: 24 });

/** Follows the plan; the numbers of the updates that were acknowledged, and of those that were tried. */
async function follow(
  store: TransactionalStore,
  steps: readonly Step[],
): Promise<{ acknowledged: number[]; tried: number }> {
  const acknowledged: number[] = [];
  let next = 1;
  const commit = async (count: number): Promise<void> => {
    const spans = updates("r", next, next + count - 1);
    next += count;
    await store.commit({ run: makeRun("r"), spans }).then(
      () => acknowledged.push(...spans.map((span) => Number(span.attributes["update"]))),
      () => null,
    );
  };
  for (const step of steps) {
    if (step === "seal") await store.seal("r").catch(() => null);
    else if (step === "many") await commit(2100);
    else await Promise.all(step.commits.map(commit));
  }
  return { acknowledged, tried: next - 1 };
}

async function expectKept(
  storage: MemoryStorage | FolderStorage,
  { acknowledged, tried }: { acknowledged: number[]; tried: number },
): Promise<void> {
  const store = new TransactionalStore(storage);
  const found = (await store.spans({ runId: "r" })).map((span) => Number(span.attributes["update"]));
  const once = new Set(found);
  // Once, in order, nothing that nobody wrote, and everything that was acknowledged.
  expect(once.size).toBe(found.length);
  expect(found).toEqual([...found].sort((a, b) => a - b));
  expect(found.every((update) => update >= 1 && update <= tried)).toBe(true);
  expect(acknowledged.filter((update) => !once.has(update))).toEqual([]);
  const tables = ["bookkeeping", "segments", "blobs", "tokens", "tail"] as const;
  const [books, segments, blobs] = await storage.transaction(tables, { mode: "readonly" }, (transaction) =>
    Promise.all([transaction.list("bookkeeping"), transaction.list("segments"), transaction.list("blobs")]),
  );
  // No blob without its catalogue row, and the counts are right.
  expect(blobs.map(({ key }) => key)).toEqual(segments.map(({ key }) => key));
  const sealed = segments.reduce((sum, { value }) => sum + value.rows, 0);
  expect((books[0]?.value.tailRows ?? 0) + sealed).toBe(found.length);
}

describe("acknowledged means present, once, in order", () => {
  test("whatever the disk does to the transactions", async () => {
    await fc.assert(
      fc.asyncProperty(plan, faultList, async (steps, list) => {
        const storage = new MemoryStorage();
        const outcome = await follow(new TransactionalStore(new FaultyStorage(storage, list)), steps);
        await expectKept(storage, outcome);
      }),
      { numRuns: 60 },
    );
  }, 120_000);

  test("wherever the write to a file stops", async () => {
    await fc.assert(
      fc.asyncProperty(plan, fc.integer({ min: 0, max: 60_000 }), async (steps, room) => {
        const folder = newFolder();
        let left = room;
        const full = {
          ...nodeFiles,
          // As a disk that fills up: it takes what fits, then refuses, and later somebody makes room.
          writeSync: (file: number, bytes: Uint8Array, offset: number, length: number): number => {
            if (left === 0) {
              left = Infinity;
              throw Object.assign(new Error("no space"), { code: "ENOSPC" });
            }
            const fits = Math.min(left, length);
            left -= fits;
            return nodeFiles.writeSync(file, bytes, offset, fits);
          },
        } as typeof nodeFiles;
        const storage = new FolderStorage(folder, full);
        const outcome = await follow(new TransactionalStore(storage), steps);
        storage.close();
        const again = new FolderStorage(folder);
        await expectKept(again, outcome);
        again.close();
      }),
      { numRuns: 25 },
    );
  }, 120_000);
});

describe("the store over a folder", () => {
  for (const [name, run] of Object.entries({ ...contract, ...agenticContract })) {
    test(name, async () => {
      const storage = new FolderStorage(newFolder());
      await run(() => storage);
    });
  }

  test("is there when the folder is opened again, and a torn last frame is cut off", async () => {
    const folder = newFolder();
    const store = await openStore({ folder });
    await store.commit({ run: makeRun("r"), spans: updates("r", 1, 2100) });
    await store.commit({ spans: updates("r", 2101, 2110) });
    const before = await store.spans({ runId: "r" });
    store.close();
    const log = join(folder, "store.log");
    const whole = readFileSync(log);
    writeFileSync(log, Buffer.concat([whole, whole.subarray(0, 1000)]));
    const second = await openStore({ folder });
    expect(await second.spans({ runId: "r" })).toEqual(before);
    second.close();
    truncateSync(log, whole.length - 1);
    const third = await openStore({ folder });
    expect(await third.spans({ runId: "r" })).toEqual(before.slice(0, 2100));
    await third.commit({ spans: updates("r", 2101, 2102) });
    third.close();
    const fourth = await openStore({ folder });
    expect(await fourth.spans({ runId: "r" })).toHaveLength(2102);
    fourth.close();
  });

  test("is of one process at a time, and of the next where that one was killed", async () => {
    const folder = newFolder();
    const store = await openStore({ folder });
    await expect(openStore({ folder })).rejects.toMatchObject({ code: "store/locked" });
    store.close();
    // No process has this number.
    writeFileSync(join(folder, "lock"), "4194305");
    const next = await openStore({ folder });
    next.close();
  });
});

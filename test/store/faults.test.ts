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
import type { Span } from "../../src/store/records.ts";
import type { Storage } from "../../src/store/storage.ts";
import { agenticUpdate } from "./agentic-batch.ts";
import { agenticContract } from "./agentic-contract.ts";
import { auditStorage } from "./audit.ts";
import { contract, expectSame, makeRun, updates } from "./contract.ts";
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

type Step =
  | "seal"
  | "many"
  | "rollouts"
  /** The last commit once more, as a caller does that heard nothing or an error. */
  | "again"
  /** Commits of so many spans, all at once. */
  | { readonly commits: readonly number[] };

/** What two tabs do in turn: commits of some spans, several at once, rollouts with tokens, and seals between them. */
const plan: fc.Arbitrary<{ readonly tab: number; readonly step: Step }[]> = fc.array(
  fc.record({
    tab: fc.integer({ min: 0, max: 1 }),
    step: fc.oneof<[fc.WeightedArbitrary<Step>, ...fc.WeightedArbitrary<Step>[]]>(
      {
        weight: 4,
        arbitrary: fc.record({
          commits: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
        }),
      },
      { weight: 1, arbitrary: fc.constant("seal") },
      { weight: 1, arbitrary: fc.constant("many") },
      { weight: 2, arbitrary: fc.constant("rollouts") },
      { weight: 3, arbitrary: fc.constant("again") },
    ),
  }),
  { minLength: 1, maxLength: 10 },
);
const faultList = fc.array(fc.constantFrom<Fault>(...faults), { maxLength: 24 });

/** What was written: numbers of updates, and of the updates whose rollouts were. */
interface Outcome {
  readonly updates: number[];
  readonly rollouts: number[];
  readonly triedUpdates: number;
  readonly triedRollouts: number;
}

const rolloutsOfUpdate = 3;

/** Follows the plan; what of it was acknowledged. After a crash the tabs are opened anew. */
async function follow(
  storage: Storage & { readonly crashes?: number },
  steps: readonly { readonly tab: number; readonly step: Step }[],
): Promise<Outcome> {
  const openTabs = (): TransactionalStore[] => [0, 1].map(() => new TransactionalStore(storage));
  let tabs = openTabs();
  let crashes = 0;
  const done: { updates: number[]; rollouts: number[] } = { updates: [], rollouts: [] };
  let next = 1;
  let nextRollouts = 1;
  let last: readonly Span[] = [];
  const send = async (store: TransactionalStore, spans: readonly Span[]): Promise<void> => {
    last = spans;
    await store.commit({ run: makeRun("r"), spans }).then(
      () => done.updates.push(...spans.map((span) => Number(span.attributes["update"]))),
      () => null,
    );
  };
  const commit = (store: TransactionalStore, count: number): Promise<void> => {
    const spans = updates("r", next, next + count - 1);
    next += count;
    // One whose id says nothing about whether it is new.
    return send(store, [...spans.slice(0, -1), { ...spans.at(-1)!, spanId: `free-${next}` }]);
  };
  for (const { tab, step } of steps) {
    if ((storage.crashes ?? 0) !== crashes) {
      crashes = storage.crashes ?? 0;
      tabs = openTabs();
    }
    const store = tabs[tab]!;
    if (step === "seal") await store.seal("r").catch(() => null);
    else if (step === "again") await send(store, last);
    else if (step === "many") await commit(store, 2100);
    else if (step === "rollouts") {
      const update = nextRollouts++;
      const { rollouts, spans } = agenticUpdate("r", update, rolloutsOfUpdate);
      const traces = spans.filter(({ rolloutId }) => rolloutId !== null);
      await store.commit({ run: makeRun("r"), rollouts, spans: traces }).then(
        () => done.rollouts.push(update),
        () => null,
      );
    } else await Promise.all(step.commits.map((count) => commit(store, count)));
  }
  return { ...done, triedUpdates: next - 1, triedRollouts: nextRollouts - 1 };
}

async function expectKept(storage: Storage, outcome: Outcome): Promise<void> {
  const store = new TransactionalStore(storage);
  const spans = await store.spans({ runId: "r" });
  const found = spans
    .filter(({ rolloutId }) => rolloutId === null)
    .map((span) => Number(span.attributes["update"]));
  const once = new Set(found);
  // Once, in order, nothing that nobody wrote, and everything that was acknowledged.
  expect(once.size).toBe(found.length);
  expect(found).toEqual([...found].sort((a, b) => a - b));
  expect(found.every((update) => update >= 1 && update <= outcome.triedUpdates)).toBe(true);
  expect(outcome.updates.filter((update) => !once.has(update))).toEqual([]);
  // Rollouts and their traces come together, to the bit, or not at all.
  const rollouts = await store.rollouts({ runId: "r" });
  const made = [...new Set(rollouts.map(({ update }) => update))];
  expect(outcome.rollouts.filter((update) => !made.includes(update))).toEqual([]);
  expect(made.every((update) => update >= 1 && update <= outcome.triedRollouts)).toBe(true);
  const wanted = made.map((update) => agenticUpdate("r", update, rolloutsOfUpdate));
  expectSame(
    rollouts,
    wanted.flatMap((each) => each.rollouts),
    "rollouts",
  );
  expectSame(
    spans.filter(({ rolloutId }) => rolloutId !== null),
    wanted.flatMap((each) => each.spans.filter(({ rolloutId }) => rolloutId !== null)),
    "traces",
  );
  expect(await auditStorage(storage)).toEqual([]);
}

describe("acknowledged means present, once, in order", () => {
  test("in memory, without a fault", async () => {
    await fc.assert(
      fc.asyncProperty(plan, async (steps) => {
        const storage = new MemoryStorage();
        const outcome = await follow(storage, steps);
        await expectKept(storage, outcome);
        const store = new TransactionalStore(storage);
        expect(await store.rollouts({ runId: "r" })).toHaveLength(rolloutsOfUpdate * outcome.triedRollouts);
        const own = await store.spans({ runId: "r", rolloutId: null });
        expect(own).toHaveLength(outcome.triedUpdates);
      }),
      { numRuns: 14 },
    );
  }, 120_000);

  test("whatever the disk does to the transactions", async () => {
    const happened = new Set<Fault>();
    await fc.assert(
      fc.asyncProperty(plan, faultList, async (steps, list) => {
        const storage = new MemoryStorage();
        const faulty = new FaultyStorage(storage, list);
        await expectKept(storage, await follow(faulty, steps));
        for (const fault of faulty.happened.keys()) happened.add(fault);
      }),
      { numRuns: 60 },
    );
    expect([...happened].sort()).toEqual([...faults].sort());
  }, 120_000);

  test("whatever happens to the transactions over a folder", async () => {
    const happened = new Set<Fault>();
    await fc.assert(
      fc.asyncProperty(plan, faultList, async (steps, list) => {
        const folder = newFolder();
        const storage = new FolderStorage(folder);
        const faulty = new FaultyStorage(storage, list);
        const outcome = await follow(faulty, steps);
        storage.close();
        for (const fault of faulty.happened.keys()) happened.add(fault);
        const again = new FolderStorage(folder);
        await expectKept(again, outcome);
        again.close();
      }),
      { numRuns: 15 },
    );
    expect([...happened].sort()).toEqual([...faults].sort());
  }, 60_000);

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
        const outcome = await follow(storage, steps);
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

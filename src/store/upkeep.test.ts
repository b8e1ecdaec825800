import { expect, test } from "vitest";
import { faults, FaultyStorage } from "../../test/store/faulty-storage.ts";
import { checkWhole } from "../../test/store/audit.ts";
import { smallSegments } from "../../test/store/upkeep-contract.ts";
import { planCompaction } from "./compaction.ts";
import { TransactionalStore } from "./lightning-store.ts";
import { MemoryStorage } from "./memory-storage.ts";
import type { Segment } from "./storage.ts";

/** A segment of rollouts, or of the run's own spans. */
const segment = (number: number, rows: number, own = false, more: Partial<Segment> = {}): Segment => ({
  runId: "r",
  number,
  rows,
  minSequence: 0,
  maxSequence: 0,
  minTime: 0,
  maxTime: 0,
  names: [],
  rollouts: { ranges: Int32Array.from(own ? [] : [number, number]), others: [], none: own },
  byteLength: 1,
  damage: null,
  tokens: null,
  ...more,
});

const plan = (segments: readonly Segment[], all: boolean): number[][] =>
  planCompaction(segments, all).map((group) => group.map(({ number }) => number));

test("small neighbours of one kind are joined, full ones and damaged ones are not", () => {
  const rows = [1990, 8, 1992, 9, 2000, 7, 300, 200];
  const segments = rows.map((count, i) => segment(i, count, count < 10));
  expect(plan(segments, true)).toEqual([
    [1, 3, 5],
    [4, 6, 7],
  ]);
  // 2,000 rows do not move for 500.
  expect(plan(segments, false)).toEqual([[1, 3, 5]]);
  const damaged = segments.map((one) => (one.number === 3 ? { ...one, damage: "told to" } : one));
  expect(plan(damaged, true)).toEqual([
    [1, 5],
    [4, 6, 7],
  ]);
  expect(plan([segment(0, 900), segment(1, 900, false, { rollouts: null })], true)).toEqual([]);
  expect(plan([segment(0, 3097), segment(1, 999), segment(2, 1)], true)).toEqual([[0, 1]]);
});

test("whatever goes wrong while segments are joined or rollouts deleted, all or nothing happens", async () => {
  for (const fault of faults) {
    const memory = new MemoryStorage();
    await smallSegments(new TransactionalStore(memory), "r", 4);
    const before = await new TransactionalStore(memory).spans({ runId: "r" });
    const joining = new TransactionalStore(new FaultyStorage(memory, [fault]));
    await joining.compact("r").catch(() => null);
    const segments = await checkWhole(memory, "r");
    expect([2, 6]).toContain(segments);
    expect(await joining.spans({ runId: "r" })).toEqual(before);
    const deleting = new TransactionalStore(new FaultyStorage(memory, [fault]));
    await deleting.deleteRollouts("r", [1, 30]).catch(() => null);
    await checkWhole(memory, "r");
    const left = (await deleting.spans({ runId: "r" })).length;
    expect([before.length, before.length - 6]).toContain(left);
    expect((await deleting.rollouts({ runId: "r" })).length).toBe(left === before.length ? 32 : 30);
  }
});

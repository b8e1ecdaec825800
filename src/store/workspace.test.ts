import fc from "fast-check";
import { expect, test } from "vitest";
import { agenticUpdate } from "../../test/store/agentic-batch.ts";
import { makeRun, updates } from "../../test/store/contract.ts";
import { FaultyStorage, type Fault } from "../../test/store/faulty-storage.ts";
import { writeGoldenContent } from "../../test/store/golden-content.ts";
import { checkWhole } from "../../test/store/audit.ts";
import { savedWorkspace, workspaceContent } from "../../test/store/workspace-contract.ts";
import { TransactionalStore } from "./lightning-store.ts";
import { MemoryStorage } from "./memory-storage.ts";

test("whatever a workspace holds is the same in the copy", async () => {
  const step = fc.record({
    run: fc.constantFrom("a", "b", "c"),
    what: fc.constantFrom("updates", "rollouts", "seal", "compact", "delete", "end"),
    update: fc.integer({ min: 1, max: 4 }),
  });
  const property = fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
    const storage = new MemoryStorage();
    const store = new TransactionalStore(storage);
    for (const { run, what, update } of steps) {
      await store.commit({ run: makeRun(run) }).catch(() => null);
      const wanted = {
        updates: () => store.commit({ spans: updates(run, update, update + 3) }),
        rollouts: () => store.commit(agenticUpdate(run, update, 4)),
        seal: () => store.seal(run),
        compact: () => store.compact(run),
        delete: () => store.deleteRun(run),
        end: () => store.commit({ run: makeRun(run, { status: "succeeded" }) }),
      };
      await wanted[what]().catch(() => null);
    }
    const copy = new MemoryStorage();
    const { runs } = await new TransactionalStore(copy).openWorkspace(await savedWorkspace(store));
    for (const runId of runs) await checkWhole(copy, runId);
    expect(await workspaceContent(copy)).toEqual(await workspaceContent(storage));
  });
  await fc.assert(property, { numRuns: 25 });
});

test("an opening that is cut short anywhere leaves whole runs only, and the next one finishes it", async () => {
  const source = new MemoryStorage();
  await writeGoldenContent(source);
  const file = await savedWorkspace(new TransactionalStore(source));
  const expected = await workspaceContent(source);
  let cut = 0;
  for (let at = 0; at < 40; at++) {
    const target = new MemoryStorage();
    // A refusal is tried once more, with the figure of what is used counted anew.
    const faults = Array.from({ length: 3 * at + 3 }, (_, i): Fault => (i < 3 * at ? "none" : "quota"));
    const store = new TransactionalStore(new FaultyStorage(target, faults));
    const opened = await store.openWorkspace(file).catch(() => null);
    if (opened) break;
    cut++;
    const after = new TransactionalStore(target);
    for (const { id } of await after.runs()) await checkWhole(target, id);
    await after.openWorkspace(file);
    expect(await workspaceContent(target)).toEqual(expected);
    for (const { id } of await after.runs()) await checkWhole(target, id);
  }
  expect(cut).toBeGreaterThan(3);
});

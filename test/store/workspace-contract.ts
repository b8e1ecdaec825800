import { encodeCloneable } from "../../src/adapter/exchange/cloneable-json.ts";
import { TransactionalStore } from "../../src/store/lightning-store.ts";
import { MemoryStorage } from "../../src/store/memory-storage.ts";
import type { LightningStore } from "../../src/store/records.ts";
import type { Storage } from "../../src/store/storage.ts";
import { agenticUpdate, makeRollout } from "./agentic-batch.ts";
import { checkWhole } from "./audit.ts";
import { expectCode, expectSame, makeRun, updates, type OpenStorage } from "./contract.ts";
import { readGoldenContent, writeGoldenContent } from "./golden-content.ts";

/** All pieces of the saved workspace as one file. */
export async function savedWorkspace(store: LightningStore): Promise<Blob> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of store.saveWorkspace()) pieces.push(piece);
  return new Blob(pieces);
}

/** What a copy must have; the feed has its rollouts run by run, under cursors of its own. */
export async function workspaceContent(storage: Storage): Promise<unknown> {
  const { feed, ...content } = await readGoldenContent(storage);
  const { items } = feed as { readonly items: readonly { readonly runId: string }[] };
  return {
    ...content,
    feed: [...items].sort((a, b) => Number(a.runId > b.runId) - Number(a.runId < b.runId)),
  };
}

export const workspaceContract: Readonly<Record<string, (open: OpenStorage) => Promise<void>>> = {
  async "a saved workspace is the same elsewhere, where it was begun already, and in a store of its own"(
    open,
  ) {
    const source = new MemoryStorage();
    await writeGoldenContent(source);
    const expected = await workspaceContent(source);
    const file = await savedWorkspace(new TransactionalStore(source));
    const target = open();
    const store = new TransactionalStore(target);
    expectSame(
      await store.openWorkspace(file),
      { runs: ["01A", "01B", "01D", "outside"], kept: [] },
      "opened",
    );
    expectSame(await workspaceContent(target), expected, "content");
    for (const runId of ["01A", "01B", "01D", "outside"]) await checkWhole(target, runId);
    expectSame((await store.openWorkspace(file)).kept, ["01A", "01B", "01D", "outside"], "again");
    expectSame(await workspaceContent(target), expected, "nothing twice");
    const back = new MemoryStorage();
    await new TransactionalStore(back).openWorkspace(await savedWorkspace(store));
    expectSame(await workspaceContent(back), expected, "and back");
    await store.deleteRun("01B");
    await store.openWorkspace(file);
    expectSame((await store.spans({ runId: "01B" })).length > 70, true, "after it was deleted");
    expectSame((await store.queue.dequeue({ limit: 9 })).length, 1, "what waits, once");
  },

  async "whatever a task is made of is kept, and saved"(open) {
    const task = {
      map: new Map<unknown, unknown>([["a", new Set([1n, Number.NaN, -0])]]),
      when: [new Date(5), new Date(Number.NaN)],
      pattern: /a+/gi,
      wrong: new RangeError("too far"),
      bytes: [Uint8ClampedArray.of(1, 300), BigInt64Array.of(-1n), new DataView(new ArrayBuffer(3))],
      buffer: Uint8Array.of(1, 2, 3).buffer,
      $: ["map", []],
      none: undefined,
    };
    const text = (value: unknown): string => JSON.stringify(encodeCloneable(value));
    const kept = async (store: LightningStore): Promise<string> =>
      text((await store.rollouts({ runId: "r" }))[0]?.task);
    const store = new TransactionalStore(open());
    await store.commit({
      run: makeRun("r", { kind: "agentic" }),
      rollouts: [makeRollout("r", 0, 1, { task })],
    });
    expectSame(await kept(new TransactionalStore(open())), text(task), "kept");
    const copy = new TransactionalStore(new MemoryStorage());
    await copy.openWorkspace(await savedWorkspace(store));
    expectSame(await kept(copy), text(task), "saved");
  },

  async "what is here stays as it is"(open) {
    const source = new MemoryStorage();
    await writeGoldenContent(source);
    const start = {
      policy: { type: "code", role: "agent", source: "", constants: new Float32Array(3) },
    } as const;
    await new TransactionalStore(source).resources.update("01B/start", start, "01B");
    const file = await savedWorkspace(new TransactionalStore(source));
    const store = new TransactionalStore(open());
    const other = { x: { type: "prompt_template", template: "mine", engine: "jinja" } } as const;
    await store.resources.keep("cell", other, "01A");
    await store.setSetting("draft/cartpole", "mine");
    await store.commit({ run: makeRun("01A", { name: "mine" }), spans: updates("01A", 1, 3) });
    expectSame(await store.openWorkspace(file), { runs: ["01B", "01D", "outside"], kept: ["01A"] }, "opened");
    expectSame((await store.run("01A"))?.name, "mine", "run");
    expectSame((await store.spans({ runId: "01A" })).length, 3, "spans");
    expectSame(await store.setting("draft/cartpole"), "mine", "setting");
    const { id, version } = (await store.run("01B"))!.resources!;
    expectSame((await store.resources.get("cell", 1))?.resources, other, "version 1");
    expectSame(
      (await store.resources.get(id, version))?.resources,
      (await new TransactionalStore(source).resources.get("cell", 1))?.resources,
      "what the run was started with",
    );
    expectSame((await store.resources.get("01B/start"))?.resources, start, "what its policy began with");
    const { spans } = agenticUpdate("01B", 2, 8);
    const before = (await store.spans({ runId: "01B" })).length;
    await store.commit({ spans });
    expectSame((await store.spans({ runId: "01B" })).length, before, "goes on");
  },

  async "a damaged file, a cut one and a foreign one change nothing"(open) {
    const source = new MemoryStorage();
    await writeGoldenContent(source);
    const file = await savedWorkspace(new TransactionalStore(source));
    const bytes = new Uint8Array(await file.arrayBuffer());
    const store = new TransactionalStore(open());
    const refused = async (content: Uint8Array<ArrayBuffer>, code: string): Promise<void> => {
      await expectCode(store.openWorkspace(new Blob([content])), code);
    };
    for (let i = 1; i <= 40; i++) {
      const at = Math.floor(i * 0.61803 * bytes.length) % bytes.length;
      const broken = bytes.slice();
      broken[at]! ^= 1 << (i % 8);
      await refused(broken, at < 4 ? "store/no-workspace" : "store/damaged-workspace");
      await refused(bytes.slice(0, Math.max(20, at)), "store/damaged-workspace");
    }
    await refused(new Uint8Array([...bytes, 0]), "store/damaged-workspace");
    await refused(new TextEncoder().encode("PK and so on, a file of another kind"), "store/no-workspace");
    await refused(new Uint8Array(0), "store/no-workspace");
    expectSame(await store.runs(), [], "runs");
    expectSame((await store.usage()).runs, [], "usage");
  },
};

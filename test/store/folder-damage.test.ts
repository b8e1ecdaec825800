import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FolderStorage } from "../../src/store/folder-storage.ts";
import { frameLength } from "../../src/store/frame.ts";
import { TransactionalStore } from "../../src/store/lightning-store.ts";
import type { Storage } from "../../src/store/storage.ts";
import golden4 from "../fixtures/store-version-4.json";
import { agenticUpdate } from "./agentic-batch.ts";
import { auditStorage } from "./audit.ts";
import { makeRun, updates } from "./contract.ts";
import { checkGolden } from "./golden-content.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fulgurite-damage-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** What one transaction put there, and where its frame lies. */
interface Written {
  readonly from: number;
  readonly to: number;
  /** Ids of spans, and of rollouts. */
  readonly ids: readonly string[];
}

/** A log of every kind of frame: commits, seals, a joining, rollouts made and removed, a run deleted, a queue at work. */
async function writeLog(
  path: string,
): Promise<{ bytes: Uint8Array; written: Written[]; removed: Set<string> }> {
  const storage = new FolderStorage(path);
  let now = 1_700_000_000_000;
  const store = new TransactionalStore(storage, { now: () => (now += 10), watchInterval: 0 });
  const written: Written[] = [];
  const removed = new Set<string>();
  let ends: number[] = [0];
  const note = async (work: Promise<unknown>, ids: readonly string[] = []): Promise<void> => {
    await work;
    const bytes = readFileSync(join(path, "store.log"));
    const from = ends.at(-1)!;
    let at = from;
    while (at < bytes.length) at += frameLength(bytes.subarray(at))!;
    ends = [...ends, at];
    written.push({ from, to: at, ids });
  };
  const own = (from: number, to: number): [Promise<void>, string[]] => {
    const spans = updates("a", from, to);
    return [store.commit({ run: makeRun("a"), spans }), spans.map(({ spanId }) => spanId)];
  };
  const batch = (runId: string, update: number): [Promise<void>, string[]] => {
    const { rollouts, spans } = agenticUpdate(runId, update, 4);
    const ids = [...rollouts, ...spans].map((row) => ("spanId" in row ? row.spanId : `rollout ${row.id}`));
    return [store.commit({ run: makeRun(runId, { kind: "agentic" }), rollouts, spans }), ids];
  };
  for (let update = 1; update <= 4; update++) {
    await note(...own(10 * update, 10 * update + 9));
    await note(...batch("b", update));
    await note(...batch("b/c", update));
    if (update === 2) await note(store.setSetting("draft", "x".repeat(300)));
    if (update % 2 === 0) for (const id of ["a", "b"]) await note(store.seal(id));
  }
  await note(...own(60, 62));
  await note(store.seal("a"));
  await note(store.compact("a"));
  await note(...own(63, 64));
  await note(store.seal("a"));
  await note(store.compact("a"));
  const gone = [0, 1, 6].map((number) => `b/${number}`);
  await note(store.deleteRollouts("b", [0, 1, 6]));
  for (const id of gone) removed.add(`rollout ${id}`);
  for (const { ids } of written)
    for (const id of ids) if (gone.some((rollout) => id.startsWith(`${rollout}/`))) removed.add(id);
  await note(...batch("d", 1));
  await note(store.deleteRun("d"));
  for (const id of written.at(-2)!.ids) removed.add(id);
  await note(store.queue.enqueue([{ id: "one", task: 1, config: { timeout: 1e9 } }]), ["rollout one"]);
  await note(store.queue.enqueue([{ id: "two", task: 2 }]), ["rollout two"]);
  await note(store.queue.dequeue({ workerId: "w" }));
  const { attempts } = (await store.queue.get("one"))!;
  expect(attempts).toBe(1);
  await note(store.queue.updateAttempt("one", "latest", { status: "succeeded" }));
  await note(store.resources.update("p", { a: { type: "prompt_template", template: "x", engine: "jinja" } }));
  await note(...own(70, 75));
  store.close();
  return { bytes: Uint8Array.from(readFileSync(join(path, "store.log"))), written, removed };
}

/** Ids of all rows, in the order in which they are read; throws where one is there twice or out of order. */
async function readIds(storage: Storage): Promise<Set<string>> {
  const store = new TransactionalStore(storage, { watchInterval: 1e9 });
  const ids: string[] = [];
  for (const { id: runId } of await store.runs()) {
    const spans = await store.spans({ runId });
    for (const { spanId, rolloutId } of spans)
      ids.push(rolloutId === null || spanId.startsWith(rolloutId) ? spanId : `${rolloutId} ${spanId}`);
    const sequences = spans.filter(({ rolloutId }) => rolloutId === null).map(({ sequence }) => sequence);
    expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
    for (const { id } of await store.rollouts({ runId })) ids.push(`rollout ${id}`);
  }
  expect(new Set(ids).size).toBe(ids.length);
  return new Set(ids);
}

/** More places than one a frame; a longer look takes 100 or more. */
const more = Number(process.env["FULGURITE_DAMAGE"] ?? 8);

let copies = 0;
function folderWith(bytes: Uint8Array): string {
  const path = join(folder, String(copies++));
  mkdirSync(path);
  writeFileSync(join(path, "store.log"), bytes);
  return path;
}

/** A small generator, the same numbers every time. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe("a damaged log", () => {
  let log: Awaited<ReturnType<typeof writeLog>>;
  beforeAll(async () => {
    const path = join(folder, "whole");
    log = await writeLog(path);
  });

  /** Opens it and holds it to what was acknowledged outside of `lost`. */
  async function check(bytes: Uint8Array, lost: readonly Written[], named: boolean): Promise<void> {
    const path = folderWith(bytes);
    const storage = new FolderStorage(path);
    const ids = await readIds(storage);
    const wanted = log.written.filter((each) => !lost.includes(each)).flatMap((each) => each.ids);
    expect(wanted.filter((id) => !ids.has(id) && !log.removed.has(id))).toEqual([]);
    const known = new Set(log.written.flatMap((each) => each.ids));
    expect([...ids].filter((id) => !known.has(id))).toEqual([]);
    expect(await auditStorage(storage)).toEqual([]);
    const problems = await new TransactionalStore(storage).problems();
    expect(problems.map(({ code }) => code)).toEqual(named ? ["store/corrupt-log"] : []);
    const aside = readdirSync(path).filter((name) => name.includes("damaged"));
    expect(aside).toHaveLength(named ? 1 : 0);
    if (named) {
      // Exactly what cannot be read, byte for byte.
      const kept = readFileSync(join(path, aside[0]!));
      const from = lost[0]!.from;
      expect(kept.equals(bytes.subarray(from, Math.min(bytes.length, lost.at(-1)!.to)))).toBe(true);
      expect(problems[0]!.fix).toContain(aside[0]!);
    }
    // It goes on, and is the same when it is opened again.
    const store = new TransactionalStore(storage);
    await store.commit({ run: makeRun("e"), spans: updates("e", 1, 2) });
    storage.close();
    const again = new FolderStorage(path);
    const later = await readIds(again);
    expect(later).toEqual(new Set([...ids, "e/2", "e/4"]));
    expect(await auditStorage(again)).toEqual([]);
    expect(await new TransactionalStore(again).problems()).toEqual(problems);
    again.close();
    if (named) {
      rmSync(join(path, aside[0]!));
      const third = new FolderStorage(path);
      expect(await new TransactionalStore(third).problems()).toEqual([]);
      third.close();
    }
    rmSync(path, { recursive: true });
  }

  test("loses the transaction that is hit, names it and sets it aside, wherever one bit is flipped", async () => {
    const random = numbers(7);
    const { bytes, written } = log;
    // In each frame once, in its magic, its lengths and checksum, or its content; and anywhere.
    const places = written
      .filter(({ from, to }) => to > from)
      .map(({ from, to }, i) => from + [random(4), 4 + random(12), 16 + random(to - from - 16)][i % 3]!);
    for (let i = 0; i < more; i++) places.push(random(bytes.length));
    for (const at of places) {
      const hurt = bytes.slice();
      hurt[at]! ^= 1 << random(8);
      const lost = written.filter(({ from, to }) => at >= from && at < to);
      await check(hurt, lost, true).catch((error: unknown) => {
        throw new Error(`a bit of byte ${at} flipped`, { cause: error });
      });
    }
  }, 120_000);

  test("is cut off where it was cut, without a word where the last frame is not whole", async () => {
    const random = numbers(8);
    const { bytes, written } = log;
    for (let i = 0; i < 8 + more; i++) {
      const length = random(bytes.length);
      const lost = written.filter(({ to }) => to > length);
      const path = folderWith(bytes.subarray(0, length));
      const storage = new FolderStorage(path);
      const ids = await readIds(storage);
      const wanted = written.filter((each) => !lost.includes(each)).flatMap((each) => each.ids);
      expect(wanted.filter((id) => !ids.has(id) && !log.removed.has(id))).toEqual([]);
      expect(await auditStorage(storage)).toEqual([]);
      expect(await new TransactionalStore(storage).problems()).toEqual([]);
      expect(readdirSync(path).sort()).toEqual(["lock", "store.log"]);
      storage.close();
    }
  }, 60_000);

  test("that was written anew, a row a frame, loses no more than one segment", async () => {
    const random = numbers(10);
    const hurt = Uint8Array.from(log.bytes);
    hurt[log.bytes.length - 100]! ^= 4;
    const first = folderWith(hurt);
    const repaired = new FolderStorage(first);
    const whole = await readIds(repaired);
    repaired.close();
    rmSync(
      join(
        first,
        readdirSync(first).find((name) => name.includes("damaged"))!,
      ),
    );
    const bytes = readFileSync(join(first, "store.log"));
    for (let i = 0; i < 8 + more; i++) {
      // The catalogue is at the beginning, where most rows are.
      const at = random(i % 2 === 0 ? bytes.length : 20_000);
      const path = folderWith(bytes);
      const damaged = Uint8Array.from(bytes);
      damaged[at]! ^= 1 << random(8);
      writeFileSync(join(path, "store.log"), damaged);
      const storage = new FolderStorage(path);
      const ids = await readIds(storage);
      expect(whole.size - ids.size).toBeLessThanOrEqual(80);
      expect([...ids].filter((id) => !whole.has(id))).toEqual([]);
      const wrong = await auditStorage(storage);
      expect(wrong.filter((each) => !each.endsWith("is missing"))).toEqual([]);
      const [problem, ...others] = await new TransactionalStore(storage).problems();
      expect(problem?.code).toBe("store/corrupt-log");
      // Of a segment whose columns were hit it says how many spans there were.
      for (const { code } of others) expect(code).toMatch(/^store\/corrupt-(segment|tokens|texts)$/);
      expect(others.length).toBeLessThanOrEqual(1);
      storage.close();
    }
  }, 60_000);

  test("of which bytes are missing, or were overwritten, keeps all before and behind", async () => {
    const random = numbers(9);
    const { bytes, written } = log;
    for (let i = 0; i < 4 + more; i++) {
      const from = random(bytes.length - 600);
      const count = 1 + random(500);
      const lost = written.filter(
        (each) => each.to > from && each.from < from + count && each.to > each.from,
      );
      const hurt =
        i % 2 === 0
          ? Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + count)])
          : Buffer.from(bytes).fill(0, from, from + count);
      const path = folderWith(hurt);
      const storage = new FolderStorage(path);
      const ids = await readIds(storage);
      const wanted = written.filter((each) => !lost.includes(each)).flatMap((each) => each.ids);
      expect(wanted.filter((id) => !ids.has(id) && !log.removed.has(id))).toEqual([]);
      expect(await auditStorage(storage)).toEqual([]);
      const problems = await new TransactionalStore(storage).problems();
      // Without its last bytes the last frame is as one that was never written whole.
      const last = lost.at(-1)?.to === bytes.length;
      const unseen =
        i % 2 === 0 && (last || lost.every((each) => each.from >= from && each.to <= from + count));
      expect(problems.map(({ code }) => code)).toEqual(
        unseen || hurt.equals(bytes) ? [] : ["store/corrupt-log"],
      );
      storage.close();
    }
  }, 60_000);
});

test("a log that version 4 wrote opens, and nothing of it is lost", async () => {
  const packed = readFileSync(new URL("../fixtures/store-folder-version-4.log.gz", import.meta.url));
  const path = folderWith(gunzipSync(packed));
  const storage = new FolderStorage(path);
  await checkGolden(storage, golden4);
  const runs = await new TransactionalStore(storage).runs();
  storage.close();
  const again = new FolderStorage(path);
  expect(await new TransactionalStore(again).runs()).toEqual(runs);
  again.close();
});

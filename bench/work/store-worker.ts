import * as Comlink from "comlink";
import { makeSqliteStore } from "../peers/sqlite-store.js";
import { makeIdbRecords } from "./idb-records.ts";
import { makeOurStore } from "./our-store.ts";
import type { Contestant, Found } from "./store-contestant.ts";
import { interleavedSpans, spansPerRollout } from "./store-spans.ts";

const makers = {
  fulgurite: makeOurStore,
  "idb-records": makeIdbRecords,
  "sqlite-opfs": () => makeSqliteStore(new URL("/sqlite/index.mjs", location.href).href),
} as const;

export type ContestantName = keyof typeof makers;

const open = new Map<ContestantName, Contestant>();

async function contestant(name: ContestantName): Promise<Contestant> {
  let found = open.get(name);
  if (!found) open.set(name, (found = await makers[name]()));
  return found;
}

const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const began = performance.now();
  await work();
  return performance.now() - began;
};

const api = {
  /**
   * Writes `rollouts` rollouts in transactions of `batch` spans, `inFlight` of them at a time; milliseconds, without
   * those of making them up.
   */
  async write(
    name: ContestantName,
    runId: string,
    first: number,
    rollouts: number,
    batch: number,
    inFlight: number,
  ): Promise<number> {
    const store = await contestant(name);
    let time = 0;
    const block = Math.max(1, Math.floor(10_000 / spansPerRollout));
    for (let done = 0; done < rollouts; done += block) {
      const spans = interleavedSpans(runId, first + done, Math.min(block, rollouts - done));
      time += await timed(async () => {
        for (let at = 0; at < spans.length; at += batch * inFlight) {
          const writes: Promise<void>[] = [];
          for (let i = at; i < Math.min(spans.length, at + batch * inFlight); i += batch)
            writes.push(store.write(runId, spans.slice(i, i + batch)));
          await Promise.all(writes);
        }
      });
    }
    return time;
  },
  /** Milliseconds of each of `count` transactions of one span. */
  async append(name: ContestantName, runId: string, first: number, count: number): Promise<number[]> {
    const store = await contestant(name);
    const spans = interleavedSpans(runId, first, Math.ceil(count / spansPerRollout)).slice(0, count);
    const times: number[] = [];
    for (const span of spans) times.push(await timed(() => store.write(runId, [span])));
    return times;
  },
  finish: async (name: ContestantName, runId: string, first: number, rollouts: number): Promise<void> =>
    (await contestant(name)).finish(runId, first, rollouts),
  async byRollout(
    name: ContestantName,
    places: readonly (readonly [string, number])[],
  ): Promise<{ readonly times: number[]; readonly found: Found }> {
    const store = await contestant(name);
    const times: number[] = [];
    let rows = 0;
    let sum = 0;
    for (const [runId, number] of places) {
      times.push(
        await timed(async () => {
          const found = await store.byRollout(runId, number);
          rows += found.rows;
          sum += found.sum;
        }),
      );
    }
    return { times, found: { rows, sum } };
  },
  async meanReward(
    name: ContestantName,
    runIds: readonly string[],
  ): Promise<{ readonly times: number[]; readonly means: number[] }> {
    const store = await contestant(name);
    const times: number[] = [];
    const means: number[] = [];
    for (const runId of runIds)
      times.push(await timed(async () => means.push(await store.meanReward(runId))));
    return { times, means };
  },
  async scan(
    name: ContestantName,
    runIds: readonly string[],
  ): Promise<{ readonly time: number; readonly found: Found }> {
    const store = await contestant(name);
    let found: Found = { rows: 0, sum: 0 };
    const time = await timed(async () => (found = await store.scan(runIds)));
    return { time, found };
  },
  async reopen(name: ContestantName): Promise<number> {
    const store = await contestant(name);
    return timed(() => store.reopen());
  },
  async close(name: ContestantName): Promise<void> {
    await open.get(name)?.close();
    open.delete(name);
  },
};

export type StoreWorker = typeof api;

Comlink.expose(api);
